//! What sessions and the node say to each other about signals, in no dialect's words.

use parlor_common::{author::AuthorKind, frame::Person, id::ConversationId};
use parlor_signals::Class;

/// What a session's client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Somebody types in a conversation, or does no more.
    Typing { conversation: ConversationId, by: AuthorKind, author: Person, on: bool },
    /// Whether the visitor of a conversation is online.
    Visitor { conversation: ConversationId, online: bool },
    /// Who else has a conversation open.
    Agents { conversation: ConversationId, agents: Vec<Person> },
    /// Whether somebody of the team is online; `None` while that is not known.
    Here(Option<bool>),
}

/// What a session's client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saying {
    /// It types, or does no more: in this conversation, or the own where it is a visitor.
    Typing { conversation: Option<ConversationId>, on: bool },
    /// It looks at this from now on.
    Look(Look),
}

/// What an agent looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// The conversation that it has open.
    pub(crate) open: Option<ConversationId>,
    /// The rows that it sees.
    pub(crate) visible: Vec<ConversationId>,
}

// === impl Notice ===

impl Notice {
    /// How soon it is shed.
    pub(crate) const fn class(&self) -> Class {
        match self {
            Self::Typing { .. } => Class::Typing,
            Self::Visitor { .. } => Class::Visitor,
            Self::Agents { .. } | Self::Here(_) => Class::Roster,
        }
    }

    /// Whether it tells a state that stays as it is: then it is told again where it was dropped.
    pub(crate) const fn is_state(&self) -> bool {
        !matches!(self, Self::Typing { .. })
    }
}
