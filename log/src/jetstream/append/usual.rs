//! How long an acknowledgement usually takes, reckoned as TCP reckons when to send again
//! (RFC 6298): where the servers are far away or slow, a fixed wait would repeat everything.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The longest that one attempt waits: an append has time for several.
const MOST: Duration = Duration::from_secs(3);

/// What was learned from the acknowledgements. It has answers of one connection.
#[derive(Debug, Default)]
pub(super) struct Usual(Mutex<Option<Times>>);

/// Seconds.
#[derive(Clone, Copy, Debug)]
struct Times {
    mean: f64,
    deviation: f64,
}

// === impl Usual ===

impl Usual {
    /// An attempt was acknowledged after `took`. Each attempt has an answer of its own, so that the
    /// time of a repeated publish counts too.
    pub(super) fn took(&self, took: Duration) {
        let took = took.as_secs_f64();
        let mut times = self.lock();
        *times = Some(match *times {
            None => Times { mean: took, deviation: took / 2.0 },
            Some(Times { mean, deviation }) => Times {
                mean: mean + (took - mean) / 8.0,
                deviation: deviation + ((took - mean).abs() - deviation) / 4.0,
            },
        });
    }

    /// Within this time an acknowledgement has come, where it comes at all; nothing before the
    /// first.
    pub(super) fn within(&self) -> Duration {
        self.lock().map_or(Duration::ZERO, |Times { mean, deviation }| {
            Duration::from_secs_f64(4.0_f64.mul_add(deviation, mean)).min(MOST)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Times>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_answers_take_and_has_a_bound() {
        let usual = Usual::default();
        assert_eq!(usual.within(), Duration::ZERO);
        for _ in 0..100 {
            usual.took(Duration::from_millis(800));
        }
        let steady = usual.within();
        assert!(steady >= Duration::from_millis(800) && steady < Duration::from_millis(850));
        for took in [400, 1200].into_iter().cycle().take(100) {
            usual.took(Duration::from_millis(took));
        }
        assert!(usual.within() > Duration::from_millis(1600), "{:?}", usual.within());
        usual.took(Duration::from_secs(60));
        assert_eq!(usual.within(), MOST);
        for _ in 0..100 {
            usual.took(Duration::from_millis(1));
        }
        assert!(usual.within() < Duration::from_millis(10));
    }
}
