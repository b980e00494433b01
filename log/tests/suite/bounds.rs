//! The log's bound: at it nothing is committed and nothing is thrown away.

use parlor_log::{Filter, LogError};

use super::{
    Bounds, Harness,
    tools::{append, conversation, end, id, persist, record, tenant, try_append, within},
};

pub(crate) async fn at_the_bound_it_is_full_until_there_is_room<H: Harness>() {
    const RECORD: usize = 16 << 10;
    let mut harness = H::fresh(Bounds { max_bytes: 1 << 20, ..Bounds::default() }).await;
    let log = harness.log();
    let start = end(&log).await;
    let text = "x".repeat(RECORD);
    let mut appended = Vec::new();
    let (refused_id, error) = loop {
        assert!(appended.len() * RECORD <= 2 << 20, "a bound of 1 MiB has let twice as much in");
        let id = id();
        match try_append(&log, &conversation(1), &id, record(&text)).await {
            Ok(done) => appended.push((id, done.position)),
            Err(error) => break (id, error),
        }
    };
    assert!(matches!(error, LogError::Full(_)), "{error:?}");
    assert!(appended.len() > 16, "{} entries fill it", appended.len());

    let (first_id, first) = appended[0];
    let last = appended.last().unwrap().1;
    assert_eq!(end(&log).await, last, "nothing was committed");
    let page = within("a page", log.read(&Filter::Tenant(tenant()), start, 1000)).await.unwrap();
    assert_eq!(page.entries.len(), appended.len(), "nothing was thrown away");
    let again = try_append(&log, &conversation(1), &first_id, record(&text)).await;
    // A log may know a repeat while it is full, or say that it is full.
    assert!(
        again.is_ok_and(|again| again.duplicate && again.position == first)
            || end(&log).await == last
    );

    persist(&log, appended.len()).await;
    harness.forget().await;
    let log = harness.log();
    let after = try_append(&log, &conversation(1), &refused_id, record(&text)).await.unwrap();
    assert!(after.position > last);
    assert!(!after.duplicate, "the refused append had not been committed");
    append(&log, "and more").await;
}
