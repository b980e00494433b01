//! Spans of positions: where a subscription begins, and what a client has been shown.

use parlor_common::position::Position;

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With what comes from now on.
    Now,
    /// After a position that a client named: it must lie within the ring.
    Claimed(Position),
    /// After a position that the log is known to have reached: a ring that lags skips up to it.
    Proven(Position),
}

/// A stretch of positions within which everything of a scope has been shown: after `from`, up to
/// `through`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coverage {
    from: Position,
    through: Position,
}

// === impl Coverage ===

impl Coverage {
    pub(crate) const fn new(from: Position, through: Position) -> Self {
        Self { from, through }
    }

    /// Everything after it has been shown.
    pub(crate) const fn from(self) -> Position {
        self.from
    }

    pub(crate) fn contains(self, position: Position) -> bool {
        self.from < position && position <= self.through
    }

    /// Both as one, where `other` begins within this one or ends in it; `None` where something
    /// between them has not been shown.
    pub(crate) fn joined(self, other: Self) -> Option<Self> {
        (self.from <= other.through && other.from <= self.through)
            .then(|| Self::new(self.from.min(other.from), self.through.max(other.through)))
    }
}
