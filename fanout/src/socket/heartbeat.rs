//! The heartbeat: when to ping, and whether the peer still lives. Pure: it counts pings, and the
//! dialect knows how one is said.

use std::time::Duration;

use tokio::time::Instant;

/// The pings of one socket, by their numbers, and when its peer was heard last.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    settings: HeartbeatSettings,
    next: Instant,
    heard: Instant,
    /// The number of the last ping.
    sent: u64,
    /// The number of the last ping that was answered.
    answered: u64,
    /// Something was shown after the last ping.
    behind: bool,
}

/// When to ping, and when a silent peer is given up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeartbeatSettings {
    /// Between two pings.
    pub(crate) every: Duration,
    /// A peer that is silent for this long is dead.
    pub(crate) silence_limit: Duration,
    /// From the opening to the first ping.
    pub(crate) first: Duration,
}

// === impl Heartbeat ===

impl Heartbeat {
    /// Of a socket that opens now.
    pub(crate) fn new(settings: HeartbeatSettings, now: Instant) -> Self {
        let next = now + settings.first;
        Self { settings, next, heard: now, sent: 0, answered: 0, behind: false }
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Instant {
        self.next.min(self.heard + self.settings.silence_limit)
    }

    /// Whether the peer has been silent for too long.
    pub(crate) fn is_dead(&self, now: Instant) -> bool {
        now >= self.heard + self.settings.silence_limit
    }

    /// Any frame counts as life.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The ping that is due, if one is: its number.
    pub(crate) fn due(&mut self, now: Instant) -> Option<u64> {
        (now >= self.next).then(|| self.ping(now))
    }

    /// Something was shown: the pong of a ping after it tells that the page has it. While one ping
    /// is unanswered, the next waits for its answer, so that a burst costs two.
    pub(crate) fn shown(&mut self, now: Instant) -> Option<u64> {
        if self.sent == self.answered {
            return Some(self.ping(now));
        }
        self.behind = true;
        None
    }

    /// The number of the next ping.
    pub(crate) const fn next_number(&self) -> u64 {
        self.sent + 1
    }

    /// The oldest ping that has not been answered: an answer without a number is its answer, since
    /// they come in order.
    pub(crate) fn oldest_unanswered(&self) -> Option<u64> {
        (self.answered < self.sent).then_some(self.answered + 1)
    }

    /// An answer to the ping of this number came; tells whether such a ping was sent and not
    /// answered before, and the ping that follows at once, if one does.
    pub(crate) fn pong(&mut self, number: u64, now: Instant) -> (bool, Option<u64>) {
        if !(self.answered + 1..=self.sent).contains(&number) {
            return (false, None);
        }
        self.answered = number;
        let follow = self.behind && self.answered == self.sent;
        (true, follow.then(|| self.ping(now)))
    }

    fn ping(&mut self, now: Instant) -> u64 {
        self.next = now + self.settings.every;
        self.behind = false;
        self.sent += 1;
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(25);
    const SILENCE: Duration = Duration::from_secs(60);

    fn heartbeat(first: Duration, now: Instant) -> Heartbeat {
        let settings = HeartbeatSettings { every: EVERY, silence_limit: SILENCE, first };
        Heartbeat::new(settings, now)
    }

    #[test]
    fn the_first_ping_is_due_at_once_and_the_next_after_the_interval() {
        let now = Instant::now();
        let mut heartbeat = heartbeat(Duration::ZERO, now);
        assert!(heartbeat.due(now).is_some());
        assert!(heartbeat.due(now + EVERY / 2).is_none());
        assert!(heartbeat.due(now + EVERY).is_some());
    }

    #[test]
    fn a_burst_of_events_costs_two_pings() {
        let now = Instant::now();
        let mut heartbeat = heartbeat(EVERY, now);
        assert_eq!(heartbeat.shown(now), Some(1));
        for _ in 0..10 {
            assert_eq!(heartbeat.shown(now), None);
        }
        assert_eq!(heartbeat.pong(1, now), (true, Some(2)));
        assert_eq!(heartbeat.pong(2, now), (true, None));
    }

    #[test]
    fn a_pong_that_answers_nothing_is_told_apart() {
        let now = Instant::now();
        let mut heartbeat = heartbeat(Duration::ZERO, now);
        assert_eq!(heartbeat.pong(1, now), (false, None), "no ping was sent");
        assert!(heartbeat.due(now).is_some());
        assert_eq!(heartbeat.pong(0, now), (false, None));
        assert_eq!(heartbeat.pong(1, now), (true, None));
        assert_eq!(heartbeat.pong(1, now), (false, None), "it was answered before");
    }

    #[test]
    fn silence_ends_a_socket_and_any_frame_keeps_it() {
        let now = Instant::now();
        let mut heartbeat = heartbeat(Duration::ZERO, now);
        assert!(heartbeat.is_dead(now + SILENCE));
        heartbeat.heard(now + EVERY);
        assert!(!heartbeat.is_dead(now + SILENCE));
        heartbeat.due(now + SILENCE);
        assert_eq!(heartbeat.deadline(), now + EVERY + SILENCE);
    }
}
