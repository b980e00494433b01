//! Equal reads in flight are one query, and none of them sees an older state than it would have
//! seen alone.
//!
//! A reader may join a query only if that has not begun: one that began before the reader came may
//! have missed what was kept in between, and a reader that has just learnt how far the store has
//! got relies on finding all of it. So for each key at most one query runs and one waits for it,
//! which all that come meanwhile share.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};

use crate::Metrics;

type Answer<V> = Shared<BoxFuture<'static, V>>;

/// The reads in flight. Holds an entry for a key only while somebody waits for it.
pub(crate) struct Flights<K, V> {
    last: Mutex<HashMap<K, Flight<V>>>,
    metrics: Metrics,
}

/// The last query of a key that was asked for.
struct Flight<V> {
    answer: WeakShared<BoxFuture<'static, V>>,
    begun: Arc<AtomicBool>,
}

/// A caller's share in a query. The last one that is dropped ends the query and takes the entry
/// away.
struct Seat<'a, K: Clone + Eq + Hash, V: Clone> {
    flights: &'a Flights<K, V>,
    key: K,
    answer: Option<Answer<V>>,
}

// === impl Flights ===

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { last: Mutex::default(), metrics }
    }

    /// The answer of a query for `key` that begins after this call.
    ///
    /// # Cancel safety
    /// Cancel safe: the others that share the query go on with it.
    pub(crate) async fn read<F>(&self, key: K, query: impl FnOnce() -> F + Send + 'static) -> V
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut seat = self.seat(key, query);
        let answer = seat.answer.as_mut().expect("a seat has its answer until it is dropped");
        answer.await
    }

    fn seat<F>(&self, key: K, query: impl FnOnce() -> F + Send + 'static) -> Seat<'_, K, V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut last = self.lock();
        let running = last
            .get(&key)
            .and_then(|flight| Some((flight.answer.upgrade()?, flight.begun.clone())));
        let (previous, joinable) = match running {
            Some((answer, begun)) if begun.load(Ordering::SeqCst) => (Some(answer), None),
            Some((answer, _)) => (None, Some(answer)),
            None => (None, None),
        };
        if let Some(answer) = joinable {
            self.metrics.joined_reads.inc();
            return Seat { flights: self, key, answer: Some(answer) };
        }
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let answer = async move {
            if let Some(previous) = previous {
                previous.await;
            }
            begins.store(true, Ordering::SeqCst);
            query().await
        };
        let answer = answer.boxed().shared();
        if let Some(weak) = answer.downgrade() {
            last.insert(key.clone(), Flight { answer: weak, begun });
        }
        Seat { flights: self, key, answer: Some(answer) }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }
}

impl<K, V> Flights<K, V> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Flight<V>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("len", &self.lock().len()).finish_non_exhaustive()
    }
}

// === impl Seat ===

impl<K: Clone + Eq + Hash, V: Clone> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        self.answer = None;
        let mut last = self.flights.lock();
        if last.get(&self.key).is_some_and(|flight| flight.answer.upgrade().is_none()) {
            last.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::Notify;

    use super::*;

    /// Reads a number that rises, with queries that end when they are let.
    struct Reads {
        flights: Flights<&'static str, usize>,
        queries: Arc<AtomicUsize>,
        state: Arc<AtomicUsize>,
        end: Arc<Notify>,
    }

    impl Reads {
        fn new() -> Self {
            let metrics = Metrics::unregistered();
            Self {
                flights: Flights::new(metrics),
                queries: Arc::default(),
                state: Arc::default(),
                end: Arc::default(),
            }
        }

        async fn read(&self, key: &'static str) -> usize {
            let (queries, state, end) =
                (self.queries.clone(), self.state.clone(), self.end.clone());
            let query = move || async move {
                queries.fetch_add(1, Ordering::SeqCst);
                let seen = state.load(Ordering::SeqCst);
                end.notified().await;
                seen
            };
            self.flights.read(key, query).await
        }
    }

    #[tokio::test]
    async fn a_reader_never_gets_the_answer_of_a_query_that_began_before_it_came() {
        let reads = Reads::new();
        let mut first = std::pin::pin!(reads.read("a"));
        assert_eq!(futures_util::poll!(&mut first), std::task::Poll::Pending);
        reads.state.store(1, Ordering::SeqCst);
        let mut second = std::pin::pin!(reads.read("a"));
        assert_eq!(futures_util::poll!(&mut second), std::task::Poll::Pending);
        reads.end.notify_one();
        assert_eq!(first.await, 0);
        reads.end.notify_one();
        assert_eq!(second.await, 1);
    }

    #[tokio::test]
    async fn readers_that_come_while_a_query_runs_share_the_next_one() {
        let reads = Reads::new();
        let all = futures_util::future::join_all((0..100).map(|_| reads.read("a")));
        let other = reads.read("b");
        let end = async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
                reads.end.notify_waiters();
            }
        };
        tokio::join!(all, other, end);
        assert_eq!(
            reads.queries.load(Ordering::SeqCst),
            3,
            "two for the hundred, one for the other key"
        );
        assert_eq!(reads.flights.len(), 0);
    }

    #[tokio::test]
    async fn readers_that_give_up_leave_nothing_behind_and_hinder_nobody() {
        let reads = Reads::new();
        {
            let mut first = std::pin::pin!(reads.read("a"));
            let mut second = Box::pin(reads.read("a"));
            assert_eq!(futures_util::poll!(&mut first), std::task::Poll::Pending);
            assert_eq!(futures_util::poll!(&mut second), std::task::Poll::Pending);
        }
        assert_eq!(reads.flights.len(), 0);
        let mut leader = Box::pin(reads.read("a"));
        assert_eq!(futures_util::poll!(&mut leader), std::task::Poll::Pending);
        let mut waiting = std::pin::pin!(reads.read("a"));
        assert_eq!(futures_util::poll!(&mut waiting), std::task::Poll::Pending);
        drop(leader);
        for _ in 0..2 {
            reads.end.notify_one();
            if let std::task::Poll::Ready(answer) = futures_util::poll!(&mut waiting) {
                assert_eq!(answer, 0);
                return;
            }
        }
        panic!("the reader whose leader gave up got no answer");
    }
}
