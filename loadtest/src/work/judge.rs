//! The judgement of the work: what was accepted is in timelines once and in order, agents' sockets
//! were shown it once and in order, nobody won what another held, and every view of a conversation
//! tells the same.

mod views;

use std::collections::HashMap;

use parlor_common::id::EventId;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Book, called,
    deed::{Asked, Deed, DeedId, Kind, Outcome, Tags},
    event::{Event, What},
    fold::Fold,
    reading::Readings,
};
use crate::ledger::{Conversation, Fault, FaultKind, History, Tag, Verdict};

/// What the work came to, for the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct WorkScore {
    pub(crate) workers: u64,
    pub(crate) claims_won: u64,
    pub(crate) claims_lost: u64,
    /// Accepted, the claims that were won among them.
    pub(crate) changes: u64,
    pub(crate) notes: u64,
    pub(crate) answers: u64,
    pub(crate) marks: u64,
    /// Refused for good, which nothing should be.
    pub(crate) refused: u64,
    /// Nobody was told in the end what became of them.
    pub(crate) given_up: u64,
    /// Writes that were asked for again with the same id.
    pub(crate) retries: u64,
    /// Conversations' states and lists that were compared, at all nodes together.
    pub(crate) states: u64,
    pub(crate) lists: u64,
    /// Of both, those that agreed only at another look.
    pub(crate) late: u64,
}

struct Judge<'a> {
    book: &'a Book,
    tags: Tags,
    verdict: &'a mut Verdict,
    /// The deeds of each conversation, in the order of doing.
    deeds: HashMap<Conversation, Vec<DeedId>>,
}

/// A timeline, looked through.
#[derive(Default)]
struct Found {
    deeds: HashMap<DeedId, usize>,
    messages: HashMap<Tag, usize>,
    places: HashMap<EventId, usize>,
    fold: Fold,
    has_two_winners: bool,
}

/// A worker certainly held a conversation so long.
struct Hold {
    worker: usize,
    since: Instant,
    /// `None` until the end.
    until: Option<Instant>,
}

// === impl WorkScore ===

impl WorkScore {
    /// How many things were asked for.
    pub(crate) const fn asked(&self) -> u64 {
        self.changes
            + self.claims_lost
            + self.notes
            + self.answers
            + self.marks
            + self.refused
            + self.given_up
    }
}

/// Judges the whole book, with what was read back.
pub(super) fn judge(
    book: &Book,
    tags: Tags,
    readings: &Readings,
    histories: &HashMap<Conversation, History>,
    verdict: &mut Verdict,
) -> WorkScore {
    let mut judge = Judge { book, tags, verdict, deeds: HashMap::new() };
    for (place, deed) in book.deeds.iter().enumerate() {
        judge.deeds.entry(deed.conversation).or_default().push(DeedId::of(place));
    }
    for fault in &book.faults {
        judge.verdict.fault(fault.clone());
    }
    for (&conversation, timeline) in &readings.timelines {
        let events = match timeline {
            Ok(events) => events,
            Err(trouble) => {
                judge.verdict.unread.push(format!("{conversation}: timeline: {trouble}"));
                continue;
            }
        };
        let found = judge.timeline(conversation, events);
        judge.losses(conversation, &found);
        judge.orders(conversation, &found);
        judge.listeners(conversation, events, &found);
        judge.folds(conversation, &found);
        judge.marks(conversation);
        if !found.has_two_winners {
            judge.holders(conversation);
        }
        if let Some(History { entries: Ok(entries), .. }) = histories.get(&conversation) {
            let listed: Vec<_> = entries.iter().map(|entry| entry.id).collect();
            judge.messages(conversation, events, &listed);
        }
    }
    judge.readings(readings);
    score(book, readings)
}

// === impl Judge ===

impl Judge<'_> {
    fn fault(&mut self, kind: FaultKind, place: String, detail: String) {
        self.verdict.fault(Fault { kind, place, tag: None, detail });
    }

    fn deeds(&self, of: Conversation) -> impl Iterator<Item = (DeedId, &Deed)> {
        let of = self.deeds.get(&of).map_or(&[][..], Vec::as_slice);
        of.iter().map(|&id| (id, &self.book.deeds[id.index()]))
    }

    fn name(&self, worker: usize) -> &str {
        self.book.workers.get(worker).map_or("", |worker| &worker.name)
    }

    /// Checks that a timeline holds nothing twice, nothing that nobody did, and nobody's claim of
    /// what another held.
    fn timeline(&mut self, conversation: Conversation, events: &[Event]) -> Found {
        let mut found = Found::default();
        for (place, event) in events.iter().enumerate() {
            if let Some(id) = event.id {
                found.places.insert(id, place);
            }
            if let What::Message { tag: Some(tag), .. } = event.what {
                found.messages.insert(tag, place);
            }
            if let Some(deed) = self.tags.of(event) {
                if let Some((kind, detail)) = self.wrong(conversation, event, deed, &found) {
                    found.has_two_winners |= kind == FaultKind::Winners;
                    let detail = format!("holds {} at {place}, {detail}", called(event.id));
                    self.fault(kind, format!("the timeline of {conversation}"), detail);
                }
                if let Some(deed) = deed {
                    found.deeds.entry(deed).or_insert(place);
                }
            }
            found.fold.apply(event);
        }
        found
    }

    /// What is wrong with a note or a change of a timeline; `found` is what lies before it.
    fn wrong(
        &self,
        conversation: Conversation,
        event: &Event,
        id: Option<DeedId>,
        found: &Found,
    ) -> Option<(FaultKind, String)> {
        let known = id.and_then(|id| Some((id, self.book.deeds.get(id.index())?)));
        let Some((id, deed)) = known else {
            return Some((FaultKind::Invented, "which nobody did".to_owned()));
        };
        let name = self.name(deed.worker);
        let what = self.tags.write(id);
        if deed.conversation != conversation {
            return Some((
                FaultKind::Foreign,
                format!("which {name} did in {}", deed.conversation),
            ));
        }
        if let Some(first) = found.deeds.get(&id) {
            return Some((FaultKind::Doubled, format!("and at {first} already: {name}'s {what}")));
        }
        let invented = |detail: String| Some((FaultKind::Invented, detail));
        match deed.outcome {
            Outcome::Conflict | Outcome::Refused => {
                return invented(format!("which was refused: {name}'s {what}"));
            }
            Outcome::Accepted(Some(first)) if Some(first) != event.id => {
                return invented(format!("which was accepted as {first}: {name}'s {what}"));
            }
            Outcome::Accepted(_) | Outcome::LateConflict | Outcome::Pending | Outcome::GivenUp => {}
        }
        if event.author.as_deref() != Some(name) {
            return invented(format!("as done by {:?}: {name}'s {what}", event.author));
        }
        let asked = match (&deed.kind, &event.what) {
            (Kind::Note, What::Note(_)) => return None,
            (Kind::Change(asked), What::Change(change)) if asked.is(change) => asked,
            (Kind::Change(asked), What::Change(change)) => {
                return invented(format!("which is {change:?} and was asked for as {asked:?}"));
            }
            _ => return invented(format!("which is no such thing: {name}'s {what}")),
        };
        let holder = found.fold.assignee().filter(|_| asked.is_claim)?;
        Some((FaultKind::Winners, format!("where {name} claims what {holder} holds: {what}")))
    }

    /// Checks that a timeline holds everything that was accepted.
    fn losses(&mut self, conversation: Conversation, found: &Found) {
        let lost = self.deeds(conversation).filter(|(id, deed)| {
            let is_there = found.deeds.contains_key(id);
            deed.is_work() && deed.is_accepted() && !is_there && !self.is_told_again(*id, deed)
        });
        let lost: Vec<_> = lost.map(|(id, deed)| (id, deed.worker)).collect();
        for (id, worker) in lost {
            let detail = format!("does not hold {}, which was accepted", self.tags.write(id));
            let place = format!("the timeline of {conversation}, {}'s", self.name(worker));
            self.fault(FaultKind::Lost, place, detail);
        }
    }

    /// Who claims what is the own already is told so, and nothing happens. That may be where an
    /// earlier claim was won and its answer lost.
    fn is_told_again(&self, id: DeedId, deed: &Deed) -> bool {
        let is_claim = |deed: &Deed| deed.asked().is_some_and(|asked| asked.is_claim);
        is_claim(deed)
            && self.deeds(deed.conversation).any(|(earlier, other)| {
                let is_open = !other.is_accepted()
                    && !matches!(other.outcome, Outcome::Conflict | Outcome::Refused);
                earlier < id && other.worker == deed.worker && is_open && is_claim(other)
            })
    }

    /// Checks that a timeline holds what one worker did in the order of doing: each waits for the
    /// answer before the next.
    fn orders(&mut self, conversation: Conversation, found: &Found) {
        let mut lasts: HashMap<usize, (DeedId, usize)> = HashMap::new();
        let mut swapped = Vec::new();
        for (id, deed) in self.deeds(conversation).filter(|(_, deed)| deed.is_accepted()) {
            let place = match &deed.kind {
                Kind::Answer(tag) => found.messages.get(tag),
                Kind::Note | Kind::Change(_) => found.deeds.get(&id),
                Kind::Mark => None,
            };
            let Some(&place) = place else { continue };
            let last = lasts.entry(deed.worker).or_insert((id, place));
            if place < last.1 {
                swapped.push((deed.worker, place, *last));
            } else {
                *last = (id, place);
            }
        }
        for (worker, place, (last, other)) in swapped {
            let detail = format!(
                "holds at {place} what was done after {}, which is at {other}",
                self.tags.write(last)
            );
            let place = format!("the timeline of {conversation}, {}'s", self.name(worker));
            self.fault(FaultKind::Reordered, place, detail);
        }
    }

    /// Checks that every note and change was shown to every agent's socket, in order.
    fn listeners(&mut self, conversation: Conversation, events: &[Event], found: &Found) {
        let listeners = self.book.listeners.values();
        let mut faults = Vec::new();
        for listener in listeners.filter(|listener| listener.is_promised(conversation)) {
            let mut fault = |kind, detail| faults.push((kind, listener.name().to_owned(), detail));
            for &deed in found.deeds.keys() {
                if !listener.has(deed) && !listener.is_excused(deed) {
                    let what = self.tags.write(deed);
                    fault(
                        FaultKind::Missing,
                        format!("was never shown {what}, which the timeline of {conversation} has"),
                    );
                }
            }
            let is_work = |place: usize| self.tags.of(&events[place]).is_some();
            let mut last = None;
            for id in listener.order(conversation) {
                let Some(&place) = found.places.get(id) else { continue };
                match last {
                    // Messages among each other are the ledger's.
                    Some(before) if place < before && (is_work(place) || is_work(before)) => fault(
                        FaultKind::Reordered,
                        format!("was shown {id} late: it is {place} of {conversation}'s timeline"),
                    ),
                    Some(before) if place < before => {}
                    _ => last = Some(place),
                }
            }
        }
        for (kind, place, detail) in faults {
            self.fault(kind, place, detail);
        }
    }

    /// Checks by the answers alone that no two held it at once: who won holds it from the answer
    /// until the release is asked for.
    fn holders(&mut self, conversation: Conversation) {
        let is_open = |deed: &Deed| matches!(deed.outcome, Outcome::GivenUp | Outcome::Pending);
        let is_release = |deed: &Deed| deed.asked().is_some_and(Asked::is_release);
        // A release that nobody was told of may come to pass at any time.
        if self.deeds(conversation).any(|(_, deed)| is_open(deed) && is_release(deed)) {
            return;
        }
        let mut holds: Vec<Hold> = Vec::new();
        for (id, deed) in self.deeds(conversation) {
            let is_claim = deed.asked().is_some_and(|asked| asked.is_claim);
            let Some(answered) = deed.answered.filter(|_| is_claim && deed.is_accepted()) else {
                continue;
            };
            let release = self.deeds(conversation).find(|(later, other)| {
                *later > id && other.worker == deed.worker && is_release(other)
            });
            let until = release.map(|(_, release)| release.began);
            holds.push(Hold { worker: deed.worker, since: answered, until });
        }
        let overlap = |one: &Hold, other: &Hold| {
            let begin = one.since.max(other.since);
            one.until.is_none_or(|end| begin < end) && other.until.is_none_or(|end| begin < end)
        };
        let mut both = Vec::new();
        for (at, one) in holds.iter().enumerate() {
            for other in holds[at + 1..].iter().filter(|other| other.worker != one.worker) {
                if overlap(one, other) {
                    both.push((one.worker, other.worker));
                }
            }
        }
        for (one, other) in both {
            let (one, other) = (self.name(one).to_owned(), self.name(other).to_owned());
            let detail = format!("and {other} were both told that they had won {conversation}");
            self.fault(FaultKind::Winners, one, detail);
        }
    }
}

fn score(book: &Book, readings: &Readings) -> WorkScore {
    let is_late = readings
        .states
        .iter()
        .map(|one| one.is_late)
        .chain(readings.lists.iter().map(|one| one.is_late));
    let mut score = WorkScore {
        workers: book.workers.len() as u64,
        retries: book.retries,
        states: readings.states.len() as u64,
        lists: readings.lists.len() as u64,
        late: is_late.filter(|is_late| *is_late).count() as u64,
        ..WorkScore::default()
    };
    for deed in &book.deeds {
        let is_claim = deed.asked().is_some_and(|asked| asked.is_claim);
        match (deed.outcome, &deed.kind) {
            (Outcome::Accepted(_), Kind::Note) => score.notes += 1,
            (Outcome::Accepted(_), Kind::Answer(_)) => score.answers += 1,
            (Outcome::Accepted(_), Kind::Mark) => score.marks += 1,
            (Outcome::Accepted(_), Kind::Change(_)) => {
                score.changes += 1;
                score.claims_won += u64::from(is_claim);
            }
            (Outcome::Conflict | Outcome::LateConflict, _) => score.claims_lost += 1,
            (Outcome::Refused, _) => score.refused += 1,
            (Outcome::GivenUp | Outcome::Pending, _) => score.given_up += 1,
        }
    }
    score
}
