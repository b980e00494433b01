//! Appending: one order, and each id once.

use bytes::Bytes;
use parlor_log::{LogError, NewEntry, Start};

use super::{
    Bounds, Harness,
    tools::{
        append, append_from_many, conversation, end, follow, id, in_order, record, tail, told,
        try_append, try_append_run,
    },
};

pub(crate) async fn positions_of_one_caller_rise<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let mut last = end(&log).await;
    for number in 0..20 {
        let position = append(&log, number).await;
        assert!(position > last, "{position} after {last}");
        assert_eq!(position.epoch(), last.epoch());
        last = position;
    }
}

pub(crate) async fn many_writers_get_one_order<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let told_by = append_from_many(&log, 8, 25).await;
    for told in &told_by {
        assert!(told.is_sorted(), "what waits for the one before lies after it");
    }
    let all = in_order(told_by);
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "no two have the same position");
    let start = all[0].0.epoch().start();
    let seen: Vec<_> = follow(&mut tail(&log, Start::After(start)).await, all.len())
        .await
        .iter()
        .map(told)
        .collect();
    assert_eq!(seen, all);
}

pub(crate) async fn the_same_id_again_changes_nothing<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let id = id();
    let first = try_append(&log, &conversation(1), &id, record("first")).await.unwrap();
    append(&log, "between").await;
    let again = try_append(&log, &conversation(1), &id, record("another text")).await.unwrap();
    assert_eq!((again.position, again.duplicate), (first.position, true));
    append(&log, "last").await;

    let start = first.position.epoch().start();
    let seen: Vec<_> = follow(&mut tail(&log, Start::After(start)).await, 3).await;
    let texts: Vec<_> = seen.iter().map(|entry| entry.record.clone()).collect();
    assert_eq!(texts, ["first", "between", "last"].map(Bytes::from));
}

pub(crate) async fn the_same_id_from_many_at_once_is_committed_once<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    for _ in 0..10 {
        let before = end(&log).await;
        let id = id();
        let attempts = (0..16).map(|number| {
            let (log, id) = (log.clone(), id);
            async move { try_append(&log, &conversation(1), &id, record(number)).await.unwrap() }
        });
        let told = futures_util::future::join_all(attempts).await;
        assert!(told.iter().all(|appended| appended.position == told[0].position), "{told:?}");
        assert!(told.iter().filter(|appended| !appended.duplicate).count() <= 1, "{told:?}");
        let (position, after) = (told[0].position, end(&log).await);
        assert!(position > before);
        assert_eq!(after, position, "one was committed, and nothing else");
    }
}

pub(crate) async fn what_will_never_be_taken_is_rejected<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let before = end(&log).await;
    let huge = Bytes::from(vec![b'x'; 9 << 20]);
    let refused = try_append(&log, &conversation(1), &id(), huge).await;
    assert!(matches!(refused, Err(LogError::Rejected(_))), "{refused:?}");
    assert_eq!(end(&log).await, before);
    append(&log, "and it goes on").await;
}

pub(crate) async fn a_run_keeps_its_order_and_ends_with_what_is_not_taken<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    let known = id();
    let new = |id, bytes: Bytes| NewEntry::new(conversation(1), id, bytes);
    let large = Bytes::from(vec![b'x'; 2 << 20]);
    let run = [
        new(id(), record("one")),
        new(known, record("two")),
        new(known, record("again")),
        new(id(), large),
        new(id(), record("never")),
    ];
    let outcomes = try_append_run(&log, &run).await;
    let [Ok(one), Ok(two), Ok(again), Err(LogError::Rejected(_))] = &outcomes[..] else {
        panic!("{outcomes:?}")
    };
    assert!(one.position < two.position && !two.duplicate, "{outcomes:?}");
    assert_eq!((again.position, again.duplicate), (two.position, true));
    let mut tail = tail(&log, Start::After(start)).await;
    let seen: Vec<_> = follow(&mut tail, 2).await.into_iter().map(|entry| entry.record).collect();
    assert_eq!(seen, ["one", "two"].map(Bytes::from));
    let last = append(&log, "last").await;
    assert_eq!(follow(&mut tail, 1).await[0].position, last, "nothing was between");
    assert!(try_append_run(&log, &[]).await.is_empty());
}
