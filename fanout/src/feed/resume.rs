//! Resume: pages of the log are read until the client is inside the ring, then it attaches. This is
//! the arithmetic, and it is pure.

use parlor_common::{
    event::Event,
    planted::{self, Fault},
    position::Position,
};

use crate::feed::span::{Begin, Coverage};

/// A replay on its way from where a client says it is to the ring.
#[derive(Clone, Debug)]
pub(crate) struct Resume {
    since: Position,
    /// Everything up to here has been shown.
    at: Position,
    /// The log is known to have reached `at`.
    proven: bool,
    pages_left: u32,
    replayed: u64,
    /// What this connection has been shown already.
    shown: Option<Coverage>,
}

/// What to do when a page cannot be had, or when it would be one page too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveUp {
    /// Nothing was shown. The client is told that its position cannot be proven, and is live from
    /// now on.
    Gap,
    /// The client comes back and goes on after what it got: something was shown, and there is never
    /// a partial replay; or a page cannot be read just now, which proves nothing.
    Again,
}

// === impl Resume ===

impl Resume {
    /// From `since`, by `pages` at most; what lies within `shown` is not shown again.
    pub(crate) const fn new(since: Position, pages: u32, shown: Option<Coverage>) -> Self {
        Self { since, at: since, proven: false, pages_left: pages, replayed: 0, shown }
    }

    /// Where to attach.
    pub(crate) const fn begin(&self) -> Begin {
        if self.proven { Begin::Proven(self.at) } else { Begin::Claimed(self.at) }
    }

    /// How many messages the pages have replayed.
    pub(crate) const fn replayed(&self) -> u64 {
        self.replayed
    }

    /// What has been shown before this replay.
    pub(crate) const fn shown(&self) -> Option<Coverage> {
        self.shown
    }

    /// The position after which a page is to be read, because the ring begins later.
    pub(crate) fn read_after(&mut self) -> Result<Position, GiveUp> {
        self.pages_left = self.pages_left.checked_sub(1).ok_or_else(|| self.give_up())?;
        Ok(self.at)
    }

    /// Takes a page that is complete `through` a position, and returns what is to be shown of it.
    pub(crate) fn page(&mut self, events: Vec<Event>, through: Position) -> Vec<Event> {
        let at = self.at;
        let fresh = |event: &Event| {
            let position = event.position;
            // The page may lack events beyond `through`.
            let within = match planted::is(Fault::ResumeOffByOne) {
                true => position < through,
                false => position <= through,
            };
            at < position && within && !self.shown.is_some_and(|shown| shown.contains(position))
        };
        let late = planted::is(Fault::ReplayStartsLate) && self.replayed == 0;
        let events: Vec<Event> = events.into_iter().filter(fresh).skip(usize::from(late)).collect();
        self.replayed += events.len() as u64;
        self.at = at.max(through);
        self.proven = true;
        events
    }

    /// Notes that this many messages of the ring were shown, through a position of it.
    pub(crate) fn ring_page(&mut self, messages: usize, through: Position) {
        self.replayed += messages as u64;
        self.at = self.at.max(through);
        self.proven = true;
    }

    /// What to do when the rest cannot be read.
    pub(crate) const fn give_up(&self) -> GiveUp {
        if self.replayed == 0 { GiveUp::Gap } else { GiveUp::Again }
    }

    /// What has been shown when the replay ends or is broken off. What was shown before it is part
    /// of that where the two touch.
    pub(crate) fn coverage(&self) -> Coverage {
        let replayed = Coverage::new(self.since, self.at);
        self.shown.and_then(|shown| shown.joined(replayed)).unwrap_or(replayed)
    }
}

#[cfg(test)]
mod tests;
