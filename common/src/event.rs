//! Events and their records: what the log holds.

mod body;
mod content;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::{
    body::{Audience, Body},
    content::{
        ChangeBody, DeliveredBody, DeskBody, DeskItem, LinkedBody, MarkedSocket, MessageBody,
        NoteBody, ProfileBody, RatingBody, ReadBody, SocketIs, StatusSet,
    },
};
pub use crate::kind::Kind;
use crate::{
    author::Author,
    clock::Timestamp,
    conversation::ConversationKey,
    id::{EventId, SessionId},
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
    /// How it reached the node that took it.
    pub transport: Transport,
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

/// How an action reached its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
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
    transport: Transport,
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
}

// === impl Record ===

impl Record {
    /// As the log keeps it: JSON, at most twice the text's size and 1 KiB more.
    ///
    /// # Errors
    /// [`BadRecord`] for a body of unknown kind, which only its own version can write.
    pub fn encode(&self) -> Result<Bytes, BadRecord> {
        let body = self.body.to_json()?;
        let stored = Stored {
            v: VERSION,
            kind: self.body.kind().as_str(),
            id: self.id,
            author: self.author.clone(),
            session: self.session,
            transport: self.transport,
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
        let body = Body::from_json(Kind::parse(stored.kind), stored.body)?;
        Ok(Self {
            id: stored.id,
            author: stored.author,
            session: stored.session,
            transport: stored.transport,
            at: stored.at,
            arrived: stored.arrived,
            acceptance: stored.acceptance,
            body,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        author::AuthorKind,
        id::{ClientMessageId, VisitorId},
        position::Epoch,
        register::{Reader, Status},
    };

    fn record() -> Record {
        Record {
            id: EventId::from_bytes([1; 16]),
            author: Author { kind: AuthorKind::Visitor, id: "v".to_owned(), name: None },
            session: Some(SessionId::from_bytes([2; 16])),
            transport: Transport::Socket,
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
        let up_to = Position::new(Epoch::FIRST, 7).unwrap();
        let session = SessionId::from_bytes([2; 16]);
        let mark = DeliveredBody::of(Reader::Visitor, up_to);
        let socket = Some(MarkedSocket { session, is: SocketIs::Lost });
        let visitor = VisitorId::from_bytes([3; 16]);
        let absorbed = vec![VisitorId::from_bytes([4; 16])];
        for body in [
            Body::Delivered(mark),
            Body::Delivered(DeliveredBody { socket, ..mark }),
            Body::Linked(LinkedBody { visitor, absorbed: absorbed.clone(), proven: false }),
            Body::Linked(LinkedBody { visitor, absorbed, proven: true }),
            Body::Note(NoteBody {
                text: "n".to_owned(),
                client_message_id: ClientMessageId::parse("n1").unwrap(),
            }),
            Body::Change(ChangeBody::default()),
            Body::Change(ChangeBody {
                status: Some(StatusSet {
                    is: Status::Snoozed,
                    until: Some(Timestamp::from_millis(9)),
                }),
                assignee: Some(None),
                team: Some(Some("sales".to_owned())),
                labels: [("vip".to_owned(), true), ("new".to_owned(), false)].into(),
            }),
            Body::Read(ReadBody { agent: None, up_to }),
            Body::Read(ReadBody { agent: Some("ann".to_owned()), up_to }),
            Body::Profile(ProfileBody {
                name: Some(Some("Vera".to_owned())),
                email: Some(None),
                locale: None,
                attributes: [("plan".to_owned(), None)].into(),
                proven: true,
            }),
            Body::Rating(RatingBody { score: 5, comment: None }),
            Body::Desk(DeskBody { item: DeskItem::Reply, key: "hi".to_owned(), value: None }),
        ] {
            let record = Record { body, ..record() };
            assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
        }
    }

    #[test]
    fn unknown_fields_are_accepted_and_an_unknown_kind_is_told() {
        let text = String::from_utf8(record().encode().unwrap().to_vec()).unwrap();
        let later = text.replacen('{', r#"{"later":{"a":1},"#, 1);
        assert_eq!(Record::decode(later.as_bytes()).unwrap(), record());
        let poll = text.replace(r#""kind":"message""#, r#""kind":"poll""#);
        assert_eq!(Record::decode(poll.as_bytes()).unwrap().body, Body::Unknown);
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for bytes in [&b""[..], b"{}", b"\xff", br#"{"v":1,"kind":"message"}"#] {
            assert!(Record::decode(bytes).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_record_reads_back(
            text in any::<String>(),
            name in any::<Option<String>>(),
            (at, acceptance) in any::<(i64, u64)>(),
        ) {
            let client_message_id = ClientMessageId::parse("m1").unwrap();
            let record = Record {
                author: Author { name, ..record().author },
                at: Timestamp::from_millis(at),
                acceptance,
                body: Body::Message(MessageBody { text, client_message_id }),
                ..record()
            };
            prop_assert_eq!(Record::decode(&record.encode().unwrap()).unwrap(), record);
        }

        /// Damage is an error, or another record, which reads back as well.
        #[test]
        fn damaged_bytes_do_no_harm(
            place in any::<prop::sample::Index>(),
            damage in prop::collection::vec(any::<u8>(), 0..8),
            removed in 0_usize..40,
        ) {
            let mut bytes = record().encode().unwrap().to_vec();
            let from = place.index(bytes.len());
            let to = (from + removed).min(bytes.len());
            bytes.splice(from..to, damage);
            if let Ok(read) = Record::decode(&bytes)
                && read.body != Body::Unknown
            {
                prop_assert_eq!(Record::decode(&read.encode().unwrap()).unwrap(), read);
            }
        }

        #[test]
        fn what_anybody_writes_is_read_without_harm(
            bytes in any::<Vec<u8>>(),
            text in "[{}\\[\\]\":,a-z0-9\\\\]{0,80}",
        ) {
            prop_assert!(Record::decode(&bytes).is_err());
            prop_assert!(Record::decode(text.as_bytes()).is_err());
        }
    }
}
