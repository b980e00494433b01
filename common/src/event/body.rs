//! Kinds of events: the one place that says what each of them means to the rest of the house.
//!
//! A kind that is in a timeline is a row of its conversation. Every other kind is a last value: it
//! changes a register of the conversation, and replaying it in any order ends the same
//! (`docs/adr/0005-rows-and-last-values.md`).

use serde_json::value::{RawValue, to_raw_value};

use super::content::{
    ChangeBody, DeliveredBody, DeskBody, LinkedBody, MessageBody, NoteBody, ProfileBody,
    RatingBody, ReadBody,
};
use crate::{
    author::AuthorKind,
    id::{ClientMessageId, ConversationId, EventId},
    kind::Kind,
    register::{Reader, Status},
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
    /// An agent told the others something.
    Note(NoteBody),
    /// Status, assignee, team or labels are others now.
    Change(ChangeBody),
    /// A reader has read up to a position.
    Read(ReadBody),
    /// Something is known of the visitor.
    Profile(ProfileBody),
    /// The visitor has said how the conversation was.
    Rating(RatingBody),
    /// A thing that the tenant's agents share is another now.
    Desk(DeskBody),
    /// A kind that a later version writes; readers skip it.
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

// === impl Body ===

impl Body {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Message(_) => Kind::Message,
            Self::Delivered(_) => Kind::Delivered,
            Self::Linked(_) => Kind::Linked,
            Self::Note(_) => Kind::Note,
            Self::Change(_) => Kind::Change,
            Self::Read(_) => Kind::Read,
            Self::Profile(_) => Kind::Profile,
            Self::Rating(_) => Kind::Rating,
            Self::Desk(_) => Kind::Desk,
            Self::Unknown => Kind::Unknown,
        }
    }

    /// Whether it is a row of the conversation as `audience` reads it, and part of a page.
    pub const fn in_timeline(&self, audience: Audience) -> bool {
        match self {
            Self::Message(_) => true,
            Self::Linked(_) | Self::Note(_) | Self::Change(_) | Self::Rating(_) => {
                matches!(audience, Audience::Agents)
            }
            Self::Delivered(_)
            | Self::Read(_)
            | Self::Profile(_)
            | Self::Desk(_)
            | Self::Unknown => false,
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
            | (
                Self::Linked(_)
                | Self::Note(_)
                | Self::Change(_)
                | Self::Read(_)
                | Self::Profile(_)
                | Self::Rating(_)
                | Self::Desk(_),
                Audience::Agents,
            ) => true,
            // Visitors are told whether it is closed, and how far the team has read.
            (Self::Change(change), Audience::Visitor) => change.status.is_some(),
            (Self::Read(read), Audience::Visitor) => read.agent.is_some(),
            (
                Self::Linked(_)
                | Self::Note(_)
                | Self::Profile(_)
                | Self::Rating(_)
                | Self::Desk(_),
                Audience::Visitor,
            )
            | (Self::Delivered(_) | Self::Unknown, Audience::Visitor | Audience::Agents) => false,
        }
    }

    /// Whether it is said to visitors in another way than to agents.
    pub const fn differs_by_audience(&self) -> bool {
        matches!(self, Self::Change(_) | Self::Read(_))
    }

    /// Whether a store keeps anything of it: a row, or a last value.
    pub const fn is_kept(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// Whether an author of this kind may make it.
    pub fn may_come_from(&self, author: AuthorKind) -> bool {
        match (self, author) {
            (Self::Message(_), AuthorKind::Visitor | AuthorKind::Agent | AuthorKind::Bot)
            | (Self::Profile(_), AuthorKind::Visitor)
            | (Self::Note(_) | Self::Change(_), AuthorKind::Agent | AuthorKind::Bot)
            | (Self::Desk(_), AuthorKind::Agent)
            | (Self::Linked(_) | Self::Rating(_), AuthorKind::Visitor) => true,
            (Self::Delivered(delivered), AuthorKind::Visitor) => {
                matches!(delivered.reader, Reader::Visitor)
            }
            (Self::Delivered(delivered), AuthorKind::Agent) => {
                matches!(delivered.reader, Reader::Agent)
            }
            // The tenant's word comes with its visitor.
            (Self::Profile(profile), AuthorKind::Agent | AuthorKind::Bot) => !profile.proven,
            (Self::Read(read), AuthorKind::Visitor) => read.agent.is_none(),
            (Self::Read(read), AuthorKind::Agent) => read.agent.is_some(),
            (Self::Change(change), AuthorKind::Visitor) => {
                *change == ChangeBody::status(Status::Closed)
            }
            (Self::Delivered(_) | Self::Read(_), AuthorKind::Bot)
            | (Self::Note(_), AuthorKind::Visitor)
            | (Self::Desk(_), AuthorKind::Visitor | AuthorKind::Bot)
            | (Self::Linked(_) | Self::Rating(_), AuthorKind::Agent | AuthorKind::Bot)
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
            _ => None,
        }
    }

    /// The link, where it is one.
    pub const fn linked(&self) -> Option<&LinkedBody> {
        match self {
            Self::Linked(linked) => Some(linked),
            _ => None,
        }
    }

    /// The client's id of it, where its content has one.
    pub const fn client_message_id(&self) -> Option<&ClientMessageId> {
        match self {
            Self::Message(message) => Some(&message.client_message_id),
            Self::Note(note) => Some(&note.client_message_id),
            _ => None,
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
            Self::Note(note) => to_raw_value(note),
            Self::Change(change) => to_raw_value(change),
            Self::Read(read) => to_raw_value(read),
            Self::Profile(profile) => to_raw_value(profile),
            Self::Rating(rating) => to_raw_value(rating),
            Self::Desk(desk) => to_raw_value(desk),
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
            Kind::Note => Self::Note(serde_json::from_str(json.get())?),
            Kind::Change => Self::Change(serde_json::from_str(json.get())?),
            Kind::Read => Self::Read(serde_json::from_str(json.get())?),
            Kind::Profile => Self::Profile(serde_json::from_str(json.get())?),
            Kind::Rating => Self::Rating(serde_json::from_str(json.get())?),
            Kind::Desk => Self::Desk(serde_json::from_str(json.get())?),
            Kind::Unknown => Self::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;

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
    fn a_visitor_closes_and_changes_nothing_else() {
        let by_visitor = |change| Body::Change(change).may_come_from(AuthorKind::Visitor);
        assert!(by_visitor(ChangeBody::status(Status::Closed)));
        assert!(!by_visitor(ChangeBody::status(Status::Open)));
        let assignee = Some(Some("ann".to_owned()));
        assert!(!by_visitor(ChangeBody { assignee, ..ChangeBody::status(Status::Closed) }));
    }
}
