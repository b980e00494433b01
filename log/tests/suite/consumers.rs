//! Consumers: a sink is given every event of its group's shards, whatever another group's does.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use parlor_common::{
    author::{Author, AuthorKind},
    clock::Timestamp,
    drain::Drain,
    event::{Body, Event, MessageBody, Record, Transport},
    id::ClientMessageId,
    metrics::Registry,
    position::Position,
    shard::Shard,
};
use parlor_log::{
    EventLog, PERSISTER,
    consumer::{Consumer, ConsumerMetrics, ConsumerSettings, Health, Sink, SinkError, Trouble},
};

use super::{
    Bounds, Harness,
    tools::{
        SECOND_GROUP, conversation, deliveries_of, end, id, persisted, record, take_all,
        try_append, until, within,
    },
};

/// A sink that remembers what it kept, and does as it is told.
#[derive(Debug, Default)]
struct TinySink {
    kept: Mutex<Vec<Position>>,
    calls: AtomicUsize,
    /// It does not answer.
    down: AtomicBool,
    /// It answers after this only.
    slow: Mutex<Duration>,
    /// It refuses messages of this text for good.
    refused: &'static str,
    panics: bool,
}

impl TinySink {
    fn kept(&self) -> Vec<Position> {
        let mut kept = self.kept.lock().unwrap().clone();
        kept.sort();
        kept
    }
}

#[async_trait]
impl Sink for TinySink {
    fn name(&self) -> &'static str {
        "the tiny sink"
    }

    async fn keep(&self, _: Shard, events: &[Event]) -> Result<(), SinkError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics, "as the test wants");
        let slow = *self.slow.lock().unwrap();
        tokio::time::sleep(slow).await;
        if self.down.load(Ordering::SeqCst) {
            return Err(SinkError::Later("switched off".to_owned()));
        }
        let texts = events.iter().filter_map(|event| event.record.body.message());
        if texts.into_iter().any(|message| message.text == self.refused) {
            return Err(SinkError::Never(format!("{} is among them", self.refused)));
        }
        self.kept.lock().unwrap().extend(events.iter().map(|event| event.position));
        Ok(())
    }
}

/// Consumers of one log, which end with it.
struct Running {
    log: Arc<dyn EventLog>,
    metrics: ConsumerMetrics,
    registry: Registry,
    drain: Drain,
}

impl Running {
    fn new(log: &Arc<dyn EventLog>) -> Self {
        let registry = Registry::new();
        let metrics = ConsumerMetrics::new(&registry).unwrap();
        Self { log: log.clone(), metrics, registry, drain: Drain::new() }
    }

    fn start(&self, group: &'static str, sink: &Arc<TinySink>) -> Health {
        let settings = ConsumerSettings {
            batch_count: 10,
            batch_bytes: 1 << 20,
            batch_age: Duration::from_millis(5),
            progress_every: Duration::from_millis(200),
            retry_every: Duration::from_millis(50),
        };
        let (log, sink, metrics) = (self.log.clone(), sink.clone(), self.metrics.clone());
        Consumer { log, group, sink, settings, metrics }.start(&self.drain)
    }

    /// `parlor_consumer_events_total` of a group and an outcome.
    fn events(&self, group: &str, outcome: &str) -> f64 {
        let families = self.registry.gather();
        let family =
            families.iter().find(|family| family.name() == "parlor_consumer_events_total").unwrap();
        let metric = family.get_metric().iter().find(|metric| {
            let labels: Vec<_> = metric.get_label().iter().map(|label| label.value()).collect();
            labels == [group, outcome]
        });
        metric.unwrap().get_counter().get_value()
    }

    async fn stop(self) {
        self.drain.begin();
        assert!(self.drain.finished(Duration::from_secs(20)).await);
    }
}

async fn append_message(log: &Arc<dyn EventLog>, text: &str) -> Position {
    let id = id();
    let record = Record {
        id,
        author: Author { kind: AuthorKind::Agent, id: "ann".to_owned(), name: None },
        session: None,
        transport: Transport::Rest,
        at: Timestamp::from_millis(1_700_000_000_000),
        arrived: Timestamp::from_millis(1_700_000_000_000),
        acceptance: 1,
        body: Body::Message(MessageBody {
            text: text.to_owned(),
            client_message_id: ClientMessageId::parse("m1").unwrap(),
        }),
    };
    let record = record.encode().unwrap();
    try_append(log, &conversation(1), &id, record).await.unwrap().position
}

async fn append_messages(log: &Arc<dyn EventLog>, count: usize) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in 0..count {
        positions.push(append_message(log, &format!("text {number}")).await);
    }
    positions
}

pub(crate) async fn two_groups_are_apart_while_the_sink_of_one_does_not_answer<H: Harness>() {
    let harness = H::fresh(Bounds { ack_wait: Duration::from_secs(1), ..Bounds::default() }).await;
    let log = harness.log();
    let start = end(&log).await;
    let stalled = Arc::new(TinySink { down: true.into(), ..TinySink::default() });
    let other = Arc::new(TinySink::default());
    let running = Running::new(&log);
    let (health, healthy) =
        (running.start(PERSISTER, &stalled), running.start(SECOND_GROUP, &other));
    let appended = append_messages(&log, 35).await;
    until("the other group has it all", async || other.kept() == appended).await;
    until("the stalled group says so", async || {
        health.check() == Err(Trouble::Sink("the tiny sink"))
    })
    .await;
    assert_eq!(healthy.check(), Ok(()));
    assert_eq!((stalled.kept(), persisted(&log).await), (Vec::new(), start));

    stalled.down.store(false, Ordering::SeqCst);
    until("all is persisted", async || persisted(&log).await == appended[34]).await;
    assert_eq!(stalled.kept(), appended, "each came once");
    until("the group works again", async || health.check() == Ok(())).await;
    running.stop().await;
    assert_eq!(other.kept(), appended, "nothing came twice to the other group");
}

pub(crate) async fn a_batch_that_takes_long_is_not_delivered_twice<H: Harness>() {
    let ack_wait = Duration::from_secs(1);
    let harness = H::fresh(Bounds { ack_wait, ..Bounds::default() }).await;
    let log = harness.log();
    let slow = Arc::new(TinySink { slow: Mutex::new(3 * ack_wait), ..TinySink::default() });
    let appended = append_messages(&log, 5).await;
    let running = Running::new(&log);
    running.start(PERSISTER, &slow);
    until("it has taken some", async || slow.calls.load(Ordering::SeqCst) > 0).await;
    // A second reader would be given what nobody asks time for.
    let idle = Arc::new(TinySink::default());
    running.start(PERSISTER, &idle);
    until("all is persisted", async || persisted(&log).await == appended[4]).await;
    running.stop().await;
    let mut kept = [slow.kept(), idle.kept()].concat();
    kept.sort();
    assert_eq!(kept, appended, "each was kept once");
}

pub(crate) async fn what_a_sink_refuses_is_a_dead_letter_and_the_rest_is_kept<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let mut appended = append_messages(&log, 3).await;
    append_message(&log, "poison").await;
    try_append(&log, &conversation(1), &id(), record("this is no record")).await.unwrap();
    appended.extend(append_messages(&log, 3).await);
    let running = Running::new(&log);
    let sink = Arc::new(TinySink { refused: "poison", ..TinySink::default() });
    let health = running.start(SECOND_GROUP, &sink);
    until("the rest is kept", async || sink.kept() == appended).await;
    until("both are dead letters", async || running.events(SECOND_GROUP, "dead_letter") == 2.0)
        .await;
    until("all is counted", async || running.events(SECOND_GROUP, "kept") == 6.0).await;
    assert_eq!(health.check(), Ok(()));
    running.stop().await;
    let mut reader = deliveries_of(&log, SECOND_GROUP).await;
    assert!(take_all(&mut reader).await.is_empty(), "nothing is left");
}

pub(crate) async fn a_task_that_panics_is_not_taken_for_running<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let running = Running::new(&log);
    let sink = Arc::new(TinySink { panics: true, ..TinySink::default() });
    let health = running.start(PERSISTER, &sink);
    append_message(&log, "text").await;
    within("the panic", async {
        until("health says so", async || health.check() == Err(Trouble::Panicked)).await;
    })
    .await;
    running.stop().await;
    assert_eq!(health.check(), Err(Trouble::Panicked), "and goes on saying so");
}
