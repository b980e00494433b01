//! Deadlines: an answer in time, or the error that says that there was none.

use std::{future::Future, time::Duration};

/// Waits for `answer` for as long as `within`; after that the error is what `late` makes of "no
/// answer in time". As cancel safe as `answer` is.
///
/// # Errors
/// The answer's own, or `late`'s.
pub async fn in_time<T, E>(
    within: Duration,
    late: impl FnOnce(String) -> E,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(within, answer)
        .await
        .unwrap_or_else(|_| Err(late("no answer in time".to_owned())))
}
