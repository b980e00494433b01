//! A clock that a test moves.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use parlor_common::clock::{Clock, Timestamp};

/// A clock that stands still until the test moves it. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<AtomicI64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(Clock::system().now().as_millis())))
    }
}

impl TestClock {
    /// What it shows.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// Moves it.
    pub fn advance(&self, by: Duration) {
        self.0.store(self.now().plus(by).as_millis(), Ordering::Relaxed);
    }

    /// It, as a part takes it.
    pub fn clock(&self) -> Clock {
        self.ahead(0)
    }

    /// One that is so many milliseconds ahead of it.
    pub fn ahead(&self, millis: i64) -> Clock {
        let clock = self.clone();
        Clock::new(move || Timestamp::from_millis(clock.now().as_millis() + millis))
    }
}
