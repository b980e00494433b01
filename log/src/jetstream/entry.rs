//! Entries, from the three forms in which the servers hand out a message.

use async_nats::{HeaderMap, Message};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use parlor_common::{clock::Timestamp, position::Position};

use super::{
    names::{Names, StreamRef},
    shapes::RawMessage,
};
use crate::Entry;

/// What the reply subject of a delivered message tells:
/// `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<sequence>.<consumer
/// sequence>.<time>.<pending>[.…]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AckReply<'a> {
    pub(super) stream: &'a str,
    pub(super) deliveries: u64,
    pub(super) sequence: u64,
    pub(super) consumer_sequence: u64,
    pub(super) stored_at: Timestamp,
}

// === impl AckReply ===

impl<'a> AckReply<'a> {
    /// Reads a reply subject; `None` where it is none of these.
    pub(super) fn parse(reply: &'a str) -> Option<Self> {
        let mut tokens = [""; 11];
        let mut count = 0;
        for token in reply.strip_prefix("$JS.ACK.")?.split('.') {
            *tokens.get_mut(count)? = token;
            count += 1;
        }
        let first = match count {
            7 => 0,
            9..=11 => 2,
            _ => return None,
        };
        let number = |index: usize| tokens[first + index].parse::<u64>().ok();
        let nanos = i64::try_from(number(5)?).ok()?;
        Some(Self {
            stream: tokens[first],
            deliveries: number(2)?,
            sequence: number(3)?,
            consumer_sequence: number(4)?,
            stored_at: Timestamp::from_millis(nanos / 1_000_000),
        })
    }
}

/// A delivered message as an entry; `None` for a foreign one.
pub(super) fn delivered(
    names: &Names,
    stream: &StreamRef,
    message: &Message,
    reply: &AckReply<'_>,
) -> Option<Entry> {
    Some(Entry {
        conversation: names.conversation(message.subject.as_str())?,
        position: Position::new(stream.epoch, reply.sequence)?,
        stored_at: reply.stored_at,
        record: message.payload.clone(),
    })
}

/// A message of a batch that was read directly.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) sequence: u64,
    /// The sequence of the batch's message before this one, 0 for its first: what lies between the
    /// two is not among what was asked for.
    pub(super) previous: u64,
    /// `None` for a foreign message.
    pub(super) entry: Option<Entry>,
}

/// A directly read message; `None` where it is no message of the stream.
pub(super) fn direct(names: &Names, stream: &StreamRef, message: &Message) -> Option<Direct> {
    let headers = message.headers.as_ref()?;
    if last(headers, "Nats-Stream")? != stream.name {
        return None;
    }
    let sequence: u64 = last(headers, "Nats-Sequence")?.parse().ok()?;
    let previous: u64 = last(headers, "Nats-Last-Sequence")?.parse().ok()?;
    let position = Position::new(stream.epoch, sequence)?;
    let stored_at = Timestamp::parse(last(headers, "Nats-Time-Stamp")?)?;
    let conversation = names.conversation(last(headers, "Nats-Subject")?);
    let record = message.payload.clone();
    let entry =
        conversation.map(|conversation| Entry { conversation, position, stored_at, record });
    Some(Direct { sequence, previous, entry })
}

/// A message that the leader gave: its entry unless it is foreign. `None` where it cannot be read.
pub(super) fn raw(
    names: &Names,
    stream: &StreamRef,
    message: &RawMessage,
) -> Option<Option<Entry>> {
    let position = Position::new(stream.epoch, message.seq)?;
    let stored_at = Timestamp::parse(&message.time)?;
    let record = Bytes::from(STANDARD.decode(&message.data).ok()?);
    let conversation = names.conversation(&message.subject);
    Some(conversation.map(|conversation| Entry { conversation, position, stored_at, record }))
}

/// A header that a message had which the leader gave.
pub(super) fn raw_header(message: &RawMessage, name: &str) -> Option<String> {
    let headers = String::from_utf8(STANDARD.decode(&message.hdrs).ok()?).ok()?;
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim().to_owned());
    headers.lines().find_map(value)
}

/// The last value of a header: the server adds its own after those of the message.
pub(super) fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get_last(name).map(async_nats::HeaderValue::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_subject_is_read_in_its_old_and_new_form() {
        let expected = AckReply {
            stream: "CHAT_00_1",
            deliveries: 2,
            sequence: 9,
            consumer_sequence: 5,
            stored_at: Timestamp::from_millis(1_700_000_000_123),
        };
        for reply in [
            "$JS.ACK.CHAT_00_1.c.2.9.5.1700000000123456789.0",
            "$JS.ACK._.hash.CHAT_00_1.c.2.9.5.1700000000123456789.0",
            "$JS.ACK._.hash.CHAT_00_1.c.2.9.5.1700000000123456789.0.random",
        ] {
            assert_eq!(AckReply::parse(reply), Some(expected), "{reply}");
        }
    }

    #[test]
    fn any_other_subject_is_none() {
        for reply in [
            "",
            "$JS.ACK.",
            "$JS.ACK.a.b.c",
            "$JS.ACK.s.c.1.2.x.4.5",
            "$JS.ACK.s.c.1.2.3.99999999999999999999.5",
            "$JS.ACK.1.2.3.4.5.6.7.8.9.10.11.12.13",
            "_INBOX.s.c.1.2.3.4.5",
        ] {
            assert_eq!(AckReply::parse(reply), None, "{reply}");
        }
    }

    #[test]
    fn a_header_of_a_message_of_the_leader_is_read() {
        let message = |headers: &str| RawMessage {
            subject: "a".to_owned(),
            seq: 1,
            data: String::new(),
            hdrs: STANDARD.encode(headers),
            time: String::new(),
        };
        let two = message("NATS/1.0\r\nNats-Msg-Id-Not: 1\r\nNats-Msg-Id: ab\r\n\r\n");
        assert_eq!(raw_header(&two, "Nats-Msg-Id").as_deref(), Some("ab"));
        assert_eq!(raw_header(&message(""), "Nats-Msg-Id"), None);
    }

    #[test]
    fn a_message_of_the_leader_that_makes_no_sense_is_no_entry() {
        let names = Names::new("");
        let stream = names.parse_stream("CHAT_00_1").unwrap();
        let message = |seq, data: &str, time: &str| RawMessage {
            hdrs: String::new(),
            subject: "chat.00.a.07070707070707070707070707070707".to_owned(),
            seq,
            data: data.to_owned(),
            time: time.to_owned(),
        };
        let time = "2026-11-23T20:53:23.193847491Z";
        assert!(raw(&names, &stream, &message(1, "aGVsbG8=", time)).unwrap().is_some());
        assert!(raw(&names, &stream, &message(1 << 40, "aGVsbG8=", time)).is_none());
        assert!(raw(&names, &stream, &message(1, "%", time)).is_none());
        assert!(raw(&names, &stream, &message(1, "", "yesterday")).is_none());
    }
}
