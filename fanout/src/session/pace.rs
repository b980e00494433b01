//! The pace at which sockets are told to come back when many have to at once: in batches, so that
//! they do not all return at one instant.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::DrainSettings;

/// Hands out the moments. One for the sockets of a kind.
#[derive(Debug)]
pub(crate) struct Pace {
    batch: usize,
    every: Duration,
    last: Mutex<Option<Batch>>,
}

#[derive(Clone, Copy, Debug)]
struct Batch {
    at: Instant,
    left: usize,
}

// === impl Pace ===

impl Pace {
    pub(crate) fn new(settings: &DrainSettings) -> Self {
        Self { batch: settings.batch.max(1), every: settings.every, last: Mutex::default() }
    }

    /// When the next socket is told: now, unless a whole batch has been told just now.
    pub(crate) fn turn(&self, now: Instant) -> Instant {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = match *last {
            Some(batch) if now < batch.at + self.every && batch.left > 0 => batch,
            Some(batch) if now < batch.at + self.every => {
                Batch { at: batch.at + self.every, left: self.batch }
            }
            Some(_) | None => Batch { at: now, left: self.batch },
        };
        *last = Some(Batch { left: batch.left - 1, ..batch });
        batch.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(100);

    fn pace(batch: usize) -> Pace {
        let within = Duration::from_secs(5);
        Pace::new(&DrainSettings { batch, every: EVERY, back_after: EVERY, back_within: within })
    }

    #[test]
    fn many_are_told_in_batches_and_one_alone_at_once() {
        let (pace, now) = (pace(2), Instant::now());
        let turns: Vec<_> = (0..6).map(|_| pace.turn(now)).collect();
        assert_eq!(turns, [0, 0, 1, 1, 2, 2].map(|batch| now + EVERY * batch));
        let later = now + EVERY * 3;
        assert_eq!(pace.turn(later), later);
    }

    #[test]
    fn who_comes_while_others_wait_is_told_after_them() {
        let (pace, now) = (pace(1), Instant::now());
        assert_eq!(pace.turn(now), now);
        assert_eq!(pace.turn(now), now + EVERY);
        assert_eq!(pace.turn(now + EVERY / 2), now + EVERY * 2);
        assert_eq!(pace.turn(now + EVERY * 2), now + EVERY * 3);
    }
}
