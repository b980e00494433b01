//! What a stream has acknowledged, as far as it tells something about the publishes that still
//! wait: after an election those that were sent into it wait in vain.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::watch;

/// The acknowledgements of each stream. It holds one entry for each stream that was published to.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// When the latest of the publishes that were acknowledged had been sent.
    latest: Mutex<HashMap<String, watch::Sender<Option<Instant>>>>,
    /// The streams into which somebody publishes again and again.
    scouted: Mutex<HashSet<String>>,
}

/// The one publish that is repeated fast while its stream answers nobody. It stops being that when
/// it is dropped.
#[derive(Debug)]
pub(super) struct Scout<'a> {
    acks: &'a Acks,
    stream: &'a str,
}

// === impl Acks ===

impl Acks {
    /// A publish that was `sent` then has been acknowledged.
    pub(super) fn acknowledged(&self, stream: &str, sent: Instant) {
        self.of(stream).send_if_modified(|latest| {
            let later = *latest < Some(sent);
            if later {
                *latest = Some(sent);
            }
            later
        });
    }

    /// Waits until a publish is acknowledged that was sent after this moment: a stream answers in
    /// the order in which one connection sends, so that the answers to earlier ones are lost.
    /// Cancel safe.
    pub(super) async fn later_than(&self, stream: &str, sent: Instant) {
        let mut latest = self.of(stream).subscribe();
        if latest.wait_for(|latest| *latest > Some(sent)).await.is_err() {
            // The sender lives as long as `self`.
            std::future::pending().await
        }
    }

    /// Makes the caller the stream's scout, unless there is one.
    pub(super) fn scout<'a>(&'a self, stream: &'a str) -> Option<Scout<'a>> {
        let new = lock(&self.scouted).insert(stream.to_owned());
        new.then_some(Scout { acks: self, stream })
    }

    fn of(&self, stream: &str) -> watch::Sender<Option<Instant>> {
        let mut latest = lock(&self.latest);
        if let Some(sender) = latest.get(stream) {
            return sender.clone();
        }
        latest.entry(stream.to_owned()).or_default().clone()
    }
}

// === impl Scout ===

impl Drop for Scout<'_> {
    fn drop(&mut self) {
        lock(&self.acks.scouted).remove(self.stream);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn an_acknowledgement_tells_of_what_was_sent_before_it_into_the_same_stream() {
        let (acks, start) = (Acks::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        acks.acknowledged("a", at(2));
        acks.acknowledged("a", at(1));
        assert!(acks.later_than("a", at(1)).now_or_never().is_some());
        assert!(acks.later_than("a", at(2)).now_or_never().is_none());
        assert!(acks.later_than("b", at(1)).now_or_never().is_none());
        let mut waiting = Box::pin(acks.later_than("b", at(1)));
        assert!(waiting.as_mut().now_or_never().is_none());
        acks.acknowledged("b", at(3));
        assert!(waiting.now_or_never().is_some());
    }

    #[test]
    fn a_stream_has_one_scout_at_a_time() {
        let acks = Acks::default();
        let first = acks.scout("a");
        assert!(first.is_some() && acks.scout("a").is_none() && acks.scout("b").is_some());
        drop(first);
        assert!(acks.scout("a").is_some());
    }
}
