//! A circle: those who follow one conversation, or one tenant, and when they are woken.
//!
//! Writing to a socket costs far more than a frame of what is written. So a crowd is not woken for
//! each event: its frames gather in the outboxes for a moment that grows with the crowd, and each
//! member writes all of them at once. What comes after a silence is not kept waiting, nor is a
//! member whose outbox fills up. Who is no crowd never waits.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

/// Those who follow the same.
#[derive(Debug)]
pub(super) struct Circle<T> {
    members: Vec<Arc<T>>,
    pace: Pace,
}

/// What is to happen once an event is in a crowd's outboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// All of it is woken.
    Now,
    /// All of it is to be woken then.
    At(Instant),
    /// It will be: that was said before.
    Later,
}

/// When a crowd was woken last, and whether something has gathered since. Pure.
#[derive(Debug, Default)]
struct Pace {
    woken: Option<Instant>,
    gathers: bool,
}

/// From so many members on it is a crowd.
const CROWD: usize = 32;
/// The moment between two wakings, for each member. At 25 µs a crowd takes a sixth of a core, where
/// a write takes 4 µs.
const EACH: Duration = Duration::from_micros(25);
pub(super) const LONGEST: Duration = Duration::from_millis(25);
// === impl Circle ===

impl<T> Default for Circle<T> {
    fn default() -> Self {
        Self { members: Vec::new(), pace: Pace::default() }
    }
}

impl<T> Circle<T> {
    pub(super) fn members(&self) -> &[Arc<T>] {
        &self.members
    }

    pub(super) fn is_crowd(&self) -> bool {
        self.members.len() >= CROWD
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn add(&mut self, member: Arc<T>) {
        self.members.push(member);
    }

    pub(super) fn remove(&mut self, member: &Arc<T>) {
        if let Some(index) = self.members.iter().position(|other| Arc::ptr_eq(other, member)) {
            self.members.swap_remove(index);
        }
    }

    /// An event is in its members' outboxes.
    pub(super) fn gathers(&mut self, now: Instant) -> Wake {
        self.pace.gathers(self.members.len(), now)
    }

    /// All members are woken.
    pub(super) fn woken(&mut self, now: Instant) {
        self.pace = Pace { woken: Some(now), gathers: false };
    }
}

// === impl Pace ===

impl Pace {
    fn gathers(&mut self, members: usize, now: Instant) -> Wake {
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        let pause = EACH.saturating_mul(members).min(LONGEST);
        let due = self.woken.map_or(now, |woken| woken + pause);
        let gathers = std::mem::replace(&mut self.gathers, true);
        match (due <= now, gathers) {
            (true, _) => Wake::Now,
            (false, false) => Wake::At(due),
            (false, true) => Wake::Later,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_a_silence_goes_at_once_and_what_follows_gathers() {
        let now = Instant::now();
        let mut circle = Circle::default();
        (0..400).for_each(|_| circle.add(Arc::new(())));
        assert_eq!(circle.gathers(now), Wake::Now);
        circle.woken(now);
        let due = now + EACH * 400;
        assert_eq!(circle.gathers(now), Wake::At(due));
        assert_eq!(circle.gathers(now), Wake::Later);
        assert_eq!(circle.gathers(due), Wake::Now);
        circle.woken(due);
        assert_eq!(circle.gathers(due + LONGEST), Wake::Now);
    }

    #[test]
    fn the_largest_crowd_waits_no_longer_than_the_longest_moment() {
        let now = Instant::now();
        let mut pace = Pace { woken: Some(now), gathers: false };
        assert_eq!(pace.gathers(1_000_000, now), Wake::At(now + LONGEST));
    }
}
