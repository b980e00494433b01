//! Appends that expect where the last entry of their conversation is: one of several wins, and
//! nobody is refused for the sake of the own entry.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parlor_common::position::Position;
use parlor_log::{Appended, EventLog, Filter, LogError, NewEntry, PERSISTER, Trim};

use super::{
    Bounds, Harness,
    tools::{
        SECOND_GROUP, ahead, append, append_to, conversation, deliveries_of, end, id, record,
        shard, take, try_append, try_append_after, try_append_run, until, within,
    },
};

/// To [`conversation`] 1, under an id of its own.
async fn expecting(log: &Arc<dyn EventLog>, last: Position) -> Result<Appended, LogError> {
    try_append_after(log, &conversation(1), (&id(), last), record("expecting")).await
}

fn is_conflict(answer: &Result<Appended, LogError>) -> bool {
    matches!(answer, Err(LogError::Conflict(_)))
}

/// What [`conversation`] 1 has.
async fn records(log: &Arc<dyn EventLog>) -> Vec<Bytes> {
    let all = Filter::Conversation(conversation(1));
    let page = within("a page", log.read(&all, Position::ZERO, 1000)).await.unwrap();
    page.entries.into_iter().map(|entry| entry.record).collect()
}

pub(crate) async fn what_is_expected_rightly_is_appended<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let foreign = append_to(&log, 2, "another conversation's does not count").await;
    let mut last = Position::ZERO;
    for _ in 0..5 {
        let told = within("the last one", log.last(&conversation(1))).await;
        assert_eq!(told, Ok(last));
        let appended = expecting(&log, last).await.unwrap();
        assert!(!appended.duplicate && appended.position > last.max(foreign), "{appended:?}");
        last = appended.position;
        append_to(&log, 2, "between").await;
    }
    let any = append(&log, "whatever is there").await;
    assert!(expecting(&log, any).await.unwrap().position > any);
}

pub(crate) async fn what_is_expected_wrongly_is_a_conflict_and_appends_nothing<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let foreign = append_to(&log, 2, "foreign").await;
    for wrong in [foreign, ahead(foreign, 7), foreign.epoch().start(), Position::MAX] {
        let refused = expecting(&log, wrong).await;
        assert!(is_conflict(&refused), "{wrong}, where there is nothing: {refused:?}");
    }
    assert_eq!(end(&log).await, foreign);

    let first = append(&log, "first").await;
    let last = append(&log, "last").await;
    let next = last.epoch().next().unwrap();
    let of_next = Position::new(next, last.sequence()).unwrap();
    let wrong = [Position::ZERO, first, foreign, ahead(last, 1), last.epoch().start(), of_next];
    let refused_id = id();
    for wrong in wrong {
        let refused =
            try_append_after(&log, &conversation(1), (&refused_id, wrong), record("no")).await;
        assert!(is_conflict(&refused), "{wrong}, where {last} is the last: {refused:?}");
    }
    assert_eq!(end(&log).await, last);
    assert_eq!(records(&log).await, ["first", "last"].map(Bytes::from));

    let taken = try_append_after(&log, &conversation(1), (&refused_id, last), record("yes")).await;
    assert!(!taken.unwrap().duplicate, "a conflict leaves nothing of its id behind");
}

pub(crate) async fn of_many_who_expect_the_same_exactly_one_wins<H: Harness>() {
    const ROUNDS: usize = 50;
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let mut last = Position::ZERO;
    for round in 0..ROUNDS {
        let racing = (0..8).map(|_| {
            let log = log.clone();
            async move { expecting(&log, last).await }
        });
        let answers = futures_util::future::join_all(racing).await;
        let won: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        let [winner] = won[..] else { panic!("round {round}: {answers:?}") };
        assert_eq!(answers.iter().filter(|answer| is_conflict(answer)).count(), 7, "{answers:?}");
        last = winner.position;
    }
    assert_eq!(records(&log).await.len(), ROUNDS);
}

pub(crate) async fn who_repeats_an_append_finds_the_own_entry_and_no_conflict<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let before = append(&log, "before").await;
    let own = id();
    let again = async |expected: Position| {
        try_append_after(&log, &conversation(1), (&own, expected), record("own")).await
    };
    let won = again(before).await.unwrap();
    let same = Appended { duplicate: true, ..won };
    assert_eq!(again(before).await, Ok(same), "as the first time");
    let later = append(&log, "later").await;
    let last = append(&log, "last").await;
    let all =
        [before, Position::ZERO, won.position, later, last, ahead(last, 9), last.epoch().start()];
    for expected in all {
        assert_eq!(again(expected).await, Ok(same), "whatever is expected: {expected}");
    }
    let plain = try_append(&log, &conversation(1), &own, record("own")).await;
    assert_eq!(plain, Ok(same), "or nothing is");
    assert!(is_conflict(&expecting(&log, before).await), "the place is taken for all others");
    assert_eq!(end(&log).await, last);
}

pub(crate) async fn the_same_from_many_at_once_is_committed_once_and_no_conflict<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let mut last = Position::ZERO;
    for _ in 0..10 {
        let own = id();
        let attempts = (0..8).map(|number| {
            let (log, own) = (log.clone(), own);
            async move {
                let expecting = (&own, last);
                try_append_after(&log, &conversation(1), expecting, record(number)).await.unwrap()
            }
        });
        let told = futures_util::future::join_all(attempts).await;
        assert!(told.iter().all(|appended| appended.position == told[0].position), "{told:?}");
        assert!(told.iter().filter(|appended| !appended.duplicate).count() <= 1, "{told:?}");
        last = told[0].position;
        assert_eq!(end(&log).await, last, "one was committed, and nothing else");
    }
}

pub(crate) async fn a_run_sees_its_earlier_entries_and_ends_with_a_conflict<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let before = append(&log, "before").await;
    let new = |text: &str, expected: Option<Position>| NewEntry {
        expected,
        ..NewEntry::new(conversation(1), id(), record(text))
    };
    let run = [
        new("one", Some(before)),
        new("two", None),
        new("expects what was before the run", Some(before)),
        new("never", None),
    ];
    let outcomes = try_append_run(&log, &run).await;
    let [Ok(one), Ok(two), conflict] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert!(one.position < two.position && is_conflict(conflict), "{outcomes:?}");
    assert_eq!(records(&log).await, ["before", "one", "two"].map(Bytes::from));
    assert!(expecting(&log, two.position).await.is_ok());
}

pub(crate) async fn once_the_last_entry_has_gone_nothing_is_expected<H: Harness>() {
    let mut harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let gone = append(&log, "goes").await;
    let stays = append_to(&log, 2, "the last of the log stays").await;
    for group in [PERSISTER, SECOND_GROUP] {
        let mut reader = deliveries_of(&log, group).await;
        let taken = take(&mut reader, 2).await;
        within("acks", reader.ack(&taken)).await.unwrap();
    }
    assert!(is_conflict(&expecting(&log, Position::ZERO).await), "it is there still");
    harness.age().await;
    let log = harness.log();
    until("it is trimmed", async || {
        let all = Trim { through: stays, down_to: 0, keep: Duration::ZERO };
        within("a trim", log.trim(shard(&log), all)).await.unwrap();
        within("a state", log.state(shard(&log))).await.unwrap().start >= gone
    })
    .await;
    assert!(is_conflict(&expecting(&log, gone).await), "what has gone is not the last");
    assert_eq!(within("the last one", log.last(&conversation(1))).await, Ok(Position::ZERO));
    let first = expecting(&log, Position::ZERO).await.unwrap();
    assert!(first.position > stays && !first.duplicate);
    assert!(is_conflict(&expecting(&log, Position::ZERO).await));
}
