//! Trims: what is stored and old goes, in order, and nobody is shown a log with a silent hole.

use std::{sync::Arc, time::Duration};

use parlor_common::position::Position;
use parlor_log::{EventLog, Filter, LogError, PERSISTER, Start, Trim};

use super::{
    Bounds, Harness,
    tools::{
        SECOND_GROUP, ahead, append, conversation, deliveries_of, end, follow, id, positions,
        record, shard, tail, take, tenant, try_append, until, within,
    },
};

const RECORD: usize = 16 << 10;

/// Everything up to `through` may go.
fn all(through: Position) -> Trim {
    Trim { through, down_to: 0, keep: Duration::ZERO }
}

async fn trim(log: &Arc<dyn EventLog>, trim: Trim) -> u64 {
    within("a trim", log.trim(shard(log), trim)).await.unwrap()
}

async fn fill(log: &Arc<dyn EventLog>, count: usize) -> Vec<Position> {
    let mut appended = Vec::new();
    for _ in 0..count {
        appended.push(append(log, "x".repeat(RECORD)).await);
    }
    appended
}

/// Takes what the group was not given yet, `count` entries, and acknowledges them.
async fn acknowledge(log: &Arc<dyn EventLog>, group: &str, count: usize) {
    let mut reader = deliveries_of(log, group).await;
    let taken = take(&mut reader, count).await;
    within("acks", reader.ack(&taken[..count])).await.unwrap();
}

async fn acknowledge_by_all(log: &Arc<dyn EventLog>, count: usize) {
    acknowledge(log, PERSISTER, count).await;
    acknowledge(log, SECOND_GROUP, count).await;
}

/// Trims until everything before the last of `appended` is gone: a log may learn of an
/// acknowledgement a moment later.
async fn trim_all(log: &Arc<dyn EventLog>, appended: &[Position]) {
    let (last, first) = (appended[appended.len() - 1], appended[0].before());
    until("it is trimmed", async || {
        trim(log, all(last)).await;
        within("a state", log.state(shard(log))).await.unwrap().start > first
    })
    .await;
    let start = within("a state", log.state(shard(log))).await.unwrap().start;
    assert_eq!(start, last.before(), "the last entry stays, and nothing else");
}

pub(crate) async fn only_what_is_old_and_acknowledged_by_every_group_goes<H: Harness>() {
    let mut harness =
        H::fresh(Bounds { ack_wait: Duration::from_secs(1), ..Bounds::default() }).await;
    let log = harness.log();
    let appended = fill(&log, 12).await;
    let start = appended[0].before();
    acknowledge(&log, PERSISTER, 9).await;
    until("nine are persisted", async || {
        log.state(shard(&log)).await.unwrap().persisted == appended[8]
    })
    .await;
    acknowledge(&log, SECOND_GROUP, 6).await;
    assert_eq!(trim(&log, all(appended[11])).await, 0, "they are young");

    harness.age().await;
    let log = harness.log();
    assert_eq!(trim(&log, all(start)).await, 0, "up to a position");
    until("two have gone", async || {
        trim(&log, all(appended[1])).await;
        log.state(shard(&log)).await.unwrap().start == appended[1]
    })
    .await;
    until("six have gone", async || {
        trim(&log, all(appended[11])).await;
        log.state(shard(&log)).await.unwrap().start == appended[5]
    })
    .await;
    assert_eq!(trim(&log, all(appended[11])).await, 0, "a group has not acknowledged more");
    acknowledge(&log, SECOND_GROUP, 6).await;
    until("nine have gone", async || {
        trim(&log, all(appended[11])).await;
        log.state(shard(&log)).await.unwrap().start == appended[8]
    })
    .await;
    assert_eq!(trim(&log, all(appended[11])).await, 0, "the rest is not persisted");
    let page = log.read(&Filter::Tenant(tenant()), start, 100).await.unwrap();
    assert_eq!((page.from, positions(&page.entries)), (appended[8], appended[9..].to_vec()));
}

pub(crate) async fn it_ends_at_its_bytes_and_the_last_entry_stays<H: Harness>() {
    let mut harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let appended = fill(&log, 60).await;
    acknowledge_by_all(&log, 60).await;
    harness.age().await;
    let log = harness.log();
    let state = async || within("a state", log.state(shard(&log))).await.unwrap();
    let used = state().await.used_bytes;
    assert!(used > 60 * RECORD as u64, "{used}");
    assert_eq!(state().await.max_bytes, Some(Bounds::default().max_bytes));
    let half = Trim { down_to: used / 2, ..all(appended[59]) };
    until("half has gone", async || {
        trim(&log, half).await;
        state().await.used_bytes <= used / 2
    })
    .await;
    assert!(state().await.used_bytes > used / 3, "not much more");
    assert_eq!(trim(&log, half).await, 0, "it is there already");

    trim_all(&log, &appended).await;
    assert_eq!(end(&log).await, appended[59]);
    assert!(append(&log, "next").await > appended[59]);
}

pub(crate) async fn at_the_bound_it_makes_room<H: Harness>() {
    let mut harness = H::fresh(Bounds { max_bytes: 1 << 20, ..Bounds::default() }).await;
    let log = harness.log();
    let mut count = 0;
    let refused = loop {
        let full = record("x".repeat(RECORD));
        match try_append(&log, &conversation(1), &id(), full).await {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 100, "it never filled");
    };
    assert!(matches!(refused, LogError::Full(_)), "{refused:?}");
    acknowledge_by_all(&log, count).await;
    harness.age().await;
    let log = harness.log();
    let through = end(&log).await;
    let down = Trim { down_to: (1 << 20) * 2 / 5, ..all(through) };
    until("there is room again", async || {
        trim(&log, down).await;
        try_append(&log, &conversation(2), &id(), record("x".repeat(RECORD))).await.is_ok()
    })
    .await;
}

pub(crate) async fn what_has_gone_is_told_to_who_would_read_it<H: Harness>() {
    let mut harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let appended = fill(&log, 20).await;
    acknowledge_by_all(&log, 20).await;
    harness.age().await;
    let log = harness.log();
    trim_all(&log, &appended).await;
    let refused = within("a tail", log.tail(shard(&log), Start::After(appended[3]))).await;
    assert!(matches!(refused, Err(LogError::Rejected(_))), "{:?}", refused.err());
    let page = log.read(&Filter::Tenant(tenant()), appended[3], 100).await.unwrap();
    assert_eq!((page.from, positions(&page.entries)), (appended[18], vec![appended[19]]));
    let mut tail = tail(&log, Start::After(appended[18])).await;
    assert_eq!(follow(&mut tail, 1).await[0].position, appended[19]);
}

/// A reader that stood still, so that a trim overtakes it, is told, and shown no hole.
pub(crate) async fn a_tail_that_is_overtaken_ends<H: Harness>() {
    const ENTRIES: usize = 600;
    let mut harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    let mut tail = tail(&log, Start::After(start)).await;
    // More than is read ahead, by the tail or by a server.
    fill(&log, ENTRIES).await;
    acknowledge_by_all(&log, ENTRIES).await;
    follow(&mut tail, 1).await;
    harness.age().await;
    let aged = harness.log();
    let last = end(&aged).await;
    until("it is trimmed", async || {
        trim(&aged, all(last)).await;
        aged.state(shard(&aged)).await.unwrap().start == last.before()
    })
    .await;
    let mut reached = ahead(start, 1);
    let error = loop {
        match within("an entry", tail.next()).await {
            Ok(entry) => {
                assert_eq!(entry.position, ahead(reached, 1), "no hole");
                reached = entry.position;
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::Rejected(_)), "{error:?}");
    assert!(reached < last, "it read ahead all there was, so that this shows nothing");
}
