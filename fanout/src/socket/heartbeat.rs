//! The pulse: when to ping, whether the peer still lives, and whether it pings too much. Pure.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::socket::wire;

/// Pings and life of one socket.
#[derive(Debug)]
pub(crate) struct Pulse {
    every: Duration,
    mute_for: Duration,
    next: Instant,
    heard: Instant,
    /// The number of the last ping.
    sent: u64,
    /// The number of the last ping that was answered.
    answered: u64,
    /// Something was shown after the last ping.
    behind: bool,
}

/// Counts the control frames that answer nothing of ours, in windows of a second.
#[derive(Debug)]
pub(crate) struct Controls {
    bound: u32,
    since: Instant,
    count: u32,
}

// === impl Controls ===

impl Controls {
    /// So many a second.
    pub(crate) fn new(bound: u32, now: Instant) -> Self {
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

// === impl Pulse ===

impl Pulse {
    /// Of a socket that opens now, whose first ping is due `first` later.
    pub(crate) fn new(every: Duration, mute_for: Duration, first: Duration, now: Instant) -> Self {
        Self { every, mute_for, next: now + first, heard: now, sent: 0, answered: 0, behind: false }
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Instant {
        self.next.min(self.heard + self.mute_for)
    }

    /// Whether the peer has been silent for too long.
    pub(crate) fn is_dead(&self, now: Instant) -> bool {
        now >= self.heard + self.mute_for
    }

    /// Any frame counts as life.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The ping that is due, if one is.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Bytes> {
        (now >= self.next).then(|| self.ping(now))
    }

    /// Something was shown: the pong of a ping after it tells that the page has it. While one ping
    /// is unanswered, the next waits for its answer, so that a burst costs two.
    pub(crate) fn shown(&mut self, now: Instant) -> Option<Bytes> {
        if self.sent == self.answered {
            return Some(self.ping(now));
        }
        self.behind = true;
        None
    }

    /// A pong came; tells whether it answers a ping of ours, and the ping that follows at once, if
    /// one does.
    pub(crate) fn pong(&mut self, payload: &[u8], now: Instant) -> (bool, Option<Bytes>) {
        let Some(number) =
            wire::pinged(payload).filter(|number| (self.answered + 1..=self.sent).contains(number))
        else {
            return (false, None);
        };
        self.answered = number;
        let follow = self.behind && self.answered == self.sent;
        (true, follow.then(|| self.ping(now)))
    }

    fn ping(&mut self, now: Instant) -> Bytes {
        self.next = now + self.every;
        self.behind = false;
        self.sent += 1;
        wire::ping(self.sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(25);
    const MUTE: Duration = Duration::from_secs(60);

    #[test]
    fn control_frames_are_counted_each_second() {
        let now = Instant::now();
        let mut controls = Controls::new(2, now);
        assert!(controls.allow(now) && controls.allow(now) && !controls.allow(now));
        assert!(controls.allow(now + Duration::from_secs(1)));
    }

    #[test]
    fn the_first_ping_is_due_at_once_and_the_next_after_the_interval() {
        let now = Instant::now();
        let mut pulse = Pulse::new(EVERY, MUTE, Duration::ZERO, now);
        assert!(pulse.due(now).is_some());
        assert!(pulse.due(now + EVERY / 2).is_none());
        assert!(pulse.due(now + EVERY).is_some());
    }

    #[test]
    fn a_burst_of_events_costs_two_pings() {
        let now = Instant::now();
        let mut pulse = Pulse::new(EVERY, MUTE, EVERY, now);
        assert_eq!(pulse.shown(now), Some(wire::ping(1)));
        for _ in 0..10 {
            assert_eq!(pulse.shown(now), None);
        }
        assert_eq!(pulse.pong(&1_u64.to_be_bytes(), now), (true, Some(wire::ping(2))));
        assert_eq!(pulse.pong(&2_u64.to_be_bytes(), now), (true, None));
    }

    #[test]
    fn a_pong_that_answers_nothing_is_told_apart() {
        let now = Instant::now();
        let mut pulse = Pulse::new(EVERY, MUTE, Duration::ZERO, now);
        assert_eq!(pulse.pong(&1_u64.to_be_bytes(), now), (false, None), "no ping was sent");
        assert!(pulse.due(now).is_some());
        assert_eq!(pulse.pong(b"", now), (false, None));
        assert_eq!(pulse.pong(&1_u64.to_be_bytes(), now), (true, None));
        assert_eq!(pulse.pong(&1_u64.to_be_bytes(), now), (false, None), "it was answered before");
    }

    #[test]
    fn silence_ends_a_socket_and_any_frame_keeps_it() {
        let now = Instant::now();
        let mut pulse = Pulse::new(EVERY, MUTE, Duration::ZERO, now);
        assert!(pulse.is_dead(now + MUTE));
        pulse.heard(now + EVERY);
        assert!(!pulse.is_dead(now + MUTE));
        pulse.due(now + MUTE);
        assert_eq!(pulse.deadline(), now + EVERY + MUTE);
    }
}
