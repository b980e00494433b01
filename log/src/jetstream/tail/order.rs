//! The order of a consumer's messages, which has no holes, though the stream's may have some.

use async_nats::{Message, StatusCode};

use super::super::{
    entry::{AckReply, delivered, last},
    names::{Names, StreamRef},
};
use crate::Entry;

/// The consumer's own order, which has no holes: its sequence of the last message.
#[derive(Debug, Default)]
pub(super) struct Order(u64);

/// What a message of a consumer is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Something from the stream, at this sequence.
    Event(u64, Option<Entry>),
    Heartbeat,
    /// The server wants to know that we are here, before it sends more.
    FlowControl(String),
    Miss(&'static str),
}

// === impl Received ===

impl Received {
    /// Whether it does not follow at once what was `reached`: something was erased, or has gone.
    pub(super) const fn leaves_out(&self, reached: u64) -> bool {
        matches!(self, Self::Event(sequence, _) if *sequence > reached + 1)
    }
}

// === impl Order ===

impl Order {
    /// Understands a message, and advances where it is the next one.
    pub(super) fn receive(
        &mut self,
        names: &Names,
        stream: &StreamRef,
        reached: u64,
        message: &Message,
    ) -> Received {
        match message.status {
            None => {}
            Some(StatusCode::IDLE_HEARTBEAT) => return self.receive_control(message),
            Some(_) => return Received::Miss("the server has ended it"),
        }
        let Some(reply) = message.reply.as_deref().and_then(AckReply::parse) else {
            return Received::Miss("a message does not tell what it is");
        };
        if reply.stream != stream.name
            || reply.consumer_sequence != self.0 + 1
            || reply.sequence <= reached
        {
            return Received::Miss("a message does not follow the last one");
        }
        self.0 = reply.consumer_sequence;
        Received::Event(reply.sequence, delivered(names, stream, message, &reply))
    }

    fn receive_control(&self, message: &Message) -> Received {
        if let Some(reply) = &message.reply {
            return Received::FlowControl(reply.to_string());
        }
        let Some(headers) = &message.headers else { return Received::Heartbeat };
        let sent = last(headers, "Nats-Last-Consumer").and_then(|sent| sent.parse::<u64>().ok());
        if sent.is_some_and(|sent| sent != self.0) {
            return Received::Miss("a heartbeat tells of messages that did not come");
        }
        match last(headers, "Nats-Consumer-Stalled") {
            Some(reply) => Received::FlowControl(reply.to_owned()),
            None => Received::Heartbeat,
        }
    }
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use bytes::Bytes;

    use super::*;

    fn receive(order: &mut Order, reached: u64, message: &Message) -> Received {
        let names = Names::new("");
        let stream = names.parse_stream("CHAT_00_1").unwrap();
        order.receive(&names, &stream, reached, message)
    }

    fn message(stream: &str, sequence: u64, consumer_sequence: u64) -> Message {
        let reply =
            format!("$JS.ACK.{stream}.tail.1.{sequence}.{consumer_sequence}.1700000000000000000.0");
        Message {
            subject: "chat.00.a.07070707070707070707070707070707".into(),
            reply: Some(reply.into()),
            payload: Bytes::new(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    fn control(status: u16, headers: &[(&str, &str)], reply: Option<&str>) -> Message {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, *value);
        }
        let status = Some(StatusCode::from_u16(status).unwrap());
        Message { headers: Some(map), status, reply: reply.map(Into::into), ..message("", 0, 0) }
    }

    #[test]
    fn each_message_follows_the_last_one_of_the_consumer_over_holes_of_the_stream() {
        let mut order = Order::default();
        for (reached, sequence, consumer_sequence) in [(4, 5, 1), (5, 9, 2), (9, 10, 3)] {
            let received =
                receive(&mut order, reached, &message("CHAT_00_1", sequence, consumer_sequence));
            assert!(
                matches!(received, Received::Event(at, Some(_)) if at == sequence),
                "{received:?}"
            );
        }
    }

    #[test]
    fn whatever_does_not_follow_is_a_miss() {
        for missed in [
            message("CHAT_00_1", 7, 4),
            message("CHAT_00_1", 7, 2),
            message("CHAT_00_1", 6, 3),
            message("CHAT_00_2", 7, 3),
            Message { reply: None, ..message("CHAT_00_1", 7, 3) },
            control(409, &[], None),
            control(100, &[("Nats-Last-Consumer", "3")], None),
            control(100, &[("Nats-Last-Consumer", "1")], None),
        ] {
            let received = receive(&mut Order(2), 6, &missed);
            assert!(matches!(received, Received::Miss(_)), "{missed:?}: {received:?}");
        }
    }

    #[test]
    fn a_heartbeat_that_agrees_says_nothing_and_a_stalled_consumer_is_answered() {
        let agreeing = [("Nats-Last-Consumer", "2")];
        assert_eq!(receive(&mut Order(2), 6, &control(100, &agreeing, None)), Received::Heartbeat);
        let stalled = [("Nats-Last-Consumer", "2"), ("Nats-Consumer-Stalled", "$JS.FC.x")];
        let answered = Received::FlowControl("$JS.FC.x".to_owned());
        assert_eq!(receive(&mut Order(2), 6, &control(100, &stalled, None)), answered);
        assert_eq!(receive(&mut Order(2), 6, &control(100, &[], Some("$JS.FC.x"))), answered);
    }
}
