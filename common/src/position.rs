//! The position: where an event lies in its tenant's total order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bits of a position that hold the sequence; the epoch has the 23 above them.
const SEQUENCE_BITS: u32 = 40;
const SEQUENCE_MASK: u64 = (1 << SEQUENCE_BITS) - 1;
const EPOCH_MAX: u64 = (1 << 23) - 1;

/// (epoch, sequence) packed in 63 bits, so that it is an ordered, positive `i64` in any store.
///
/// The epoch counts how often the shard's stream was made anew; the sequence is the stream's own.
/// Positions of one conversation, or one tenant, have holes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Position(u64);

/// The number has more than 63 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position has 63 bits")]
pub struct BadPosition;

/// How often a shard's stream was made anew; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

// === impl Position ===

impl Position {
    /// Before every event.
    pub const ZERO: Self = Self(0);
    /// After every event.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// Packs both; `None` where the sequence does not fit its 40 bits.
    pub fn new(epoch: Epoch, sequence: u64) -> Option<Self> {
        (sequence <= SEQUENCE_MASK).then_some(Self(u64::from(epoch.0) << SEQUENCE_BITS | sequence))
    }

    /// From the packed number; `None` where it has more than 63 bits.
    pub fn from_u64(packed: u64) -> Option<Self> {
        (packed <= Self::MAX.0).then_some(Self(packed))
    }

    /// From the packed number as a store keeps it; `None` where it is negative.
    pub fn from_i64(packed: i64) -> Option<Self> {
        u64::try_from(packed).ok().map(Self)
    }

    /// The packed number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The packed number as a store keeps it.
    pub const fn as_i64(self) -> i64 {
        self.0 as i64
    }

    /// Its epoch.
    pub const fn epoch(self) -> Epoch {
        Epoch((self.0 >> SEQUENCE_BITS) as u32)
    }

    /// Its sequence in the stream; 0 lies before the first event.
    pub const fn sequence(self) -> u64 {
        self.0 & SEQUENCE_MASK
    }

    /// The position just before this one in its epoch, which may hold no event: a reader "after" it
    /// meets this one.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl TryFrom<u64> for Position {
    type Error = BadPosition;

    fn try_from(packed: u64) -> Result<Self, BadPosition> {
        Self::from_u64(packed).ok_or(BadPosition)
    }
}

impl From<Position> for u64 {
    fn from(position: Position) -> Self {
        position.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch().0, self.sequence())
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Position({self})")
    }
}

// === impl Epoch ===

impl Epoch {
    /// The first epoch of a shard.
    pub const FIRST: Self = Self(1);

    /// From its number; `None` above 23 bits.
    pub fn new(number: u32) -> Option<Self> {
        (u64::from(number) <= EPOCH_MAX).then_some(Self(number))
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The one after it; `None` after the last.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).and_then(Self::new)
    }

    /// The position before the first event of this epoch.
    pub const fn start(self) -> Position {
        Position((self.0 as u64) << SEQUENCE_BITS)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_ordered_by_epoch_then_sequence() {
        let at = |epoch, sequence| Position::new(Epoch::new(epoch).unwrap(), sequence).unwrap();
        assert!(at(1, SEQUENCE_MASK) < at(2, 0));
        assert!(at(2, 1) < at(2, 2));
        assert_eq!(at(3, 7).epoch().number(), 3);
        assert_eq!(at(3, 7).sequence(), 7);
        assert_eq!(at(3, 7).before(), at(3, 6));
        assert_eq!(Epoch::new(3).unwrap().start(), at(3, 0));
    }

    #[test]
    fn a_position_fits_a_stores_number() {
        let last =
            Position::new(Epoch::new(u32::try_from(EPOCH_MAX).unwrap()).unwrap(), SEQUENCE_MASK)
                .unwrap();
        assert_eq!(last, Position::MAX);
        assert_eq!(Position::from_i64(last.as_i64()), Some(last));
        assert_eq!(Position::new(Epoch::FIRST, SEQUENCE_MASK + 1), None);
        assert_eq!(Position::from_u64(u64::MAX), None);
        assert_eq!(Position::from_i64(-1), None);
        assert_eq!(Epoch::new(1 << 23), None);
    }
}
