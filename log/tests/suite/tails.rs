//! Live reading: in order, without holes or repeats, from wherever it starts.

use std::{sync::Arc, time::Duration};

use parlor_common::position::Position;
use parlor_log::{EventLog, LogError, Start};
use tokio::time::Instant;

use super::{
    Bounds, Harness,
    tools::{
        ahead, append, append_from_many, end, follow, in_order, persist, positions, shard, tail,
        told, within,
    },
};

pub(crate) async fn from_the_start_everything_comes_in_order<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    let mut appended = Vec::new();
    for number in 0..30 {
        appended.push(append(&log, number).await);
    }
    let mut all = tail(&log, Start::After(start)).await;
    assert_eq!(all.after(), start);
    assert_eq!(positions(&follow(&mut all, 30).await), appended);

    let mut later = tail(&log, Start::After(appended[9])).await;
    assert_eq!(later.after(), appended[9]);
    assert_eq!(positions(&follow(&mut later, 20).await), appended[10..]);
}

pub(crate) async fn from_the_end_only_what_is_new_comes<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let mut first = tail(&log, Start::End).await;
    let old = append(&log, "old").await;
    let mut second = tail(&log, Start::End).await;
    assert_eq!(second.after(), old);
    let new = append(&log, "new").await;
    assert_eq!(positions(&follow(&mut first, 2).await), [old, new]);
    assert_eq!(positions(&follow(&mut second, 1).await), [new]);
}

pub(crate) async fn nothing_is_missing_or_repeated_while_many_write<H: Harness>() {
    const WRITERS: u8 = 8;
    const EACH: usize = 50;
    const ALL: usize = WRITERS as usize * EACH;
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    let (appended, held, reattached) = tokio::join!(
        append_from_many(&log, WRITERS, EACH),
        async { follow(&mut tail(&log, Start::After(start)).await, ALL).await },
        reattaching(&log, start, ALL),
    );
    let appended = in_order(appended);
    assert_eq!(held.iter().map(told).collect::<Vec<_>>(), appended);
    assert_eq!(reattached, appended.iter().map(|(position, _)| *position).collect::<Vec<_>>());
}

/// Follows with a new tail after every few entries.
async fn reattaching(log: &Arc<dyn EventLog>, start: Position, count: usize) -> Vec<Position> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let after = seen.last().copied().unwrap_or(start);
        let mut tail = tail(log, Start::After(after)).await;
        let some = (count - seen.len()).min(17);
        seen.extend(positions(&follow(&mut tail, some).await));
    }
    seen
}

pub(crate) async fn a_tail_dropped_in_mid_wait_loses_nothing<H: Harness>() {
    const ALL: usize = 40;
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let mut tail = tail(&log, Start::End).await;
    let impatient = async {
        let mut seen = Vec::new();
        while seen.len() < ALL {
            // The future of `next` is dropped again and again, in whatever state it is.
            if let Ok(entry) = tokio::time::timeout(Duration::from_micros(200), tail.next()).await {
                seen.push(entry.unwrap().position);
            }
        }
        seen
    };
    let (appended, seen) =
        tokio::join!(append_from_many(&log, 4, ALL / 4), within("the tail", impatient));
    let appended: Vec<_> = in_order(appended).into_iter().map(|(position, _)| position).collect();
    assert_eq!(seen, appended);
}

pub(crate) async fn a_tail_is_proven_once_it_has_brought_everything_and_not_before<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    append(&log, "one").await;
    let last = append(&log, "two").await;
    let appended = Instant::now();
    let mut tail = tail(&log, Start::After(start)).await;
    follow(&mut tail, 1).await;
    assert!(tail.proven() < Some(appended), "the second has not come");
    assert_eq!(positions(&follow(&mut tail, 1).await), [last]);
    let proven = async {
        while tail.proven() < Some(appended) {
            // It proves itself while it is asked for more, and nothing more comes.
            drop(tokio::time::timeout(Duration::from_millis(100), tail.next()).await);
        }
    };
    within("a proof", proven).await;
    // The proof moves on although nothing is said.
    let later = Instant::now();
    let proven = async {
        while tail.proven() < Some(later) {
            drop(tokio::time::timeout(Duration::from_millis(100), tail.next()).await);
        }
    };
    within("another proof", proven).await;
}

pub(crate) async fn several_tails_see_the_same<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let mut tails = Vec::new();
    for _ in 0..5 {
        tails.push(tail(&log, Start::End).await);
    }
    let appended = in_order(append_from_many(&log, 4, 10).await);
    for tail in &mut tails {
        let seen: Vec<_> = follow(tail, appended.len()).await.iter().map(told).collect();
        assert_eq!(seen, appended);
    }
}

pub(crate) async fn where_a_start_cannot_be_kept_without_a_hole_it_is_rejected<H: Harness>() {
    let mut harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let first = append(&log, "first").await;
    for number in 0..4 {
        append(&log, number).await;
    }
    persist(&log, 5).await;
    harness.forget().await;
    let log = harness.log();
    let last = append(&log, "last").await;
    let other_epoch = first.epoch().next().unwrap().start();
    for start in [first, Position::ZERO, ahead(last, 1), other_epoch] {
        let refused = within("a tail", log.tail(shard(&log), Start::After(start))).await;
        assert!(matches!(refused.err(), Some(LogError::Rejected(_))), "after {start}");
    }
    assert_eq!(tail(&log, Start::After(last)).await.after(), last);
}
