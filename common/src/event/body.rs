//! Kinds of events: the one place that says what each of them means to the rest of the house.
//!
//! A kind that is in a timeline is a row of its conversation. Every other kind is a last value: it
//! changes a register of the conversation, and replaying it in any order ends the same
//! (`docs/adr/0005-rows-and-last-values.md`).

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    author::AuthorKind,
    id::{ClientMessageId, ConversationId, EventId, SessionId, VisitorId},
    position::Position,
    state::{Reader, StateChange},
    tenant::TenantId,
};

/// What happened.
///
/// To add a kind: a variant of [`Kind`] with its name, one here with its fields, and an answer in
/// each method below, which the compiler asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A draft was accepted.
    Message(MessageBody),
    /// A reader's client has everything up to a position.
    Delivered(DeliveredBody),
    /// Several cookies became one visitor.
    Linked(LinkedBody),
    /// A kind that a later version writes; readers skip it.
    Unknown,
}

/// The name of a kind, in records and for the derivation of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Body::Message`].
    Message,
    /// [`Body::Delivered`].
    Delivered,
    /// [`Body::Linked`].
    Linked,
    /// [`Body::Unknown`].
    Unknown,
}

/// Who looks at a conversation: what is in its timeline and on its sockets depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Audience {
    /// The visitor whose conversation it is.
    Visitor,
    /// The tenant's agents and bots.
    Agents,
}

/// An accepted draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageBody {
    /// The text as it came.
    pub text: String,
    /// The client's id of the draft, or the one the door made.
    pub client_message_id: ClientMessageId,
}

/// How far a reader's clients have received the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveredBody {
    /// Whose clients.
    pub reader: Reader,
    /// They have everything up to and including this position.
    pub up_to: Position,
    /// Whose mark it is, where one socket answered for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<MarkedSocket>,
}

/// The socket that a mark tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkedSocket {
    /// Its session.
    pub session: SessionId,
    /// What has become of it.
    pub is: SocketIs,
}

/// What has become of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketIs {
    /// It is open.
    Open,
    /// It is open, and its page has come back: it had another socket before.
    Back,
    /// It has ended, and its page did not end it: the page may come back.
    Lost,
    /// Its page has closed it, and does not come back.
    Closed,
}

/// Several cookies of one browser turned out to be one visitor's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedBody {
    /// The visitor that they are now; new messages go to its conversation.
    pub visitor: VisitorId,
    /// The visitors that it stands for besides, at least one.
    pub absorbed: Vec<VisitorId>,
}

// === impl Body ===

impl Body {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Message(_) => Kind::Message,
            Self::Delivered(_) => Kind::Delivered,
            Self::Linked(_) => Kind::Linked,
            Self::Unknown => Kind::Unknown,
        }
    }

    /// Whether it is a row of the conversation as `audience` reads it, and part of a page.
    pub const fn in_timeline(&self, audience: Audience) -> bool {
        match (self, audience) {
            (Self::Message(_), Audience::Visitor | Audience::Agents)
            | (Self::Linked(_), Audience::Agents) => true,
            (Self::Linked(_), Audience::Visitor)
            | (Self::Delivered(_) | Self::Unknown, Audience::Visitor | Audience::Agents) => false,
        }
    }

    /// Whether it is a row of its conversation, for whomever; else it is a last value.
    pub const fn is_row(&self) -> bool {
        self.in_timeline(Audience::Visitor) || self.in_timeline(Audience::Agents)
    }

    /// Whether the hub shows it to sockets of `audience`.
    pub const fn on_sockets(&self, audience: Audience) -> bool {
        match (self, audience) {
            (Self::Message(_), Audience::Visitor | Audience::Agents)
            | (Self::Linked(_), Audience::Agents) => true,
            (Self::Linked(_), Audience::Visitor)
            | (Self::Delivered(_) | Self::Unknown, Audience::Visitor | Audience::Agents) => false,
        }
    }

    /// The text that the inbox shows as the conversation's last activity; `None` where the kind is
    /// no activity.
    pub const fn activity(&self) -> Option<&str> {
        match self {
            Self::Message(message) => Some(message.text.as_str()),
            Self::Delivered(_) | Self::Linked(_) | Self::Unknown => None,
        }
    }

    /// What it changes in the conversation's state.
    pub const fn changes(&self) -> StateChange {
        match self {
            Self::Delivered(DeliveredBody { reader, up_to, .. }) => {
                StateChange::Delivered { reader: *reader, up_to: *up_to }
            }
            Self::Message(_) | Self::Linked(_) | Self::Unknown => StateChange::Nothing,
        }
    }

    /// Whether a store keeps anything of it: a row, or a last value.
    pub fn is_kept(&self) -> bool {
        self.is_row() || self.changes() != StateChange::Nothing
    }

    /// Whether an author of this kind may make it.
    pub const fn may_come_from(&self, author: AuthorKind) -> bool {
        match (self, author) {
            (Self::Message(_), AuthorKind::Visitor | AuthorKind::Agent | AuthorKind::Bot)
            | (Self::Linked(_), AuthorKind::Visitor) => true,
            (Self::Delivered(delivered), AuthorKind::Visitor) => {
                matches!(delivered.reader, Reader::Visitor)
            }
            (Self::Delivered(delivered), AuthorKind::Agent) => {
                matches!(delivered.reader, Reader::Agent)
            }
            (Self::Delivered(_), AuthorKind::Bot)
            | (Self::Linked(_), AuthorKind::Agent | AuthorKind::Bot)
            | (Self::Unknown, AuthorKind::Visitor | AuthorKind::Agent | AuthorKind::Bot) => false,
        }
    }

    /// The id of an event that is known by what it says in a conversation of `tenant`: noted again,
    /// it is the same event.
    ///
    /// # Errors
    /// For an unknown kind, which only its own version can write.
    pub fn value_id(
        &self,
        tenant: &TenantId,
        conversation: ConversationId,
    ) -> Result<EventId, serde_json::Error> {
        let content = self.to_json()?;
        let kind = self.kind().as_str();
        Ok(EventId::of_value(tenant, conversation, kind, content.get().as_bytes()))
    }

    /// The message, where it is one.
    pub const fn message(&self) -> Option<&MessageBody> {
        match self {
            Self::Message(message) => Some(message),
            Self::Delivered(_) | Self::Linked(_) | Self::Unknown => None,
        }
    }

    /// The link, where it is one.
    pub const fn linked(&self) -> Option<&LinkedBody> {
        match self {
            Self::Linked(linked) => Some(linked),
            Self::Message(_) | Self::Delivered(_) | Self::Unknown => None,
        }
    }

    /// Its fields as JSON, without the kind's name.
    ///
    /// # Errors
    /// For an unknown kind, which only its own version can write.
    pub(super) fn to_json(&self) -> Result<Box<RawValue>, serde_json::Error> {
        match self {
            Self::Message(message) => to_raw_value(message),
            Self::Delivered(delivered) => to_raw_value(delivered),
            Self::Linked(linked) => to_raw_value(linked),
            Self::Unknown => {
                Err(serde::ser::Error::custom("an event of an unknown kind cannot be written"))
            }
        }
    }

    /// Reads the fields of a body of this kind.
    ///
    /// # Errors
    /// Where they are not the kind's.
    pub(super) fn from_json(kind: Kind, json: &RawValue) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            Kind::Message => Self::Message(serde_json::from_str(json.get())?),
            Kind::Delivered => Self::Delivered(serde_json::from_str(json.get())?),
            Kind::Linked => Self::Linked(serde_json::from_str(json.get())?),
            Kind::Unknown => Self::Unknown,
        })
    }
}

// === impl DeliveredBody ===

impl DeliveredBody {
    /// A mark that no socket has answered for.
    pub const fn of(reader: Reader, up_to: Position) -> Self {
        Self { reader, up_to, socket: None }
    }
}

// === impl Kind ===

impl Kind {
    /// As records and ids spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Delivered => "delivered",
            Self::Linked => "linked",
            Self::Unknown => "unknown",
        }
    }

    /// Reads what [`as_str`](Self::as_str) wrote; any other name is unknown.
    pub(super) fn parse(name: &str) -> Self {
        match name {
            "message" => Self::Message,
            "delivered" => Self::Delivered,
            "linked" => Self::Linked,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_made_by_its_own_reader_alone() {
        let mark = |reader| Body::Delivered(DeliveredBody::of(reader, Position::ZERO));
        assert!(mark(Reader::Visitor).may_come_from(AuthorKind::Visitor));
        assert!(mark(Reader::Agent).may_come_from(AuthorKind::Agent));
        assert!(!mark(Reader::Visitor).may_come_from(AuthorKind::Agent));
        assert!(!mark(Reader::Agent).may_come_from(AuthorKind::Visitor));
        assert!(!mark(Reader::Agent).may_come_from(AuthorKind::Bot));
    }

    #[test]
    fn a_kind_reads_back_by_its_name() {
        for kind in [Kind::Message, Kind::Delivered, Kind::Linked] {
            assert_eq!(Kind::parse(kind.as_str()), kind);
        }
        assert_eq!(Kind::parse("poll"), Kind::Unknown);
    }
}
