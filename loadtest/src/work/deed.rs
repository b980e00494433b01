//! What a worker asked for, and how it is told apart wherever it is shown.

use parlor_common::{clock::Timestamp, id::EventId};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::event::{Change, Event, What};
use crate::ledger::{Conversation, Tag};

/// The number of a deed in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeedId(u32);

/// One write of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) worker: usize,
    pub(crate) conversation: Conversation,
    pub(crate) kind: Kind,
    pub(crate) outcome: Outcome,
    pub(crate) began: Instant,
    pub(crate) answered: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Note,
    Change(Asked),
    /// A message, which the ledger of drafts has as well.
    Answer(Tag),
    /// How far it has read, which no timeline tells.
    Mark,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is being asked for; or it was when the run ended, and may be there or not.
    Pending,
    /// With the id, where the answer has it.
    Accepted(Option<EventId>),
    /// The condition did not hold: it is not there.
    Conflict,
    /// The same of a later try than the first, so that an earlier one may be there all the same.
    LateConflict,
    /// Refused for good: it is not there.
    Refused,
    /// Nobody was told in the end: it may be there or not.
    GivenUp,
}

/// What a change asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Only where nobody takes care of it.
    pub(crate) is_claim: bool,
    pub(crate) assignee: Option<Option<String>>,
    pub(crate) status: Option<&'static str>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) add: Vec<&'static str>,
    pub(crate) remove: Vec<&'static str>,
}

/// Writes and reads the words by which deeds are told apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tags {
    /// Tells this run's from those of others on the same tenants.
    run: u32,
}

// === impl DeedId ===

impl DeedId {
    pub(super) fn of(place: usize) -> Self {
        Self(u32::try_from(place).unwrap_or(u32::MAX))
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

// === impl Deed ===

impl Deed {
    pub(super) fn new(worker: usize, conversation: Conversation, kind: Kind) -> Self {
        let (outcome, began) = (Outcome::Pending, Instant::now());
        Self { worker, conversation, kind, outcome, began, answered: None }
    }

    pub(super) const fn is_accepted(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted(_))
    }

    /// Whether timelines and sockets must have it: a message is a draft like any other.
    pub(super) const fn is_work(&self) -> bool {
        matches!(self.kind, Kind::Note | Kind::Change(_))
    }

    pub(super) const fn asked(&self) -> Option<&Asked> {
        match &self.kind {
            Kind::Change(asked) => Some(asked),
            Kind::Note | Kind::Answer(_) | Kind::Mark => None,
        }
    }
}

// === impl Asked ===

impl Asked {
    /// Whether nobody takes care of the conversation afterwards.
    pub(super) const fn is_release(&self) -> bool {
        matches!(self.assignee, Some(None))
    }

    /// As a PATCH has it.
    pub(crate) fn body(&self, team: &str, id: &str) -> Value {
        let mut body = json!({ "team": team, "clientMessageId": id });
        if self.is_claim {
            body["ifAssignee"] = Value::Null;
        }
        if let Some(assignee) = &self.assignee {
            body["assignee"] = json!(assignee);
        }
        if let Some(status) = self.status {
            body["status"] = json!(status);
        }
        if let Some(until) = self.until {
            body["until"] = json!(until.to_string());
        }
        if !(self.add.is_empty() && self.remove.is_empty()) {
            body["labels"] = json!({ "add": self.add, "remove": self.remove });
        }
        body
    }

    /// Whether it is this that `change` tells of.
    pub(super) fn is(&self, change: &Change) -> bool {
        let until = change.until.as_deref().and_then(Timestamp::parse);
        change.status.as_deref() == self.status
            && until == self.until
            && change.assignee == self.assignee
            && change.add == self.add
            && change.remove == self.remove
    }
}

// === impl Tags ===

impl Tags {
    pub(super) const fn new(run: u32) -> Self {
        Self { run }
    }

    /// The text of a note, and the team of a change.
    pub(crate) fn write(self, id: DeedId) -> String {
        format!("work {:08x} {}", self.run, id.0)
    }

    /// Which deed's words these are; `None` where they are none of this run's.
    pub(super) fn read(self, text: &str) -> Option<DeedId> {
        let number = text.rsplit(' ').next()?.parse().ok()?;
        let id = DeedId(number);
        (self.write(id) == text).then_some(id)
    }

    /// Which note or change it is that `event` tells of: an inner `None` where nobody of this run
    /// asked for it, an outer one where it is neither.
    pub(super) fn of(self, event: &Event) -> Option<Option<DeedId>> {
        match &event.what {
            What::Note(text) => Some(self.read(text)),
            What::Change(change) => {
                Some(change.team.as_ref().and_then(|team| self.read(team.as_deref()?)))
            }
            What::Message { .. } | What::Read { .. } | What::Other => None,
        }
    }
}
