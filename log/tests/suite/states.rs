//! How things stand: start, end, what is persisted, and the log's time.

use super::{
    Bounds, Harness,
    tools::{append, deliveries, persist, persisted, shard, take, until, within},
};

pub(crate) async fn an_empty_log_stands_at_its_epochs_start<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let state = within("a state", log.state(shard(&log))).await.unwrap();
    assert!(state.end.epoch().number() >= 1);
    let start = state.end.epoch().start();
    assert_eq!((state.start, state.end, state.persisted), (start, start, start));
    assert_eq!(state.oldest_unpersisted, None);
}

pub(crate) async fn a_state_tells_what_was_appended_and_persisted<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let empty = log.state(shard(&log)).await.unwrap();
    for number in 0..3 {
        append(&log, number).await;
    }
    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 3).await;
    let state = log.state(shard(&log)).await.unwrap();
    assert_eq!((state.start, state.end), (empty.start, taken[2].entry.position));
    assert_eq!(state.persisted, empty.start);
    assert_eq!(state.oldest_unpersisted, Some(taken[0].entry.stored_at));
    assert!(state.time >= taken[2].entry.stored_at);

    reader.ack(&taken[..2]).await.unwrap();
    until("two are persisted", async || persisted(&log).await == taken[1].entry.position).await;
    let state = log.state(shard(&log)).await.unwrap();
    assert_eq!(state.oldest_unpersisted, Some(taken[2].entry.stored_at));

    reader.ack(&taken[2..]).await.unwrap();
    until("all is persisted", async || persisted(&log).await == state.end).await;
    assert_eq!(log.state(shard(&log)).await.unwrap().oldest_unpersisted, None);
}

pub(crate) async fn what_is_forgotten_moves_the_start<H: Harness>() {
    let mut harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let mut last = append(&log, "first").await;
    for number in 0..9 {
        last = append(&log, number).await;
    }
    persist(&log, 10).await;
    harness.forget().await;
    let log = harness.log();
    let state = log.state(shard(&log)).await.unwrap();
    assert_eq!((state.end, state.persisted), (last, last), "the end is never given again");
    assert!(state.start == last || state.start == last.before());
    assert!(append(&log, "next").await > last);
}
