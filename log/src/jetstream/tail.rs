//! Tailing a shard: an ephemeral consumer whose every gap is noticed, and which is made again at
//! the last position.
//!
//! The library's ordered consumer has no heartbeat setting and fell silent for longer than an
//! election. Here the consumer's own sequence must rise by one with each message, and a heartbeat
//! each half second tells the last one that was sent: whatever does not fit, and silence, is a
//! miss, and after the first miss the consumer is made again. So is one that the stream's leader
//! does not prove to be live, look by look.

mod proof;

use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};

use async_nats::{Message, StatusCode, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use parlor_common::position::Position;
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info};

use self::proof::{Due, Look, Proof};
use super::{
    JetStreamLog,
    entry::{AckReply, delivered, last},
    names::{Names, StreamRef},
    shapes::{ConsumerConfig, nanos},
};
use crate::{Entry, LogError, Start, Tail};

/// How often the server shows that a consumer lives while nothing is to be sent.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// How long a consumer may be silent: four heartbeats.
const PATIENCE: Duration = Duration::from_secs(2);

/// A consumer nobody listens to is removed by the server after this.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

/// The pause between two tries to make a consumer again.
const PAUSE: Duration = Duration::from_millis(150);

/// How long one question of a renewal may take, try by try: short, since an election makes questions
/// get lost, and since the servers place a consumer on any of them, for a while also on one that has
/// just died. Every third try is patient, for servers that are slow.
const RENEWAL_WAITS: [Duration; 3] =
    [Duration::from_millis(400), Duration::from_millis(400), Duration::from_secs(1)];

/// How long an answer to the server's flow control may take to leave.
const CONTROL_WAIT: Duration = Duration::from_secs(1);

/// A tail over consumers, one after the other.
pub(super) struct JetStreamTail {
    log: JetStreamLog,
    stream: Arc<StreamRef>,
    after: Position,
    /// The last sequence that was handed out, or skipped as foreign.
    reached: u64,
    /// The latest moment before which nothing is missing, over all consumers.
    proven: Option<Instant>,
    phase: Phase,
}

/// `Flowing → Renewing` at a miss, `Renewing → Flowing` when a consumer stands again, `Renewing →
/// Ended` when that takes too long or cannot be done without a hole.
enum Phase {
    Flowing(Flow),
    /// Kept over calls, so that dropping `next` again and again does not hinder it.
    Renewing(Pin<Box<dyn Future<Output = Result<Flow, LogError>> + Send>>),
    Ended(LogError),
}

/// A consumer that stands. Dropping it unsubscribes, and the server forgets the consumer.
struct Flow {
    messages: Subscriber,
    proof: Proof,
    order: Order,
    /// When something came last.
    last_sign: Instant,
}

/// The consumer's own order, which has no holes: its sequence of the last message.
#[derive(Debug, Default)]
struct Order(u64);

/// What a message of a consumer is.
#[derive(Debug, PartialEq, Eq)]
enum Received {
    /// Something from the stream, at this sequence.
    Event(u64, Option<Entry>),
    Heartbeat,
    /// The server wants to know that we are here, before it sends more.
    FlowControl(String),
    Miss(&'static str),
}

// === impl JetStreamTail ===

impl JetStreamTail {
    pub(super) async fn start(
        log: JetStreamLog,
        stream: Arc<StreamRef>,
        start: Start,
    ) -> Result<Self, LogError> {
        let reached = match start {
            Start::End => log.stream(&stream).await?.state.last_seq,
            Start::After(position) if position.epoch() == stream.epoch => {
                log.stream_through(&stream, position.sequence()).await?;
                position.sequence()
            }
            Start::After(position) => {
                return Err(LogError::Rejected(format!(
                    "{position} is of another epoch than {}",
                    stream.epoch
                )));
            }
        };
        let flow = Flow::make(&log, &stream, reached, log.shared.settings.request_timeout).await?;
        let after = log.position(&stream, reached)?;
        let mut tail =
            Self { log, stream, after, reached, proven: None, phase: Phase::Flowing(flow) };
        tail.note_proof();
        Ok(tail)
    }

    /// Notes what the consumer's looks have proven, now that the tail has come so far.
    fn note_proof(&mut self) {
        if let Phase::Flowing(flow) = &mut self.phase {
            self.proven = self.proven.max(flow.proof.proven(self.reached));
        }
    }

    fn renew(&mut self, why: &'static str) {
        info!(shard = %self.stream.shard, sequence = self.reached, why, "a tail is made again");
        self.log.shared.metrics.tail_renewals.inc();
        self.log.shared.api.link.doubt();
        let (log, stream, reached) = (self.log.clone(), self.stream.clone(), self.reached);
        self.phase =
            Phase::Renewing(Box::pin(async move { Flow::renew(&log, &stream, reached).await }));
    }
}

#[async_trait]
impl Tail for JetStreamTail {
    fn after(&self) -> Position {
        self.after
    }

    async fn next(&mut self) -> Result<Entry, LogError> {
        loop {
            // Cancel safe: between taking a message from the subscription and returning its entry
            // nothing is awaited.
            let received = match &mut self.phase {
                Phase::Ended(error) => return Err(error.clone()),
                Phase::Renewing(renewing) => {
                    self.phase = match renewing.await {
                        Ok(flow) => Phase::Flowing(flow),
                        Err(error) => Phase::Ended(error),
                    };
                    continue;
                }
                Phase::Flowing(flow) => {
                    let Flow { messages, proof, last_sign, .. } = flow;
                    let message = timeout_at(*last_sign + PATIENCE, messages.next());
                    let message = tokio::select! {
                        // What has come is handed out first: it may be what a look misses.
                        biased;
                        message = message => message,
                        look = proof.look(self.reached) => {
                            match look {
                                Look::Well => self.note_proof(),
                                Look::Miss(why) => self.renew(why),
                                Look::Gone(error) => self.phase = Phase::Ended(error),
                            }
                            continue;
                        }
                    };
                    match message {
                        Ok(Some(message)) => {
                            flow.last_sign = Instant::now();
                            flow.order.receive(
                                &self.log.shared.names,
                                &self.stream,
                                self.reached,
                                &message,
                            )
                        }
                        Ok(None) => Received::Miss("its connection is lost"),
                        Err(_) => Received::Miss("it is silent"),
                    }
                }
            };
            match received {
                Received::Event(sequence, entry) => {
                    self.reached = sequence;
                    self.note_proof();
                    match entry {
                        Some(entry) => return Ok(entry),
                        None => {
                            debug!(shard = %self.stream.shard, sequence, "a foreign message is \
                                skipped")
                        }
                    }
                }
                Received::Heartbeat => {}
                // An answer that gets lost is asked for again by the next heartbeat.
                Received::FlowControl(reply) => {
                    let answered =
                        self.log.shared.api.link.publish(reply, Bytes::new(), CONTROL_WAIT).await;
                    if answered.is_err() {
                        self.renew("it cannot be answered");
                    }
                }
                Received::Miss(why) => self.renew(why),
            }
        }
    }

    fn proven(&self) -> Option<Instant> {
        self.proven
    }
}

// === impl Flow ===

impl Flow {
    /// Tries until a consumer stands after `reached`, for as long as a tail may take to go on.
    async fn renew(
        log: &JetStreamLog,
        stream: &Arc<StreamRef>,
        reached: u64,
    ) -> Result<Self, LogError> {
        let deadline = Instant::now() + log.shared.settings.renewal_deadline;
        let mut waits = RENEWAL_WAITS.into_iter().cycle();
        loop {
            let wait = waits.next().unwrap_or(CONTROL_WAIT);
            match timeout_at(deadline, Self::make(log, stream, reached, wait)).await {
                Ok(Ok(flow)) => return Ok(flow),
                Ok(Err(error @ LogError::Rejected(_))) => return Err(error),
                Ok(Err(error)) if Instant::now() + PAUSE >= deadline => return Err(error),
                Ok(Err(error)) => {
                    debug!(shard = %stream.shard, %error, "a tail cannot be made yet")
                }
                Err(_) => {
                    return Err(LogError::Unavailable(
                        "a tail could not be made again in time".to_owned(),
                    ));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes a consumer of everything after `reached`, and checks that there is no hole.
    async fn make(
        log: &JetStreamLog,
        stream: &Arc<StreamRef>,
        reached: u64,
        wait: Duration,
    ) -> Result<Self, LogError> {
        let api = log.shared.api.patient(wait);
        // The server counts as interest in a consumer only a subscription to the very subject, no
        // wildcard.
        let inbox = api.link.unique_subject();
        let messages = api.link.subscribe(inbox.clone(), wait).await?;
        let config = ConsumerConfig {
            name: format!("tail_{:016x}", log.shared.random.number()),
            deliver_policy: "by_start_sequence".to_owned(),
            opt_start_seq: Some(reached + 1),
            ack_policy: "none".to_owned(),
            max_deliver: -1,
            replay_policy: "instant".to_owned(),
            deliver_subject: Some(inbox),
            // Nothing of a tail is worth a disk or a replica: it is made again.
            other: BTreeMap::from([
                ("mem_storage", json!(true)),
                ("num_replicas", json!(1)),
                ("idle_heartbeat", json!(nanos(HEARTBEAT))),
                ("flow_control", json!(true)),
                ("inactive_threshold", json!(nanos(FORGOTTEN_AFTER))),
            ])
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
            ..ConsumerConfig::default()
        };
        api.put_consumer(&stream.name, &config, "create").await?;
        // Asked after the consumer was made: what is there now was there for it.
        let asked = Instant::now();
        let info = log.stream_by(&api, stream).await?;
        if reached.saturating_add(1) < info.state.first_seq {
            return Err(LogError::Rejected(format!(
                "the log no longer has what follows sequence {reached}"
            )));
        }
        if reached > info.state.last_seq {
            // A follower had it a moment before its leader, or the stream has lost its end: the
            // deadline tells which.
            return Err(LogError::Unavailable(format!(
                "the leader does not have sequence {reached}"
            )));
        }
        let proof = Proof::new(log, stream, Due { asked, end: info.state.last_seq });
        Ok(Self { messages, proof, order: Order::default(), last_sign: Instant::now() })
    }
}

// === impl Order ===

impl Order {
    /// Understands a message, and advances where it is the next one.
    fn receive(
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
