//! Acknowledged reading: each entry until somebody has acknowledged that one.

use std::time::{Duration, Instant};

use parlor_log::{BatchLimit, LogError};

use super::{
    Bounds, Harness,
    tools::{
        ANY, LINGER, SECOND_GROUP, append, append_from_many, deliveries, deliveries_of, end,
        in_order, persisted, shard, take, take_all, told, until, within,
    },
};

/// Bounds under which an unacknowledged delivery comes again soon.
fn impatient() -> Bounds {
    Bounds { ack_wait: Duration::from_secs(1), ..Bounds::default() }
}

pub(crate) async fn each_entry_is_delivered_and_acknowledged_by_itself<H: Harness>() {
    let harness = H::fresh(impatient()).await;
    let log = harness.log();
    let appended = in_order(append_from_many(&log, 4, 25).await);
    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, appended.len()).await;
    assert_eq!(taken.iter().map(|delivery| told(&delivery.entry)).collect::<Vec<_>>(), appended);
    assert!(taken.iter().all(|delivery| delivery.attempt == 1));
    reader.ack(&taken).await.unwrap();
    let last = appended.last().unwrap().0;
    until("all is persisted", async || persisted(&log).await == last).await;

    // A delivery that waits is woken by an append.
    let (taken, position) = tokio::join!(take(&mut reader, 1), append(&log, "one more"));
    assert_eq!(taken[0].entry.position, position);
    reader.ack(&taken).await.unwrap();
    assert!(take_all(&mut reader).await.is_empty(), "what was acknowledged does not come again");
}

pub(crate) async fn what_is_not_acknowledged_comes_again_to_another_reader<H: Harness>() {
    let harness = H::fresh(impatient()).await;
    let log = harness.log();
    let mut appended = Vec::new();
    for number in 0..5 {
        appended.push(append(&log, number).await);
    }
    let mut first = deliveries(&log).await;
    let taken = take(&mut first, 5).await;
    first.ack(&taken[1..3]).await.unwrap();
    drop(first);

    let mut second = deliveries(&log).await;
    let again = take(&mut second, 3).await;
    let positions: Vec<_> = again.iter().map(|delivery| delivery.entry.position).collect();
    assert_eq!(positions, [appended[0], appended[3], appended[4]]);
    assert!(again.iter().all(|delivery| delivery.attempt == 2), "{again:?}");
    second.ack(&again).await.unwrap();
    until("all is persisted", async || persisted(&log).await == appended[4]).await;
}

pub(crate) async fn progress_keeps_a_delivery_from_coming_again<H: Harness>() {
    let harness = H::fresh(impatient()).await;
    let log = harness.log();
    append(&log, "slow to store").await;
    let mut slow = deliveries(&log).await;
    let taken = take(&mut slow, 1).await;
    let mut other = deliveries(&log).await;
    // Three waits long the store does not answer, and the slow reader says so; the other one gets
    // nothing meanwhile.
    let began = Instant::now();
    while began.elapsed() < 3 * impatient().ack_wait {
        slow.progress(&taken).await.unwrap();
        let idle = tokio::time::timeout(impatient().ack_wait / 4, other.next(ANY, LINGER)).await;
        assert!(idle.is_err() || idle.unwrap().unwrap().is_empty());
    }
    // It says nothing more: now it comes.
    assert_eq!(take(&mut other, 1).await[0].entry, taken[0].entry);
}

pub(crate) async fn two_readers_share_the_work<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let (mut first, mut second) = (deliveries(&log).await, deliveries(&log).await);
    let appended = in_order(append_from_many(&log, 4, 25).await);
    let few = BatchLimit { count: 10, ..ANY };
    let mut seen = Vec::new();
    while seen.len() < appended.len() {
        for reader in [&mut first, &mut second] {
            if seen.len() < appended.len() {
                let taken = within("a batch", reader.next(few, LINGER)).await.unwrap();
                assert!(!taken.is_empty(), "the other reader holds at most its share");
                reader.ack(&taken).await.unwrap();
                seen.extend(taken.iter().map(|delivery| told(&delivery.entry)));
            }
        }
    }
    seen.sort();
    assert_eq!(seen, appended, "each came once");
}

pub(crate) async fn a_batch_is_bounded<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    for _ in 0..12 {
        append(&log, "x".repeat(1000)).await;
    }
    append(&log, "y".repeat(5000)).await;
    let mut reader = deliveries(&log).await;
    let by_count = within("a batch", reader.next(BatchLimit { count: 5, bytes: 1 << 20 }, LINGER))
        .await
        .unwrap();
    assert!((1..=5).contains(&by_count.len()), "{}", by_count.len());
    let mut left = 13 - by_count.len();
    while left > 0 {
        let by_bytes =
            within("a batch", reader.next(BatchLimit { count: 100, bytes: 2500 }, LINGER))
                .await
                .unwrap();
        let bytes: usize = by_bytes.iter().map(|delivery| delivery.entry.record.len()).sum();
        assert!(bytes <= 2500 || by_bytes.len() == 1, "{bytes} bytes in {}", by_bytes.len());
        left -= by_bytes.len();
    }
}

pub(crate) async fn the_persisted_position_waits_for_what_is_before<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    for number in 0..6 {
        append(&log, number).await;
    }
    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 6).await;
    let at = |index: usize| taken[index].entry.position;
    reader.ack(&taken[1..3]).await.unwrap();
    reader.ack(&taken[5..]).await.unwrap();
    assert_eq!(persisted(&log).await, start, "the first is not stored");
    reader.ack(&taken[..1]).await.unwrap();
    until("the first three are persisted", async || persisted(&log).await == at(2)).await;
    reader.ack(&taken[4..5]).await.unwrap();
    assert_eq!(persisted(&log).await, at(2), "the fourth is not stored");
    reader.ack(&taken[3..4]).await.unwrap();
    until("all are persisted", async || persisted(&log).await == at(5)).await;
}

pub(crate) async fn a_dead_letter_does_not_come_again<H: Harness>() {
    let harness = H::fresh(impatient()).await;
    let log = harness.log();
    for number in 0..3 {
        append(&log, number).await;
    }
    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 3).await;
    reader.dead_letter(&taken[1], "it is no record").await.unwrap();
    reader.ack(&taken[..1]).await.unwrap();
    reader.ack(&taken[2..]).await.unwrap();
    until("all is persisted", async || persisted(&log).await == taken[2].entry.position).await;
    assert!(take_all(&mut reader).await.is_empty());
}

pub(crate) async fn each_group_has_its_own_progress<H: Harness>() {
    let harness = H::fresh(impatient()).await;
    let log = harness.log();
    let start = end(&log).await;
    for number in 0..4 {
        append(&log, number).await;
    }
    let mut second = deliveries_of(&log, SECOND_GROUP).await;
    let of_second = take(&mut second, 4).await;
    second.ack(&of_second[..3]).await.unwrap();
    assert_eq!(persisted(&log).await, start, "the second group's acknowledgements are its own");

    let mut persister = deliveries(&log).await;
    let of_persister = take(&mut persister, 4).await;
    assert!(of_persister.iter().all(|delivery| delivery.attempt == 1));
    persister.ack(&of_persister).await.unwrap();
    let last = of_persister[3].entry.position;
    until("all is persisted", async || persisted(&log).await == last).await;
    assert!(take_all(&mut persister).await.is_empty());

    // What the second group holds comes again to the second group alone.
    let again = take(&mut second, 1).await;
    assert_eq!((again[0].entry.position, again[0].attempt), (last, 2));
    second.dead_letter(&again[0], "the second group can never keep it").await.unwrap();
    assert!(take_all(&mut second).await.is_empty());
}

pub(crate) async fn a_group_that_was_not_provisioned_is_rejected<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let refused = within("deliveries", log.deliveries(shard(&log), "nobody")).await;
    assert!(matches!(refused.err(), Some(LogError::Rejected(_))));
}
