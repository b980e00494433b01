//! The control limit: whether a peer sends too many control frames. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Counts the control frames that answer nothing of ours, in windows of a second.
#[derive(Debug)]
pub(crate) struct ControlLimit {
    bound: u32,
    since: Instant,
    count: u32,
}

// === impl ControlLimit ===

impl ControlLimit {
    /// Allows `bound` control frames in each second.
    pub(crate) const fn new(bound: u32, now: Instant) -> Self {
        Self { bound, since: now, count: 0 }
    }

    /// Whether one more is let through.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.count) = (now, 0);
        }
        self.count += 1;
        self.count <= self.bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_frames_are_counted_each_second() {
        let now = Instant::now();
        let mut limit = ControlLimit::new(2, now);
        assert!(limit.allow(now) && limit.allow(now) && !limit.allow(now));
        assert!(limit.allow(now + Duration::from_secs(1)));
    }
}
