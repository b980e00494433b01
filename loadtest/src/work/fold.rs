//! What a conversation has come to, by the written rules alone: what its events say, in their
//! order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use parlor_common::clock::Timestamp;

use super::event::{Change, Event, What};

/// The events of a conversation, folded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fold {
    /// Where the event with this cursor came, counted from 1.
    places: HashMap<String, usize>,
    status: Option<Set>,
    /// Where the visitor wrote last.
    heard: usize,
    is_visitors: Option<bool>,
    assignee: Option<String>,
    team: Option<String>,
    labels: BTreeSet<String>,
    reads: BTreeMap<Option<String>, String>,
}

#[derive(Clone, Debug)]
struct Set {
    place: usize,
    status: String,
    until: Option<Timestamp>,
}

/// A conversation's state as agents are told of it, of what is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) status: String,
    pub(crate) until: Option<Timestamp>,
    /// Who is awaited.
    pub(crate) waiting: Option<String>,
    pub(crate) assignee: Option<String>,
    pub(crate) team: Option<String>,
    pub(crate) labels: BTreeSet<String>,
    pub(crate) unread: bool,
    /// How far each agent has read; `None` is the visitor.
    pub(crate) reads: BTreeMap<Option<String>, String>,
}

// === impl Fold ===

impl Fold {
    /// The next event.
    pub(crate) fn apply(&mut self, event: &Event) {
        let place = self.places.len() + 1;
        self.places.insert(event.cursor.clone(), place);
        match &event.what {
            What::Message { is_visitors, .. } => {
                self.is_visitors = Some(*is_visitors);
                if *is_visitors {
                    self.heard = place;
                }
            }
            What::Change(change) => self.change(place, change),
            What::Read { agent, up_to } => {
                // A mark only rises.
                let before = self.reads.get(agent).map_or(0, |cursor| self.place(cursor));
                if self.place(up_to) >= before {
                    self.reads.insert(agent.clone(), up_to.clone());
                }
            }
            What::Note(_) | What::Other => {}
        }
    }

    fn change(&mut self, place: usize, change: &Change) {
        let Change { status, until, assignee, team, add, remove } = change;
        if let Some(status) = status {
            let until = until.as_deref().and_then(Timestamp::parse);
            self.status = Some(Set { place, status: status.clone(), until });
        }
        if let Some(assignee) = assignee {
            self.assignee.clone_from(assignee);
        }
        if let Some(team) = team {
            self.team.clone_from(team);
        }
        self.labels.retain(|label| !remove.contains(label));
        self.labels.extend(add.iter().cloned());
    }

    /// Who takes care of it.
    pub(super) fn assignee(&self) -> Option<&str> {
        self.assignee.as_deref()
    }

    /// Where the event with this cursor came; 0 where it was not shown.
    pub(super) fn place(&self, cursor: &str) -> usize {
        self.places.get(cursor).copied().unwrap_or(0)
    }

    /// What it comes to at `now`: the status as it was set last, but open once the visitor has
    /// written after that, or its time has passed.
    pub(crate) fn view(&self, now: Timestamp) -> View {
        let set = self.status.as_ref().filter(|set| {
            let is_over = set.until.is_some_and(|until| until <= now);
            self.heard < set.place && !is_over
        });
        let reads = self.reads.iter();
        let agents = reads.filter(|(reader, _)| reader.is_some());
        let read = agents.map(|(_, cursor)| self.place(cursor)).max().unwrap_or(0);
        let waiting = |is_visitors| if is_visitors { "team" } else { "visitor" }.to_owned();
        View {
            status: set.map_or_else(|| "open".to_owned(), |set| set.status.clone()),
            until: set.and_then(|set| set.until),
            waiting: self.is_visitors.map(waiting),
            assignee: self.assignee.clone(),
            team: self.team.clone(),
            labels: self.labels.clone(),
            unread: self.heard > read,
            reads: self.reads.clone(),
        }
    }
}

// === impl View ===

impl View {
    /// In what `other` differs, for people: empty where it does not.
    pub(crate) fn differences(&self, other: &Self) -> String {
        fn said(what: &impl std::fmt::Debug) -> String {
            format!("{what:?}")
        }
        let pairs = [
            ("status", said(&self.status), said(&other.status)),
            ("until", said(&self.until), said(&other.until)),
            ("waiting", said(&self.waiting), said(&other.waiting)),
            ("assignee", said(&self.assignee), said(&other.assignee)),
            ("team", said(&self.team), said(&other.team)),
            ("labels", said(&self.labels), said(&other.labels)),
            ("unread", said(&self.unread), said(&other.unread)),
            ("read", said(&self.reads), said(&other.reads)),
        ];
        let differing = pairs.iter().filter(|(_, one, two)| one != two);
        let words: Vec<_> =
            differing.map(|(name, one, two)| format!("{name} {one} and {two}")).collect();
        words.join(", ")
    }

    /// The same without what a timeline does not tell: marks are on sockets alone.
    pub(crate) fn without_marks(mut self) -> Self {
        self.reads.clear();
        self.unread = false;
        self
    }
}
