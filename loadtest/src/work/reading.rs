//! What was read back at the end: timelines, states at each node, lists at each node.

use std::collections::BTreeMap;

use parlor_common::id::ConversationId;

use super::{LABELS, fold::View};
use crate::{ledger::Conversation, work::event::Event};

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
    /// The list, as an address names it.
    pub(crate) list: String,
    /// The conversations that were expected in it just then, and those that were told, each in
    /// order of their ids; or why nothing was told.
    pub(crate) told: Result<(Vec<ConversationId>, Vec<ConversationId>), String>,
    pub(crate) is_late: bool,
}

/// The lists that are compared, as addresses name them, each with what is in it.
pub(crate) fn lists(workers: &[String]) -> Vec<(String, Box<dyn Fn(&View) -> bool + Send + Sync>)> {
    let mut all: Vec<(String, Box<dyn Fn(&View) -> bool + Send + Sync>)> = Vec::new();
    for status in ["open", "snoozed", "closed"] {
        all.push((format!("status={status}"), Box::new(move |view| view.status == status)));
    }
    for waiting in ["team", "visitor"] {
        let is = move |view: &View| view.waiting.as_deref() == Some(waiting);
        all.push((format!("waiting={waiting}"), Box::new(is)));
    }
    all.push(("list=none".to_owned(), Box::new(|view| view.assignee.is_none())));
    for worker in workers {
        let whose = worker.clone();
        let is = move |view: &View| view.assignee.as_ref() == Some(&whose);
        all.push((format!("list=agent/{worker}"), Box::new(is)));
    }
    for label in LABELS {
        let is = move |view: &View| view.labels.contains(label);
        all.push((format!("list=label/{label}"), Box::new(is)));
    }
    all
}
