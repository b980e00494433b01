//! What goes of a log that is too full, and who is stopped by it for how long.

use std::{sync::Arc, time::Duration};

use parlor_common::{
    conversation::ConversationKey, drain::Drain, id::EventId, metrics::Registry,
    position::Position, shard::Shard, tenant::TenantId,
};
use parlor_log::{EventLog, LogError, NewEntry};
use parlor_persister::{TrimMetrics, TrimSettings, Trimmer};
use parlor_store::HistoryStore;
use parlor_testbed::{
    clock::TestClock,
    defaults,
    faulty::store::StoreFault,
    installation::{Installation, Setup},
    wait::until,
};

use super::{key, record};

const MAX_BYTES: u64 = 2 << 20;
const HOUR: Duration = Duration::from_secs(3600);

/// A small log and its store, with the shipped trimmer over them, whose clock a test moves.
struct Bench {
    at: Installation,
    log: Arc<dyn EventLog>,
    clock: TestClock,
    registry: Registry,
    drain: Drain,
}

impl Bench {
    async fn new() -> Self {
        let clock = TestClock::default();
        let mut setup = Setup::by(&clock);
        setup.log.max_bytes = MAX_BYTES;
        let at = Installation::open(setup).await;
        let log: Arc<dyn EventLog> = Arc::new(at.log.clone());
        Self { at, log, clock, registry: Registry::new(), drain: Drain::new() }
    }

    /// Starts it, with a look much more often.
    fn trim(&self) {
        let every = Duration::from_millis(10);
        let trimmer = Trimmer {
            log: self.log.clone(),
            store: self.at.store.clone(),
            settings: TrimSettings { every, ..defaults::section("trim") },
            metrics: TrimMetrics::new(&self.registry).unwrap(),
        };
        self.drain.spawn(trimmer.run(self.drain.clone()));
    }

    async fn say(&self, tenant: &str, number: u64) -> Result<Position, LogError> {
        let key = ConversationKey { tenant: TenantId::parse(tenant).unwrap(), ..key() };
        let mut record = record(number);
        let parlor_common::event::Body::Message(message) = &mut record.body else { panic!() };
        message.text = "x".repeat(16_000);
        let id = EventId::from_bytes(u128::from(number).to_be_bytes());
        record.id = id;
        let appended = self.log.append(&NewEntry::new(key, id, record.encode().unwrap())).await?;
        Ok(appended.position)
    }

    /// Lets `tenant` send until so much of the bound is used; returns the number after its last.
    async fn fill(&self, tenant: &str, first: u64, percent: u64) -> u64 {
        for number in first..first + 1000 {
            if self.used().await * 100 >= MAX_BYTES * percent {
                return number;
            }
            match self.say(tenant, number).await {
                Ok(_) => {}
                Err(LogError::Full(_)) => return number,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("it never filled");
    }

    async fn used(&self) -> u64 {
        self.log.state(Shard::ONLY).await.unwrap().used_bytes
    }

    fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let metric = &family.get_metric()[0];
        metric.get_counter().get_value() + metric.get_gauge().get_value()
    }

    /// Waits until every shard has been looked at twice since.
    async fn looked_at(&self) {
        let before = self.at.store.calls();
        until("it has looked", async || self.at.store.calls() >= before + 2).await;
    }
}

#[tokio::test]
async fn a_tenant_that_fills_the_log_stops_the_others_until_the_next_trim_and_no_longer() {
    let bench = Bench::new().await;
    let mut number = bench.fill("greedy", 0, 200).await;
    let refused = bench.say("modest", 5000).await;
    assert!(matches!(refused, Err(LogError::Full(_))), "{refused:?}");
    bench.at.persist(usize::MAX).await;
    bench.clock.advance(Duration::from_secs(11 * 60));
    bench.trim();
    until("the other is accepted again", async || bench.say("modest", 5000).await.is_ok()).await;
    until("it is down to its mark", async || bench.used().await * 100 <= MAX_BYTES * 50).await;
    until("it is counted", async || bench.metric("parlor_trim_entries_total") > 0.0).await;

    // Again and again, and the modest one need not wait at all where the greedy one is stored and
    // old before it has filled the rest.
    for round in 0..3 {
        number = bench.fill("greedy", number, 85).await;
        bench.at.persist(usize::MAX).await;
        bench.say("modest", 6000 + round).await.unwrap();
        bench.clock.advance(2 * HOUR);
        until("it is down again", async || bench.used().await * 100 <= MAX_BYTES * 50).await;
    }
}

#[tokio::test]
async fn below_the_pressing_mark_an_hour_stays() {
    let bench = Bench::new().await;
    bench.fill("a", 0, 60).await;
    bench.at.persist(usize::MAX).await;
    bench.clock.advance(HOUR - Duration::from_secs(60));
    bench.trim();
    bench.looked_at().await;
    assert_eq!(bench.metric("parlor_trim_entries_total"), 0.0);
    until("it is told", async || bench.metric("parlor_trim_held_shards") == 1.0).await;
    assert!(bench.metric("parlor_trim_fullest_ratio") >= 0.6);
    bench.clock.advance(Duration::from_secs(61));
    until("it goes", async || bench.used().await * 100 <= MAX_BYTES * 40).await;
    until("nothing is held", async || bench.metric("parlor_trim_held_shards") == 0.0).await;
}

#[tokio::test]
async fn what_is_not_stored_stays() {
    let bench = Bench::new().await;
    bench.fill("a", 0, 90).await;
    bench.at.persist(5).await;
    bench.clock.advance(2 * HOUR);
    bench.trim();
    until("five have gone", async || bench.metric("parlor_trim_entries_total") == 5.0).await;
    bench.looked_at().await;
    assert_eq!(bench.metric("parlor_trim_entries_total"), 5.0);
    bench.at.persist(usize::MAX).await;
    until("the rest goes", async || bench.used().await * 100 <= MAX_BYTES * 40).await;
}

/// A store that was restored from a copy is made whole from the log, which may be all that has what
/// it lacks.
#[tokio::test]
async fn a_store_that_has_seen_less_than_was_acknowledged_keeps_the_log() {
    let bench = Bench::new().await;
    bench.fill("a", 0, 90).await;
    bench.at.persist(usize::MAX).await;
    let restored = Installation::open(Setup::default()).await;
    let lower = bench.at.end().await.before();
    restored.store.raise_watermark(Shard::ONLY, lower).await.unwrap();
    bench.clock.advance(2 * HOUR);
    let bench =
        Bench { at: Installation { store: restored.store.clone(), ..bench.at.clone() }, ..bench };
    bench.trim();
    bench.looked_at().await;
    until("it is told", async || bench.metric("parlor_trim_held_shards") == 1.0).await;
    assert_eq!(bench.metric("parlor_trim_entries_total"), 0.0);
    bench.at.store.raise_watermark(Shard::ONLY, bench.at.end().await).await.unwrap();
    until("it goes", async || bench.used().await * 100 <= MAX_BYTES * 40).await;
}

#[tokio::test]
async fn while_the_store_is_down_nothing_goes() {
    let bench = Bench::new().await;
    bench.fill("a", 0, 90).await;
    bench.at.persist(usize::MAX).await;
    bench.clock.advance(2 * HOUR);
    bench.at.store.turn(StoreFault::Down);
    bench.trim();
    until("it has failed", async || bench.metric("parlor_trim_failures_total") > 2.0).await;
    assert_eq!(bench.metric("parlor_trim_entries_total"), 0.0);
    bench.at.store.turn(StoreFault::None);
    until("it goes", async || bench.used().await * 100 <= MAX_BYTES * 40).await;
}
