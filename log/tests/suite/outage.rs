//! While nothing can be committed: told in time, nothing acknowledged is lost, and it goes on by
//! itself.

use std::time::{Duration, Instant};

use parlor_log::{LogError, Start};

use super::{
    Bounds, Harness,
    tools::{
        append, append_from_many, conversation, end, follow, id, in_order, record, tail, told,
        try_append, until,
    },
};

pub(crate) async fn an_append_is_unavailable_in_time_and_later_goes_on<H: Harness>() {
    let mut harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    let mut acknowledged = in_order(append_from_many(&log, 4, 10).await);

    harness.cut().await;
    let id = id();
    let asked = Instant::now();
    let failed = try_append(&log, &conversation(1), &id, record("during the outage")).await;
    assert!(matches!(failed, Err(LogError::Unavailable(_))), "{failed:?}");
    assert!(asked.elapsed() < Duration::from_secs(13), "{:?}", asked.elapsed());

    harness.mend().await;
    let log = harness.log();
    until("it takes appends again", async || {
        try_append(&log, &conversation(1), &id, record("during the outage")).await.is_ok()
    })
    .await;
    // The same id again tells where it is, whether it was the first attempt that was committed or a
    // later one.
    let position = try_append(&log, &conversation(1), &id, record("during the outage"))
        .await
        .unwrap()
        .position;
    acknowledged.push((position, record("during the outage")));
    acknowledged.push((append(&log, "after it").await, record("after it")));
    let seen = follow(&mut tail(&log, Start::After(start)).await, acknowledged.len()).await;
    assert_eq!(seen.iter().map(told).collect::<Vec<_>>(), acknowledged);
}
