//! Events and their records: what the log holds.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    clock::Timestamp,
    conversation::ConversationKey,
    id::{ClientMessageId, EventId, SessionId},
    position::Position,
};

/// The version this code writes; it reads every version up to it, and later ones that only add
/// fields.
const VERSION: u8 = 1;

/// Something durable that happened in a conversation, read back with its position.
#[derive(Clone, Debug)]
pub struct Event {
    /// Where it happened.
    pub conversation: ConversationKey,
    /// Its place in the tenant's order.
    pub position: Position,
    /// What happened.
    pub record: Record,
    /// The record as the log has it, with the fields this code does not know.
    pub raw: Bytes,
}

/// What is appended for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The same draft sent again has the same id.
    pub id: EventId,
    /// Who did it.
    pub author: Author,
    /// The session it came through, where it came through a socket.
    pub session: Option<SessionId>,
    /// The way it came in.
    pub way: Way,
    /// When the door took it: a message's `timestamp`.
    pub at: Timestamp,
    /// When it arrived at the node, before it waited for anything.
    pub arrived: Timestamp,
    /// A random number of this acceptance, by which a door knows its own append from an earlier one
    /// of the same id.
    pub acceptance: u64,
    /// What happened.
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A draft was accepted.
    Message(MessageBody),
    /// A kind that a later version writes; readers skip it.
    Unknown,
}

/// An accepted draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageBody {
    /// The text as it came.
    pub text: String,
    /// The client's id of the draft, or the one the door made.
    pub client_message_id: ClientMessageId,
}

/// Who wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Author {
    /// What they are.
    pub kind: AuthorKind,
    /// A visitor's id, or the `sub` of an agent's token.
    pub id: String,
    /// An agent's name, where the token tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What an author is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorKind {
    /// Writes from the widget.
    Visitor,
    /// Answers from the dashboard.
    Agent,
    /// A program that answers.
    Bot,
}

/// The way a draft came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// By a POST.
    Rest,
    /// As a frame.
    Socket,
}

/// The bytes are no record.
#[derive(Debug, thiserror::Error)]
#[error("not a record: {0}")]
pub struct BadRecord(#[from] serde_json::Error);

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    v: u8,
    kind: &'a str,
    id: EventId,
    author: Author,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionId>,
    way: Way,
    at: Timestamp,
    arrived: Timestamp,
    acceptance: u64,
    #[serde(borrow)]
    body: &'a RawValue,
}

// === impl Event ===

impl Event {
    /// Reads what the log holds.
    ///
    /// # Errors
    /// [`BadRecord`] where it is no record.
    pub fn decode(
        conversation: ConversationKey,
        position: Position,
        raw: Bytes,
    ) -> Result<Self, BadRecord> {
        Ok(Self { conversation, position, record: Record::decode(&raw)?, raw })
    }

    /// The message, where the event is one.
    pub const fn message(&self) -> Option<&MessageBody> {
        match &self.record.body {
            Body::Message(message) => Some(message),
            Body::Unknown => None,
        }
    }
}

// === impl Record ===

impl Record {
    /// As the log keeps it: JSON, at most twice the text's size and 1 KiB more.
    ///
    /// # Errors
    /// [`BadRecord`] for a body of unknown kind, which only its own version can write.
    pub fn encode(&self) -> Result<Bytes, BadRecord> {
        let (kind, body) = match &self.body {
            Body::Message(message) => ("message", serde_json::value::to_raw_value(message)?),
            Body::Unknown => {
                return Err(BadRecord(serde::ser::Error::custom(
                    "an unknown kind cannot be written",
                )));
            }
        };
        let stored = Stored {
            v: VERSION,
            kind,
            id: self.id,
            author: self.author.clone(),
            session: self.session,
            way: self.way,
            at: self.at,
            arrived: self.arrived,
            acceptance: self.acceptance,
            body: &body,
        };
        Ok(serde_json::to_vec(&stored)?.into())
    }

    /// Reads a record; accepts unknown fields, and an unknown kind as [`Body::Unknown`].
    ///
    /// # Errors
    /// [`BadRecord`] where it is no record.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let stored: Stored<'_> = serde_json::from_slice(bytes)?;
        let body = match stored.kind {
            "message" => Body::Message(serde_json::from_str(stored.body.get())?),
            _ => Body::Unknown,
        };
        Ok(Self {
            id: stored.id,
            author: stored.author,
            session: stored.session,
            way: stored.way,
            at: stored.at,
            arrived: stored.arrived,
            acceptance: stored.acceptance,
            body,
        })
    }
}

// === impl AuthorKind ===

impl AuthorKind {
    /// As records and keys spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Agent => "agent",
            Self::Bot => "bot",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            id: EventId::from_bytes([1; 16]),
            author: Author { kind: AuthorKind::Visitor, id: "v".to_owned(), name: None },
            session: Some(SessionId::from_bytes([2; 16])),
            way: Way::Socket,
            at: Timestamp::from_millis(5),
            arrived: Timestamp::from_millis(4),
            acceptance: u64::MAX,
            body: Body::Message(MessageBody {
                text: "hé \u{202e}\"<b>".to_owned(),
                client_message_id: ClientMessageId::parse("m1").unwrap(),
            }),
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        assert_eq!(Record::decode(&record().encode().unwrap()).unwrap(), record());
    }

    #[test]
    fn unknown_fields_are_accepted_and_an_unknown_kind_is_told() {
        let text = String::from_utf8(record().encode().unwrap().to_vec()).unwrap();
        let later = text.replacen('{', r#"{"later":{"a":1},"#, 1);
        assert_eq!(Record::decode(later.as_bytes()).unwrap(), record());
        let mark = text.replace(r#""kind":"message""#, r#""kind":"mark""#);
        assert_eq!(Record::decode(mark.as_bytes()).unwrap().body, Body::Unknown);
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for bytes in [&b""[..], b"{}", b"\xff", br#"{"v":1,"kind":"message"}"#] {
            assert!(Record::decode(bytes).is_err());
        }
    }
}
