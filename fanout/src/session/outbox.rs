//! The outbox: what waits to be written to one socket, bounded in frames and bytes.
//!
//! Those who fill it never wait. A full outbox ends: its client reads more slowly than it is sent,
//! and is invited back.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use parlor_common::position::Position;
use tokio::sync::Notify;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxBound {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

/// Complete frames that wait for one socket.
#[derive(Debug)]
pub(crate) struct Outbox {
    bound: OutboxBound,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Bytes>,
    bytes: usize,
    last_shown: Option<Position>,
    ended: Option<Ended>,
}

/// Why nothing more goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was full.
    Slow,
    /// Events were missed: the session must resume from what its client has.
    Again,
}

/// What a replay may put into an outbox at once: up to half of its bound, so that the reader can
/// keep up with what comes live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    frames: usize,
    bytes: usize,
}

/// A frame that shows an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) position: Position,
    pub(crate) frame: Bytes,
}

/// What was taken out.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// In order.
    pub(crate) frames: VecDeque<Bytes>,
    /// The position of the last event that they show; `None` where they show none.
    pub(crate) last_shown: Option<Position>,
}

// === impl Outbox ===

impl Outbox {
    pub(crate) fn new(bound: OutboxBound) -> Self {
        Self { bound, state: Mutex::default(), changed: Notify::new() }
    }

    /// Puts in a frame that shows an event. The session is to be [`wake`](Self::wake)d for it;
    /// tells whether that must be soon, because the outbox fills up.
    pub(crate) fn show(&self, shown: Shown) -> bool {
        self.push(shown.frame, Some(shown.position))
    }

    /// Puts in a frame of the session's own, and wakes it.
    pub(crate) fn say(&self, frame: Bytes) {
        self.push(frame, None);
        self.wake();
    }

    /// Puts in a frame that may be lost, and wakes the session, where less than a quarter of the
    /// bound is used; tells whether it is.
    pub(crate) fn hint(&self, frame: Bytes) -> bool {
        let mut state = self.lock();
        let has_room = state.ended.is_none()
            && state.frames.len() < self.bound.frames / 4
            && state.bytes + frame.len() < self.bound.bytes / 4;
        if has_room {
            state.bytes += frame.len();
            state.frames.push_back(frame);
            drop(state);
            self.wake();
        }
        has_room
    }

    /// Puts in the last frame of the session, also after the end.
    pub(crate) fn part(&self, frame: Bytes) {
        self.lock().frames.push_back(frame);
    }

    /// How much a replay may put in just now.
    pub(crate) fn capacity(&self) -> Capacity {
        let state = self.lock();
        Capacity {
            frames: (self.bound.frames / 2).saturating_sub(state.frames.len()),
            bytes: (self.bound.bytes / 2).saturating_sub(state.bytes),
        }
    }

    /// Puts in what there is room for of a replay's frames, in order; an empty outbox takes one
    /// frame of any length.
    pub(crate) fn fill(&self, frames: &mut VecDeque<Shown>) {
        let mut capacity = self.capacity();
        let mut state = self.lock();
        while state.ended.is_none()
            && let Some(Shown { frame, .. }) = frames.front()
            && (capacity.take(frame.len()) || state.frames.is_empty())
            && let Some(Shown { position, frame }) = frames.pop_front()
        {
            state.bytes += frame.len();
            state.last_shown = state.last_shown.max(Some(position));
            state.frames.push_back(frame);
        }
    }

    /// Ends the outbox: nothing more goes in. A later reason does not replace the first.
    pub(crate) fn end(&self, why: Ended) {
        self.lock().ended.get_or_insert(why);
        self.changed.notify_one();
    }

    /// Why nothing more goes in; `None` while it takes frames.
    pub(crate) fn ended(&self) -> Option<Ended> {
        self.lock().ended
    }

    /// Takes out everything, and keeps no memory allocated.
    pub(crate) fn take(&self) -> Taken {
        let mut state = self.lock();
        state.bytes = 0;
        Taken { frames: std::mem::take(&mut state.frames), last_shown: state.last_shown.take() }
    }

    /// Wakes the session, which has something to look at.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Waits until something was put in, or it ended, since the last call. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Tells whether a quarter of the bound is used, or more.
    fn push(&self, frame: Bytes, shows: Option<Position>) -> bool {
        let mut state = self.lock();
        if state.ended.is_some() {
            return true;
        }
        if state.frames.len() >= self.bound.frames || state.bytes + frame.len() > self.bound.bytes {
            state.ended = Some(Ended::Slow);
        } else {
            state.bytes += frame.len();
            state.last_shown = state.last_shown.max(shows);
            state.frames.push_back(frame);
        }
        state.frames.len() >= self.bound.frames / 4 || state.bytes >= self.bound.bytes / 4
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Capacity ===

impl Capacity {
    /// Takes one frame's part of it; tells whether there was enough.
    pub(crate) const fn take(&mut self, bytes: usize) -> bool {
        if self.frames == 0 || self.bytes < bytes {
            (self.frames, self.bytes) = (0, 0);
            return false;
        }
        self.frames -= 1;
        self.bytes -= bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use parlor_common::position::Epoch;

    use super::*;

    fn shown(sequence: u64, frame: &'static [u8]) -> Shown {
        let position = Position::new(Epoch::FIRST, sequence).unwrap();
        Shown { position, frame: Bytes::from_static(frame) }
    }

    fn outbox() -> Outbox {
        Outbox::new(OutboxBound { frames: 3, bytes: 10 })
    }

    #[test]
    fn what_goes_in_comes_out_in_order_and_at_once() {
        let outbox = outbox();
        outbox.show(shown(1, b"a"));
        outbox.say(Bytes::from_static(b"b"));
        let taken = outbox.take();
        assert_eq!(taken.frames, [&b"a"[..], b"b"]);
        assert_eq!(taken.last_shown, Some(shown(1, b"").position));
        assert!(outbox.take().frames.is_empty() && outbox.ended().is_none());
    }

    #[test]
    fn a_full_outbox_ends_slow_in_frames_as_in_bytes_and_takes_no_more() {
        let frames = outbox();
        for _ in 0..4 {
            frames.show(shown(1, b"a"));
        }
        assert_eq!(frames.ended(), Some(Ended::Slow));
        assert_eq!(frames.take().frames.len(), 3);
        frames.show(shown(1, b"a"));
        assert!(frames.take().frames.is_empty(), "what follows a hole is never shown");

        let bytes = outbox();
        bytes.show(shown(1, b"0123456789"));
        assert_eq!(bytes.ended(), None);
        bytes.show(shown(1, b"x"));
        assert_eq!(bytes.ended(), Some(Ended::Slow));
        bytes.end(Ended::Again);
        assert_eq!(bytes.ended(), Some(Ended::Slow), "the first reason stays");
    }

    #[test]
    fn a_hint_is_taken_below_a_quarter_of_the_bound_alone_and_ends_nothing() {
        let outbox = Outbox::new(OutboxBound { frames: 8, bytes: 400 });
        let hint = |length| outbox.hint(vec![b'x'; length].into());
        assert!(!hint(100), "in bytes");
        assert!(hint(10) && hint(10));
        assert!(!hint(10), "in frames");
        assert_eq!((outbox.take().frames.len(), outbox.ended()), (2, None));
        assert!(hint(10), "there is room again");
        outbox.end(Ended::Again);
        assert!(!hint(10));
    }

    #[test]
    fn a_replay_fills_half_of_an_outbox_and_waits() {
        let outbox = Outbox::new(OutboxBound { frames: 4, bytes: 10 });
        let mut frames = (1..=5).map(|sequence| shown(sequence, b"ab")).collect::<VecDeque<_>>();
        outbox.fill(&mut frames);
        assert_eq!(frames.len(), 3);
        assert_eq!(outbox.take().last_shown, Some(shown(2, b"").position));

        let mut long = VecDeque::from([shown(6, b"0123456789a"), shown(7, b"b")]);
        outbox.fill(&mut long);
        assert_eq!(long.len(), 1, "one frame of any length fits an empty outbox");
        assert_eq!(outbox.ended(), None);
    }
}
