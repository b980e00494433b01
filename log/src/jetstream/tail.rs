//! Tailing a shard: an ephemeral consumer whose every gap is noticed, and which is made again at
//! the last position.
//!
//! The library's ordered consumer has no heartbeat setting and fell silent for longer than an
//! election. Here the consumer's own sequence must rise by one with each message, and a heartbeat
//! each half second tells the last one that was sent: whatever does not fit, and silence, is a
//! miss, and after the first miss the consumer is made again. So is one that the stream's leader
//! does not prove to be live, look by look.

mod order;
mod proof;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_nats::Subscriber;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, future::BoxFuture};
use parlor_common::position::Position;
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, info};

use self::{
    order::{Order, Received},
    proof::{Due, Look, Proof},
};
use super::{
    JetStreamLog,
    names::StreamRef,
    shapes::{ConsumerConfig, StreamInfo, nanos},
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

/// How long one question of a renewal may take, try by try: short, since an election makes
/// questions get lost, and since the servers place a consumer on any of them, for a while also on
/// one that is dead. Every third try is patient, for servers that are slow.
const RENEWAL_WAITS: [Duration; 3] =
    [Duration::from_millis(400), Duration::from_millis(400), Duration::from_secs(1)];

/// How long a question of a tail that stands may take, or its answer to flow control.
const QUESTION_WAIT: Duration = Duration::from_secs(1);

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
/// Ended` when that takes too long or cannot be done without a hole. `Flowing → Asking` where a
/// message leaves sequences out, and back once the leader has told that no trim has taken them.
enum Phase {
    Flowing(Flow),
    /// Kept over calls, with the message.
    Asking(BoxFuture<'static, Result<(Flow, Received), LogError>>),
    /// Kept over calls, so that dropping `next` again and again does not hinder it.
    Renewing(BoxFuture<'static, Result<Flow, LogError>>),
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

    /// Asks whether what a message leaves out was let go of.
    fn ask(&mut self, received: Received) {
        let ended = Phase::Ended(LogError::Unavailable("it is being asked for".to_owned()));
        let Phase::Flowing(mut flow) = std::mem::replace(&mut self.phase, ended) else { return };
        let (log, stream, reached) = (self.log.clone(), self.stream.clone(), self.reached);
        self.phase = Phase::Asking(Box::pin(async move {
            // Asked after the message came: what has not gone by now had not gone when it was sent.
            let api = log.shared.api.patient(QUESTION_WAIT);
            check_start(&log.stream_by(&api, &stream).await?, reached)?;
            flow.last_sign = Instant::now();
            Ok((flow, received))
        }));
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
                Phase::Asking(asking) => match asking.await {
                    Ok((flow, received)) => {
                        self.phase = Phase::Flowing(flow);
                        received
                    }
                    Err(error @ LogError::Rejected(_)) => {
                        self.phase = Phase::Ended(error);
                        continue;
                    }
                    Err(_) => Received::Miss("what it left out cannot be told"),
                },
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
                            let received = flow.order.receive(
                                &self.log.shared.names,
                                &self.stream,
                                self.reached,
                                &message,
                            );
                            if received.leaves_out(self.reached) {
                                self.ask(received);
                                continue;
                            }
                            received
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
                        self.log.shared.api.link.publish(reply, Bytes::new(), QUESTION_WAIT).await;
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
            let wait = waits.next().unwrap_or(QUESTION_WAIT);
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
        check_start(&info, reached)?;
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

/// Refuses to go on after `reached` where the stream begins later.
fn check_start(info: &StreamInfo, reached: u64) -> Result<(), LogError> {
    if reached.saturating_add(1) < info.state.first_seq {
        let why = format!("the log no longer has what follows sequence {reached}");
        return Err(LogError::Rejected(why));
    }
    Ok(())
}
