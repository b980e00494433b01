//! Whether a connection leads to a leader: a server that has lost its cluster echoes and answers
//! nothing else.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// How long questions may fail, without one answer that a leader has backed, before the next server
/// is dialled. Any shard's leader counts, so an election, which is one leader's, does not come to
/// this while another shard is asked.
const LEADERLESS: Duration = Duration::from_secs(4);

/// What the last questions came to.
#[derive(Debug, Default)]
pub(super) struct Leadership {
    failing: Mutex<Failing>,
    lost: Notify,
}

#[derive(Debug, Default)]
struct Failing {
    /// Since when nothing but failures came.
    since: Option<Instant>,
    /// When the connection began. What was asked before it says nothing of it.
    began: Option<Instant>,
}

// === impl Leadership ===

impl Leadership {
    /// A leader has answered.
    pub(super) fn proven(&self) {
        self.failing().since = None;
    }

    /// A question for a leader, `asked` then, failed.
    pub(super) fn failed(&self, asked: Instant, now: Instant) {
        let mut failing = self.failing();
        let asked = failing.began.map_or(asked, |began| asked.max(began));
        if now.duration_since(*failing.since.get_or_insert(asked)) >= LEADERLESS {
            failing.since = None;
            self.lost.notify_one();
        }
    }

    fn failing(&self) -> MutexGuard<'_, Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection has failed at nothing yet.
    pub(super) async fn begin(&self, now: Instant) {
        *self.failing() = Failing { since: None, began: Some(now) };
        // What was said of the last connection is taken back.
        tokio::select! {
            biased;
            () = self.lost.notified() => {}
            () = std::future::ready(()) => {}
        }
    }

    /// Waits until questions have failed for too long. Cancel safe.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn failures_in_a_row_for_some_seconds_lose_it_and_one_answer_does_not() {
        let leadership = Leadership::default();
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        leadership.failed(at(0), at(2));
        leadership.failed(at(1), at(3));
        leadership.proven();
        leadership.failed(at(3), at(5));
        leadership.failed(at(5), at(6));
        assert!(leadership.lost().now_or_never().is_none());
        leadership.failed(at(6), at(7));
        assert!(leadership.lost().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_new_connection_begins_without_the_failures_of_the_last() {
        let leadership = Leadership::default();
        let start = Instant::now();
        leadership.failed(start, start + LEADERLESS);
        leadership.failed(start, start + LEADERLESS / 2);
        let begun = start + LEADERLESS;
        leadership.begin(begun).await;
        assert!(leadership.lost().now_or_never().is_none());
        // It was asked by the last connection.
        leadership.failed(start, begun);
        assert!(leadership.lost().now_or_never().is_none());
        leadership.failed(begun, begun + LEADERLESS / 2);
        assert!(leadership.lost().now_or_never().is_none());
        leadership.failed(begun, begun + LEADERLESS);
        assert!(leadership.lost().now_or_never().is_some());
    }
}
