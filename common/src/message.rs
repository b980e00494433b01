//! Drafts and messages: what a client asks to send, and what everyone is shown.

use serde::{Deserialize, Serialize};

use crate::{
    author::{Author, AuthorKind},
    clock::Timestamp,
    cursor::Cursors,
    event::Event,
    id::{ClientMessageId, ConversationId, EventId},
    random::Random,
};

/// The most bytes of UTF-8 a text may have.
pub const MAX_TEXT_BYTES: usize = 16_384;

/// A message's checked text: 1 to 16,384 bytes of UTF-8, more than white space, no NUL; kept as it
/// came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(String);

/// Why a text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// Nothing, or white space alone.
    #[error("the text is empty")]
    Empty,
    /// More than 16,384 bytes.
    #[error("the text has more than {MAX_TEXT_BYTES} bytes")]
    TooLong,
    /// A NUL within.
    #[error("the text has a NUL")]
    Nul,
}

/// What a client asks to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What to say.
    pub text: Text,
    /// The id by which the client recognises it.
    pub client_message_id: Option<ClientMessageId>,
}

/// A message as everyone is shown it, by REST and on sockets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The event's id; unique for ever.
    pub id: EventId,
    /// Where it was said.
    pub conversation_id: ConversationId,
    /// What was said, as it came.
    pub text: String,
    /// What the author is.
    pub sender: Sender,
    /// Who the author is.
    pub author: MessageAuthor,
    /// When the door took it: ISO 8601, UTC, milliseconds.
    pub timestamp: String,
    /// Its position, for `before`, `after` and `since`.
    pub cursor: String,
    /// The client's id of the draft.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<ClientMessageId>,
}

/// What the author of a message is, in the widget's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sender {
    /// A visitor.
    User,
    /// An agent.
    Agent,
    /// A bot.
    Bot,
}

/// The author of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAuthor {
    /// A visitor's id, or the agent's.
    pub id: String,
    /// An agent's name, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

// === impl Text ===

impl Text {
    /// Checks `text` and keeps it as it came.
    ///
    /// # Errors
    /// [`BadText`] says what is wrong with it.
    pub fn parse(text: String) -> Result<Self, BadText> {
        if text.trim().is_empty() {
            Err(BadText::Empty)
        } else if text.len() > MAX_TEXT_BYTES {
            Err(BadText::TooLong)
        } else if text.contains('\0') {
            Err(BadText::Nul)
        } else {
            Ok(Self(text))
        }
    }

    /// The text as it came: 1 to 16,384 bytes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as it came.
    pub fn into_string(self) -> String {
        self.0
    }
}

// === impl BadText ===

impl BadText {
    /// As a problem's `details` spell it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Nul => "nul",
        }
    }
}

// === impl Draft ===

impl Draft {
    /// The client's id, or else one made now and kept, so that every retry of this draft has the
    /// same.
    pub fn keep_id(&mut self, now: Timestamp, random: &Random) -> ClientMessageId {
        self.client_message_id.get_or_insert_with(|| ClientMessageId::made(now, random)).clone()
    }
}

// === impl Message ===

impl Message {
    /// The message that `event` is; `None` for an event of another kind.
    pub fn of(event: &Event, cursors: &Cursors) -> Option<Self> {
        let body = event.record.body.message()?;
        let record = &event.record;
        Some(Self {
            id: record.id,
            conversation_id: event.conversation.id,
            text: body.text.clone(),
            sender: Sender::of(&record.author),
            author: MessageAuthor {
                id: record.author.id.clone(),
                name: record.author.name.clone(),
            },
            timestamp: record.at.to_string(),
            cursor: cursors.write(&event.conversation.tenant, event.position),
            client_message_id: Some(body.client_message_id.clone()),
        })
    }
}

/// Adds the message that `event` is to `out`, as JSON: the same text that a [`Message`] of it would
/// be, without making one. Tells whether it is a message; nothing is added for an event of another
/// kind.
pub fn write_message(event: &Event, cursors: &Cursors, out: &mut Vec<u8>) -> bool {
    let Some(body) = event.record.body.message() else { return false };
    let record = &event.record;
    out.extend_from_slice(br#"{"id":""#);
    write_hex(record.id.as_bytes(), out);
    out.extend_from_slice(br#"","conversationId":""#);
    write_hex(event.conversation.id.as_bytes(), out);
    out.extend_from_slice(br#"","text":"#);
    write_text(&body.text, out);
    out.extend_from_slice(br#","sender":""#);
    out.extend_from_slice(Sender::of(&record.author).as_str().as_bytes());
    out.extend_from_slice(br#"","author":{"id":"#);
    write_text(&record.author.id, out);
    if let Some(name) = &record.author.name {
        out.extend_from_slice(br#","name":"#);
        write_text(name, out);
    }
    out.extend_from_slice(br#"},"timestamp":""#);
    record.at.write(out);
    out.extend_from_slice(br#"","cursor":""#);
    cursors.write_into(&event.conversation.tenant, event.position, out);
    // A client's id needs no escaping.
    out.extend_from_slice(br#"","clientMessageId":""#);
    out.extend_from_slice(body.client_message_id.as_str().as_bytes());
    out.extend_from_slice(br#""}"#);
    true
}

/// About how many bytes the message that `event` is takes as JSON.
pub fn written_size(event: &Event) -> usize {
    /// Names, ids, the time and the cursor.
    const BESIDE_TEXTS: usize = 420;
    let text = event.record.body.message().map_or(0, |message| message.text.len());
    BESIDE_TEXTS + text + text / 16
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a text can be written, and memory takes it");
}

fn write_hex(bytes: &[u8; 16], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| DIGITS[usize::from(half)];
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    out.extend_from_slice(&text);
}

impl Sender {
    /// As JSON spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::Bot => "bot",
        }
    }

    /// What `author` is.
    pub const fn of(author: &Author) -> Self {
        match author.kind {
            AuthorKind::Visitor => Self::User,
            AuthorKind::Agent => Self::Agent,
            AuthorKind::Bot => Self::Bot,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        conversation::ConversationKey,
        event::{Body, DeliveredBody, MessageBody, Record, Transport},
        keys::{InstallationKeys, Secret},
        position::Position,
        state::Reader,
        tenant::TenantId,
    };

    #[test]
    fn a_text_is_kept_as_it_came_or_refused() {
        let odd = "  \u{202e}<b>é🦀</b>\n";
        assert_eq!(Text::parse(odd.to_owned()).unwrap().into_string(), odd);
        assert!(Text::parse("x".repeat(MAX_TEXT_BYTES)).is_ok());
        assert_eq!(Text::parse("x".repeat(MAX_TEXT_BYTES + 1)), Err(BadText::TooLong));
        assert_eq!(Text::parse(" \n\u{3000}".to_owned()), Err(BadText::Empty));
        assert_eq!(Text::parse("a\0b".to_owned()), Err(BadText::Nul));
    }

    fn cursors() -> Cursors {
        Cursors::new(&InstallationKeys::new(Secret::new(vec![1; 32]).unwrap(), None))
    }

    fn event(author: Author, at: i64, ids: [u8; 16], body: Body) -> Event {
        let record = Record {
            id: EventId::from_bytes(ids),
            author,
            session: None,
            transport: Transport::Rest,
            at: Timestamp::from_millis(at),
            arrived: Timestamp::from_millis(0),
            acceptance: 0,
            body,
        };
        Event {
            conversation: ConversationKey {
                tenant: TenantId::parse("a").unwrap(),
                id: ConversationId::from_bytes(ids),
            },
            position: Position::from_u64(7).unwrap(),
            raw: record.encode().unwrap(),
            record,
        }
    }

    proptest! {
        #[test]
        fn a_message_that_is_written_is_the_same_as_one_that_is_made(
            text in any::<String>(),
            (author, name) in any::<(String, Option<String>)>(),
            kind in prop::sample::select(
                [AuthorKind::Visitor, AuthorKind::Agent, AuthorKind::Bot].as_slice(),
            ),
            ids in any::<[u8; 16]>(),
            at in prop_oneof![any::<i64>(), 0_i64..4_000_000_000_000],
        ) {
            let client_message_id = ClientMessageId::parse("m-1_").unwrap();
            let body = Body::Message(MessageBody { text, client_message_id });
            let event = event(Author { kind, id: author, name }, at, ids, body);
            let mut written = b"before".to_vec();
            prop_assert!(write_message(&event, &cursors(), &mut written));
            let made = serde_json::to_string(&Message::of(&event, &cursors()).unwrap()).unwrap();
            prop_assert_eq!(String::from_utf8(written).unwrap(), format!("before{made}"));
        }
    }

    #[test]
    fn what_is_no_message_is_not_written() {
        let mark = Body::Delivered(DeliveredBody::of(Reader::Visitor, Position::ZERO));
        let author = Author { kind: AuthorKind::Visitor, id: "v".to_owned(), name: None };
        let mut written = Vec::new();
        assert!(!write_message(&event(author, 0, [1; 16], mark), &cursors(), &mut written));
        assert!(written.is_empty());
    }
}
