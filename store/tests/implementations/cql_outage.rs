//! The CQL store while its database is slow, deaf, silent or down: every call ends within its
//! timeout, and all is well again by itself afterwards.

use std::time::{Duration, Instant};

use futures_util::future;
use parlor_common::{
    event::{Audience, Event},
    position::Position,
    shard::Shard,
};
use parlor_store::{CqlSettings, CqlStore, HistoryStore, PageRange, StoreError};

use parlor_testbed::network::{Network, Proxy};

use super::{cql::provisioned, metrics::unregistered};
use crate::suite::harness::{Harness, at, inbox_of, sequences};

const TIMEOUT: Duration = Duration::from_secs(1);
/// What a busy machine may add to a timeout.
const SLACK: Duration = Duration::from_secs(1);
/// How soon all is well again: the driver's pause between attempts to connect grows to 10 s.
const RECOVERY: Duration = Duration::from_secs(20);

/// A store that reaches its database through a proxy, and another one that reaches it without.
struct Outage {
    broken: Harness,
    direct: CqlStore,
    proxy: Proxy,
}

impl Outage {
    async fn new() -> Self {
        let direct = provisioned().await;
        let proxy = Proxy::before(&direct.nodes[0]).await;
        let broken = CqlSettings {
            nodes: vec![proxy.address.to_string()],
            request_timeout: TIMEOUT,
            ..direct.clone()
        };
        let broken = Harness::new(CqlStore::connect(&broken, unregistered()).await.unwrap(), ());
        Self { broken, direct: CqlStore::connect(&direct, unregistered()).await.unwrap(), proxy }
    }

    /// Asks for everything, and holds that each call fails in time.
    async fn every_call_fails_in_time(&self, events: &[Event]) {
        let (store, conversation) = (&self.broken.store, self.broken.conversation(1));
        let page = |range| store.page(&conversation, Audience::Visitor, range, 50);
        let calls = [
            ("insert", in_time(store.insert(events)).await),
            ("page before", in_time(page(PageRange::Before(at(5)))).await),
            ("page after", in_time(page(PageRange::After(at(5)))).await),
            ("state", in_time(store.state(&conversation)).await),
            ("find", in_time(store.find(&conversation, &events[0].record.id)).await),
            ("inbox", in_time(inbox_of(&**store, &self.broken.tenant)).await),
            ("raise_watermark", in_time(store.raise_watermark(Shard::new(1), at(1))).await),
            ("watermark", in_time(store.watermark(Shard::new(1))).await),
            ("ping", in_time(store.ping()).await),
        ];
        for (name, (outcome, took)) in calls {
            assert!(matches!(outcome, Some(StoreError::Unavailable(_))), "{name}: {outcome:?}");
            assert!(took < TIMEOUT + SLACK, "{name} took {took:?}");
        }
    }

    /// Mends the network, waits until the store answers, and holds that a repeat of `events`
    /// leaves each once.
    async fn all_is_well_again(&self, events: &[Event]) {
        self.proxy.turn(Network::Whole);
        let well = async {
            while self.broken.store.ping().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(RECOVERY, well).await.expect("the store does not come back by itself");
        self.broken.insert(events).await;
        let expected: Vec<u64> = events.iter().map(|event| event.position.sequence()).collect();
        assert_eq!(sequences(&self.broken.before(1, Position::MAX, 50).await), expected);
        assert_eq!(self.broken.inbox(Position::MAX, 10).await.rows.len(), 1);
    }
}

/// The error of an answer and how long it took.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, StoreError>>,
) -> (Option<StoreError>, Duration) {
    let started = Instant::now();
    (answer.await.err(), started.elapsed())
}

#[tokio::test]
async fn a_slow_database_is_waited_for() {
    let outage = Outage::new().await;
    let events = outage.broken.messages(1, [1, 2, 3]);
    outage.proxy.turn(Network::Slow(Duration::from_millis(100)));
    outage.broken.insert(&events).await;
    assert_eq!(sequences(&outage.broken.before(1, Position::MAX, 50).await), [1, 2, 3]);
    outage.all_is_well_again(&events).await;
}

#[tokio::test]
async fn a_database_that_is_too_slow_is_not_waited_for() {
    let outage = Outage::new().await;
    let events = outage.broken.messages(1, [1, 2, 3]);
    outage.proxy.turn(Network::Slow(TIMEOUT * 3));
    outage.every_call_fails_in_time(&events).await;
    outage.all_is_well_again(&events).await;
}

#[tokio::test]
async fn writes_that_are_applied_and_not_answered_may_be_repeated() {
    let outage = Outage::new().await;
    let events = outage.broken.messages(1, [1, 2, 3]);
    outage.proxy.turn(Network::AnswersHeld);
    outage.every_call_fails_in_time(&events).await;
    let newest = PageRange::Before(Position::MAX);
    let applied = outage
        .direct
        .page(&outage.broken.conversation(1), Audience::Visitor, newest, 50)
        .await
        .unwrap();
    assert_eq!(sequences(&applied), [1, 2, 3], "the proxy was to let requests pass");
    outage.all_is_well_again(&events).await;
}

#[tokio::test]
async fn a_silent_database_holds_nobody_up() {
    let outage = Outage::new().await;
    let events = outage.broken.messages(1, [1, 2, 3]);
    outage.proxy.turn(Network::Held);
    // Equal reads share a query, and none waits for another's timeout and then for its own. Asked
    // first, before the connections are known to be dead.
    let conversation = outage.broken.conversation(1);
    let read = || {
        in_time(outage.broken.store.page(
            &conversation,
            Audience::Visitor,
            PageRange::Before(Position::MAX),
            50,
        ))
    };
    for (outcome, took) in future::join_all((0..20).map(|_| read())).await {
        assert!(outcome.is_some());
        assert!(took < TIMEOUT + SLACK, "{took:?}");
    }
    outage.every_call_fails_in_time(&events).await;
    outage.all_is_well_again(&events).await;
}

#[tokio::test]
async fn a_database_that_was_down_is_found_again() {
    let outage = Outage::new().await;
    let events = outage.broken.messages(1, [1, 2, 3]);
    outage.broken.insert(&events[..1]).await;
    outage.proxy.turn(Network::Broken);
    outage.every_call_fails_in_time(&events).await;
    outage.all_is_well_again(&events).await;
}

#[tokio::test]
async fn an_insert_that_is_cut_off_halfway_is_made_whole_by_a_repeat() {
    let outage = Outage::new().await;
    let t = &outage.broken;
    // 300 statements or more, so that some are written and some are not when the network breaks.
    let events: Vec<Event> = (0..300).map(|n| t.message(n, at(u64::from(n) + 1)).event()).collect();
    outage.proxy.turn(Network::Slow(Duration::from_millis(20)));
    let insert = t.store.insert(&events);
    let cut = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        outage.proxy.turn(Network::Broken);
    };
    let (outcome, ()) = tokio::join!(insert, cut);
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    outage.proxy.turn(Network::Whole);
    outage.direct.insert(&events).await.unwrap();
    let inbox = inbox_of(&outage.direct, &t.tenant).await.unwrap();
    assert_eq!(inbox.rows.len(), 300);
}

#[tokio::test]
async fn a_database_that_is_silent_from_the_start_is_unavailable() {
    let settings = provisioned().await;
    let proxy = Proxy::before(&settings.nodes[0]).await;
    proxy.turn(Network::Held);
    let settings = CqlSettings {
        nodes: vec![proxy.address.to_string()],
        request_timeout: TIMEOUT,
        ..settings
    };
    let (outcome, took) = in_time(CqlStore::connect(&settings, unregistered())).await;
    assert!(matches!(outcome, Some(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(took < Duration::from_secs(15) + SLACK, "{took:?}");
}
