//! After the log's process was ended: everything acknowledged is there, and nothing starts again.

use parlor_log::{Filter, Start};

use super::{
    Bounds, Harness,
    tools::{
        append, append_from_many, append_to, conversation, deliveries, end, follow, id, in_order,
        persisted, record, tail, take, told, try_append, until, within,
    },
};

pub(crate) async fn what_was_acknowledged_is_there_in_order<H: Harness>() {
    let mut harness = H::fresh(Bounds::default()).await;
    let start = end(&harness.log()).await;
    let mut appended = in_order(append_from_many(&harness.log(), 4, 50).await);
    harness.reopen().await;
    let log = harness.log();
    assert_eq!(end(&log).await, appended.last().unwrap().0);
    appended.extend(in_order(append_from_many(&log, 2, 5).await));
    let seen = follow(&mut tail(&log, Start::After(start)).await, appended.len()).await;
    assert_eq!(seen.iter().map(told).collect::<Vec<_>>(), appended);
    let page = within("a page", log.read(&Filter::Conversation(conversation(3)), start, 1000))
        .await
        .unwrap();
    assert_eq!(page.entries.len(), 50);
}

pub(crate) async fn the_same_id_after_it_is_a_duplicate<H: Harness>() {
    let mut harness = H::fresh(Bounds::default()).await;
    let id = id();
    let first = try_append(&harness.log(), &conversation(1), &id, record("text")).await.unwrap();
    harness.reopen().await;
    let again = try_append(&harness.log(), &conversation(1), &id, record("text")).await.unwrap();
    assert_eq!((again.position, again.duplicate), (first.position, true));
}

pub(crate) async fn positions_go_on_rising<H: Harness>() {
    let mut harness = H::fresh(Bounds::default()).await;
    let mut last = append(&harness.log(), "first").await;
    for number in 0..3 {
        harness.reopen().await;
        assert_eq!(end(&harness.log()).await, last);
        let position = append_to(&harness.log(), 2, number).await;
        assert!(position > last && position.epoch() == last.epoch(), "{position} after {last}");
        last = position;
    }
}

pub(crate) async fn the_groups_progress_is_kept_and_the_rest_comes_again<H: Harness>() {
    let bounds = Bounds { ack_wait: std::time::Duration::from_secs(1), ..Bounds::default() };
    let mut harness = H::fresh(bounds).await;
    let log = harness.log();
    for number in 0..6 {
        append(&log, number).await;
    }
    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 6).await;
    let at = |index: usize| taken[index].entry.position;
    reader.ack(&taken[..2]).await.unwrap();
    reader.ack(&taken[3..4]).await.unwrap();
    until("two are persisted", async || persisted(&log).await == at(1)).await;
    drop((reader, log));

    harness.reopen().await;
    let log = harness.log();
    assert_eq!(persisted(&log).await, at(1));
    let mut reader = deliveries(&log).await;
    let again = take(&mut reader, 3).await;
    let positions: Vec<_> = again.iter().map(|delivery| delivery.entry.position).collect();
    assert_eq!(positions, [at(2), at(4), at(5)]);
    reader.ack(&again).await.unwrap();
    until("all is persisted", async || persisted(&log).await == at(5)).await;
}
