//! Waiting in tests: for an answer, and for a condition, never for a time to pass.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// The longest any step of a test may take; longer than an election.
const DEADLINE: Duration = Duration::from_secs(60);

/// The answer; ends the test when there is none in time.
pub async fn within<T>(what: &str, answer: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, answer).await {
        Ok(answer) => answer,
        Err(_) => panic!("{what} took longer than {DEADLINE:?}"),
    }
}

/// Waits until a condition holds that is promised for some time and not at once; ends the test
/// when it does not.
pub async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    until_within(DEADLINE, what, holds).await;
}

/// The same, with a deadline of its own.
pub async fn until_within(limit: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
