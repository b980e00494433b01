//! What was read back at the end: timelines, states at each node, lists at each node.

use std::{collections::BTreeMap, fmt};

use parlor_common::id::ConversationId;

use super::{LABELS, event::Event, fold::View};
use crate::ledger::Conversation;

/// Everything.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    /// Of each conversation of a tenant with workers, or why it could not be read.
    pub(crate) timelines: BTreeMap<Conversation, Result<Vec<Event>, String>>,
    pub(crate) states: Vec<StateReading>,
    pub(crate) lists: Vec<ListReading>,
}

/// A conversation's state as a node tells it.
#[derive(Debug)]
pub(crate) struct StateReading {
    pub(crate) conversation: Conversation,
    pub(crate) node: String,
    /// What was expected just then, and what was told; or why nothing was.
    pub(crate) told: Result<(View, View), String>,
    /// Whether it was as expected only after another look.
    pub(crate) is_late: bool,
}

/// A list as a node tells it.
#[derive(Debug)]
pub(crate) struct ListReading {
    pub(crate) tenant: u32,
    pub(crate) node: String,
    pub(crate) list: List,
    /// The conversations that were expected in it just then, and those that were told, each in
    /// order of their ids; or why nothing was told.
    pub(crate) told: Result<(Vec<ConversationId>, Vec<ConversationId>), String>,
    pub(crate) is_late: bool,
}

/// A list that agents are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Status(&'static str),
    /// By who is awaited.
    Waiting(&'static str),
    Nobodys,
    Agents(String),
    Label(&'static str),
}

// === impl List ===

impl List {
    /// Those that are compared, where these work.
    pub(crate) fn all<'a>(workers: impl Iterator<Item = &'a String>) -> Vec<Self> {
        let mut all: Vec<_> = ["open", "snoozed", "closed"].map(Self::Status).into();
        all.extend(["team", "visitor"].map(Self::Waiting));
        all.push(Self::Nobodys);
        all.extend(workers.cloned().map(Self::Agents));
        all.extend(LABELS.map(Self::Label));
        all
    }

    /// Whether a conversation in this state is in it.
    pub(crate) fn has(&self, view: &View) -> bool {
        match self {
            Self::Status(status) => view.status == *status,
            Self::Waiting(waiting) => view.waiting.as_deref() == Some(waiting),
            Self::Nobodys => view.assignee.is_none(),
            Self::Agents(agent) => view.assignee.as_ref() == Some(agent),
            Self::Label(label) => view.labels.contains(*label),
        }
    }
}

/// As an address names it.
impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status={status}"),
            Self::Waiting(waiting) => write!(f, "waiting={waiting}"),
            Self::Nobodys => f.write_str("list=none"),
            Self::Agents(agent) => write!(f, "list=agent/{agent}"),
            Self::Label(label) => write!(f, "list=label/{label}"),
        }
    }
}
