//! How many signals may pass in a second, and which are shed first.

use parlor_signals::Class;
use tokio::time::Instant;

/// What may still pass. It holds a second's worth, of which the last parts are kept for the classes
/// that are shed last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    per_second: f64,
    left: f64,
    at: Instant,
}

// === impl Bucket ===

impl Bucket {
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, left: per_second, at: now }
    }

    /// Takes one signal's part; tells whether there was enough for its class.
    pub(crate) fn take(&mut self, class: Class, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + since * self.per_second).min(self.per_second);
        self.at = self.at.max(now);
        if self.left < 1.0 + self.per_second * kept_from(class) {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

/// Which part of a second's worth a class leaves to those after it.
const fn kept_from(class: Class) -> f64 {
    match class {
        Class::Preview => 0.3,
        Class::Typing => 0.2,
        Class::Visitor => 0.1,
        Class::Roster => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn taken(bucket: &mut Bucket, class: Class, now: Instant) -> usize {
        (0..1_000).filter(|_| bucket.take(class, now)).count()
    }

    #[test]
    fn the_first_class_is_shed_first_and_each_leaves_something_to_the_next() {
        let now = Instant::now();
        let mut bucket = Bucket::new(200, now);
        let passed = Class::ALL.map(|class| taken(&mut bucket, class, now));
        assert_eq!(passed, [140, 20, 20, 20]);
    }

    #[test]
    fn no_more_than_the_rate_passes_in_the_long_run() {
        let start = Instant::now();
        let mut bucket = Bucket::new(200, start);
        let seconds = 10;
        let passed: usize = (0..seconds * 10)
            .map(|tenth| {
                taken(&mut bucket, Class::Typing, start + Duration::from_millis(tenth * 100))
            })
            .sum();
        assert!((160 + 1_900..=160 + 2_000).contains(&passed), "{passed}");
    }
}
