//! What a frame shows, on a socket and in a timeline.

use parlor_common::id::EventId;

use crate::ledger::Tag;

/// Something that happened in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Marks and profiles have none.
    pub(crate) id: Option<EventId>,
    /// Who made it, by id.
    pub(crate) author: Option<String>,
    pub(crate) cursor: String,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Message {
        /// `None` where nobody of this run sent that text.
        tag: Option<Tag>,
        is_visitors: bool,
    },
    /// With its text.
    Note(String),
    Change(Change),
    Read {
        /// `None` for the visitor.
        agent: Option<String>,
        up_to: String,
    },
    /// What changes nothing that is compared.
    Other,
}

/// What was changed, as it is told: what is not there stayed as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) status: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) assignee: Option<Option<String>>,
    pub(crate) team: Option<Option<String>>,
    pub(crate) add: Vec<String>,
    pub(crate) remove: Vec<String>,
}
