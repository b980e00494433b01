//! Turns: many who ask the same at once are answered by one read.
//!
//! Whoever asks is answered by a read that **begins after** it has asked: its own, or another's.
//! So nobody is told less than was there when it asked, and a thousand who ask at once cost two
//! reads: the one that was on its way, and the one that answers all the others.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The reads of a kind that are on their way, by what is asked for. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Turns<K, V>(Arc<Mutex<HashMap<K, Arc<Lane<V>>>>>);

/// The reads of one thing, one after the other.
#[derive(Debug)]
struct Lane<V> {
    turn: tokio::sync::Mutex<()>,
    reads: Mutex<Reads<V>>,
}

#[derive(Debug)]
struct Reads<V> {
    /// Who waits for one. It is changed while the table of lanes is locked.
    users: usize,
    begun: u64,
    /// The number of the last read that came to its end, and what it came to.
    last: Option<(u64, V)>,
}

/// Keeps a lane until the last who needs it has gone.
struct InLane<'a, K: Eq + Hash, V> {
    turns: &'a Turns<K, V>,
    key: K,
    lane: Arc<Lane<V>>,
}

// === impl Turns ===

impl<K: Clone + Eq + Hash, V: Clone> Turns<K, V> {
    /// What `read` comes to, or a read of another who asks the same that began after this call;
    /// tells also whether it was another's. Not more than one of a key is on its way at a time.
    pub(crate) async fn take(&self, key: K, read: impl Future<Output = V>) -> (V, bool) {
        let lane = self.lane(&key);
        let within = InLane { turns: self, key, lane };
        let asked = within.lane.reads().begun;
        // The one before may be dropped in mid-read: then the turn is the next one's.
        let _turn = within.lane.turn.lock().await;
        let number = {
            let mut reads = within.lane.reads();
            if let Some((number, value)) = &reads.last
                && *number > asked
            {
                return (value.clone(), true);
            }
            reads.begun += 1;
            reads.begun
        };
        let value = read.await;
        within.lane.reads().last = Some((number, value.clone()));
        (value, false)
    }

    fn lane(&self, key: &K) -> Arc<Lane<V>> {
        let mut lanes = self.lock();
        let lane = lanes.entry(key.clone()).or_default().clone();
        lane.reads().users += 1;
        lane
    }
}

impl<K, V> Turns<K, V> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Lane<V>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Clone for Turns<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Default for Turns<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

// === impl Lane ===

impl<V> Lane<V> {
    fn reads(&self) -> MutexGuard<'_, Reads<V>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Default for Lane<V> {
    fn default() -> Self {
        let reads = Mutex::new(Reads { users: 0, begun: 0, last: None });
        Self { turn: tokio::sync::Mutex::default(), reads }
    }
}

// === impl InLane ===

impl<K: Eq + Hash, V> Drop for InLane<'_, K, V> {
    fn drop(&mut self) {
        let mut lanes = self.turns.lock();
        let mut reads = self.lane.reads();
        reads.users -= 1;
        if reads.users == 0 {
            lanes.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::{sync::Notify, task::yield_now};

    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_cost_two_reads_and_nothing_is_kept() {
        let (turns, reads, go) = (Turns::default(), AtomicU64::new(0), Notify::new());
        let ask = || {
            turns.take("key", async {
                let number = reads.fetch_add(1, Ordering::Relaxed) + 1;
                if number == 1 {
                    go.notified().await;
                }
                number
            })
        };
        let others = async {
            yield_now().await;
            go.notify_one();
        };
        let asked = (0..100).map(|_| ask());
        let (answers, ()) = tokio::join!(join_all(asked), others);
        let own: Vec<_> = answers.iter().filter(|(_, shared)| !shared).collect();
        assert_eq!((reads.load(Ordering::Relaxed), own.len()), (2, 2));
        assert!(answers[1..].iter().all(|(number, _)| *number == 2), "{answers:?}");
        assert!(turns.lock().is_empty());
    }

    #[tokio::test]
    async fn who_asks_after_a_read_has_begun_is_not_answered_by_it() {
        let turns = Turns::default();
        // The value that is read is what is there when the read begins.
        let there = AtomicU64::new(1);
        let go = Notify::new();
        let early = turns.take((), async {
            let seen = there.load(Ordering::Relaxed);
            go.notified().await;
            seen
        });
        let late = async {
            yield_now().await;
            there.store(2, Ordering::Relaxed);
            let asking = turns.take((), async { there.load(Ordering::Relaxed) });
            tokio::join!(asking, async { go.notify_one() }).0
        };
        let (early, late) = tokio::join!(early, late);
        assert_eq!((early.0, late.0), (1, 2));
    }

    #[tokio::test]
    async fn where_the_one_who_reads_has_gone_the_next_one_reads() {
        let turns = Turns::default();
        let mut gone = Box::pin(turns.take((), std::future::pending()));
        tokio::select! {
            biased;
            _ = &mut gone => unreachable!("it never ends"),
            () = yield_now() => {}
        }
        let next = turns.take((), async { 7 });
        let (next, ()) = tokio::join!(next, async { drop(gone) });
        assert_eq!(next, (7, false));
        assert!(turns.lock().is_empty());
    }

    async fn join_all<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
        let mut all: Vec<_> = all.map(Box::pin).collect();
        let mut answers: Vec<Option<F::Output>> = all.iter().map(|_| None).collect();
        std::future::poll_fn(|cx| {
            for (future, answer) in all.iter_mut().zip(&mut answers) {
                if answer.is_none()
                    && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
                {
                    *answer = Some(value);
                }
            }
            if answers.iter().all(Option::is_some) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        answers.into_iter().map(Option::unwrap).collect()
    }
}
