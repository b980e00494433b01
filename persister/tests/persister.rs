//! The persister between the real embedded log and the real embedded store.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests append what the persister is to store, as the door would"
)]

#[path = "persister/trim.rs"]
mod trim;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parlor_common::{
    author::{Author, AuthorKind},
    clock::Timestamp,
    conversation::ConversationKey,
    drain::Drain,
    event::{Audience, Body, DeliveredBody, MessageBody, Record, Transport},
    id::{ClientMessageId, ConversationId, EventId},
    metrics::Registry,
    position::Position,
    shard::Shard,
    state::Reader,
    tenant::TenantId,
};
use parlor_log::{
    EventLog, NewEntry, PERSISTER,
    consumer::{Consumer, ConsumerMetrics, ConsumerSettings, Health},
};
use parlor_persister::{Metrics, StoreSink};
use parlor_store::{HistoryStore, PageRange};
use parlor_testbed::{
    faulty::store::{FaultyStore, StoreFault},
    installation::{Folders, Installation, Setup},
    wait::until,
};

struct Bench {
    log: Arc<dyn EventLog>,
    store: Arc<FaultyStore>,
    settings: ConsumerSettings,
    registry: Registry,
    consumers: ConsumerMetrics,
    metrics: Metrics,
    drain: Drain,
    _folders: Arc<Folders>,
}

impl Bench {
    async fn new() -> Self {
        let mut setup = Setup::default();
        setup.log.ack_wait = Duration::from_millis(300);
        let Installation { log, store, folders } = Installation::open(setup).await;
        let settings = ConsumerSettings {
            batch_count: 10,
            batch_bytes: 1 << 20,
            batch_age: Duration::from_millis(5),
            progress_every: Duration::from_millis(50),
            retry_every: Duration::from_millis(20),
        };
        let registry = Registry::new();
        let consumers = ConsumerMetrics::new(&registry).unwrap();
        let metrics = Metrics::new(&registry).unwrap();
        Self {
            log: Arc::new(log),
            store,
            settings,
            registry,
            consumers,
            metrics,
            drain: Drain::new(),
            _folders: folders,
        }
    }

    fn persist(&self, drain: &Drain) -> Health {
        let consumer = Consumer {
            log: self.log.clone(),
            group: PERSISTER,
            sink: Arc::new(StoreSink::new(self.store.clone(), self.metrics.clone())),
            settings: self.settings.clone(),
            metrics: self.consumers.clone(),
        };
        consumer.start(drain)
    }

    async fn append(&self, number: u64, record: Bytes) -> Position {
        let id = EventId::from_bytes(u128::from(number).to_be_bytes());
        self.log.append(&NewEntry::new(key(), id, record)).await.unwrap().position
    }

    async fn append_messages(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.append(number, record(number).encode().unwrap()).await;
        }
    }

    async fn persisted(&self) -> u64 {
        self.log.state(Shard::ONLY).await.unwrap().persisted.sequence()
    }

    /// The ids that the store has, in order.
    async fn stored(&self) -> Vec<u128> {
        let page = self
            .store
            .page(&key(), Audience::Agents, PageRange::Before(Position::MAX), 10_000)
            .await
            .unwrap();
        page.events.iter().map(|event| u128::from_be_bytes(*event.record.id.as_bytes())).collect()
    }

    fn counted(&self, name: &str, outcome: Option<&str>) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let metric = family.get_metric().iter().find(|metric| {
            outcome.is_none_or(|outcome| {
                metric.get_label().iter().any(|label| label.value() == outcome)
            })
        });
        metric.unwrap().get_counter().get_value()
    }

    fn events(&self, outcome: &str) -> f64 {
        self.counted("parlor_consumer_events_total", Some(outcome))
    }
}

fn key() -> ConversationKey {
    ConversationKey {
        tenant: TenantId::parse("a").unwrap(),
        id: ConversationId::from_bytes([1; 16]),
    }
}

fn record(number: u64) -> Record {
    Record {
        id: EventId::from_bytes(u128::from(number).to_be_bytes()),
        author: Author { kind: AuthorKind::Agent, id: "ann".to_owned(), name: None },
        session: None,
        transport: Transport::Rest,
        at: Timestamp::from_millis(1_700_000_000_000),
        arrived: Timestamp::from_millis(1_700_000_000_000),
        acceptance: number,
        body: Body::Message(MessageBody {
            text: format!("text {number}"),
            client_message_id: ClientMessageId::parse(&format!("m{number}")).unwrap(),
        }),
    }
}

fn numbers(range: std::ops::Range<u64>) -> Vec<u128> {
    range.map(u128::from).collect()
}

#[tokio::test]
async fn what_is_stored_is_acknowledged_and_every_event_is_stored_once() {
    let bench = Bench::new().await;
    bench.append_messages(0..95).await;
    let health = bench.persist(&bench.drain);
    until("all are persisted", async || bench.persisted().await == 95).await;
    assert_eq!(bench.stored().await, numbers(0..95));
    assert_eq!(health.check(), Ok(()));
    assert!(bench.store.inserts().largest <= 10, "a batch is bounded");
    let noted = bench.store.watermark(Shard::ONLY).await.unwrap().unwrap();
    assert_eq!(noted.sequence(), 95);
    bench.drain.begin();
    assert!(bench.drain.finished(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn while_the_store_is_down_nothing_is_acknowledged_and_it_goes_on_by_itself() {
    let bench = Bench::new().await;
    bench.store.turn(StoreFault::Down);
    let health = bench.persist(&bench.drain);
    bench.append_messages(0..50).await;
    until("it has tried for longer than the log waits", async || bench.store.calls() > 30).await;
    assert_eq!(bench.persisted().await, 0);
    assert!(health.check().is_err());
    bench.store.turn(StoreFault::None);
    until("all are persisted", async || bench.persisted().await == 50).await;
    assert_eq!(bench.stored().await, numbers(0..50));
    assert_eq!(health.check(), Ok(()));
    assert_eq!(bench.events("kept"), 50.0, "progress kept the batch from coming twice");
}

#[tokio::test]
async fn a_write_that_was_applied_but_not_answered_doubles_no_row() {
    let bench = Bench::new().await;
    bench.append_messages(0..10).await;
    bench.store.turn(StoreFault::LosesAnAnswer);
    bench.persist(&bench.drain);
    until("all are persisted", async || bench.persisted().await == 10).await;
    assert_eq!(bench.stored().await, numbers(0..10));
}

#[tokio::test]
async fn neither_what_is_no_record_nor_a_later_kind_stops_the_shard() {
    let bench = Bench::new().await;
    bench.append_messages(0..3).await;
    bench.append(3, Bytes::from_static(b"\xffthis is no record")).await;
    let mark = String::from_utf8(record(4).encode().unwrap().to_vec()).unwrap();
    bench
        .append(4, mark.replace(r#""kind":"message""#, r#""kind":"of a later version""#).into())
        .await;
    bench.append_messages(5..8).await;
    bench.persist(&bench.drain);
    until("all are persisted", async || bench.persisted().await == 8).await;
    assert_eq!(bench.stored().await, [numbers(0..3), numbers(5..8)].concat());
    assert_eq!((bench.events("dead_letter"), bench.events("kept")), (1.0, 7.0));
    assert_eq!(bench.counted("parlor_persister_skipped_total", None), 1.0);
}

#[tokio::test]
async fn a_row_is_never_above_the_watermark() {
    let bench = Bench::new().await;
    bench.append_messages(0..45).await;
    bench.persist(&bench.drain);
    until("all are persisted", async || bench.persisted().await == 45).await;
    assert!(bench.store.inserts().count >= 5, "there were several batches");
    assert_eq!(bench.store.inserts().above_watermark, 0);
}

#[tokio::test]
async fn a_mark_is_stored_as_a_last_value_and_is_no_row() {
    let bench = Bench::new().await;
    let up_to = bench.append(0, record(0).encode().unwrap()).await;
    let body = Body::Delivered(DeliveredBody::of(Reader::Agent, up_to));
    bench.append(1, Record { body, ..record(1) }.encode().unwrap()).await;
    bench.persist(&bench.drain);
    until("both are persisted", async || bench.persisted().await == 2).await;
    assert_eq!(bench.stored().await, numbers(0..1));
    assert_eq!(bench.store.state(&key()).await.unwrap().delivered(Reader::Agent), up_to);
    // They are counted once they have been acknowledged.
    until("both are counted", async || bench.events("kept") == 2.0).await;
    assert_eq!(bench.counted("parlor_persister_skipped_total", None), 0.0);
}

#[tokio::test]
async fn a_persister_that_is_gone_leaves_its_share_to_another() {
    let bench = Bench::new().await;
    bench.store.turn(StoreFault::Down);
    let first = Drain::new();
    bench.persist(&first);
    bench.append_messages(0..25).await;
    until("the first has taken some", async || bench.store.calls() > 0).await;
    // The stop while the store is down leaves the batch unacknowledged, as a kill does.
    first.begin();
    assert!(first.finished(Duration::from_secs(5)).await);
    assert_eq!(bench.persisted().await, 0);
    bench.store.turn(StoreFault::None);
    bench.persist(&bench.drain);
    until("all are persisted", async || bench.persisted().await == 25).await;
    assert_eq!(bench.stored().await, numbers(0..25));
}
