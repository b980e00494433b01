//! The ring: the last events of a shard, bounded in events and bytes. Pure.

use std::collections::VecDeque;

use parlor_common::position::Position;

/// How much a ring keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingBound {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// The last items of a shard. It holds everything of the shard between its floor and its end, also
/// when that is nothing.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    bound: RingBound,
    floor: Position,
    end: Position,
    bytes: usize,
    slots: VecDeque<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    position: Position,
    cost: usize,
    item: T,
}

// === impl Ring ===

impl<T> Ring<T> {
    /// A ring that is complete after `after`, and holds nothing yet.
    pub(crate) const fn new(bound: RingBound, after: Position) -> Self {
        Self { bound, floor: after, end: after, bytes: 0, slots: VecDeque::new() }
    }

    /// Everything after this position, up to the end, is in the ring.
    pub(crate) const fn floor(&self) -> Position {
        self.floor
    }

    /// The position of the last item, or where the ring began.
    pub(crate) const fn end(&self) -> Position {
        self.end
    }

    /// Adds the next item of the shard, which takes `cost` bytes, and lets go of the oldest ones
    /// above the bound. An item that is not after the end is a repeat and is refused.
    pub(crate) fn push(&mut self, position: Position, cost: usize, item: T) -> bool {
        if position <= self.end {
            return false;
        }
        self.end = position;
        self.bytes = self.bytes.saturating_add(cost);
        self.slots.push_back(Slot { position, cost, item });
        while self.slots.len() > self.bound.events || self.bytes > self.bound.bytes {
            let Some(oldest) = self.slots.pop_front() else { break };
            self.bytes -= oldest.cost;
            self.floor = oldest.position;
        }
        true
    }

    /// The items after a position that is not below the floor, in order.
    pub(crate) fn after(&self, position: Position) -> impl Iterator<Item = (Position, &T)> {
        let first = self.slots.partition_point(|slot| slot.position <= position);
        self.slots.range(first..).map(|slot| (slot.position, &slot.item))
    }
}

#[cfg(test)]
mod tests {
    use parlor_common::position::Epoch;
    use proptest::prelude::*;

    use super::*;

    fn at(sequence: u64) -> Position {
        Position::new(Epoch::FIRST, sequence).unwrap()
    }

    #[test]
    fn an_empty_ring_knows_its_floor() {
        let mut ring = Ring::new(RingBound { events: 4, bytes: 10 }, at(7));
        assert_eq!((ring.floor(), ring.end()), (at(7), at(7)));
        assert!(ring.push(at(9), 11, ()), "an item above the bound passes through");
        assert_eq!((ring.floor(), ring.end(), ring.after(at(7)).count()), (at(9), at(9), 0));
    }

    #[test]
    fn a_repeat_is_refused() {
        let mut ring = Ring::new(RingBound { events: 4, bytes: 10 }, at(7));
        assert!(!ring.push(at(7), 1, ()));
        assert!(ring.push(at(8), 1, ()));
        assert!(!ring.push(at(8), 1, ()));
    }

    proptest! {
        #[test]
        fn a_ring_holds_exactly_what_lies_between_its_floor_and_its_end(
            start in 0..50_u64,
            pushes in prop::collection::vec((1..4_u64, 0..20_usize), 0..60),
            events in 0..10_usize,
            bytes in 0..60_usize,
        ) {
            let mut ring = Ring::new(RingBound { events, bytes }, at(start));
            let mut all = Vec::new();
            let mut sequence = start;
            for (gap, cost) in pushes {
                sequence += gap;
                all.push((at(sequence), cost));
                ring.push(at(sequence), cost, sequence);
                let kept: Vec<_> = ring.after(ring.floor()).map(|(position, _)| position).collect();
                let above = all.iter().filter(|(position, _)| *position > ring.floor());
                let expected: Vec<_> = above.clone().map(|(position, _)| *position).collect();
                prop_assert_eq!(&kept, &expected);
                let cost: usize = above.map(|(_, cost)| cost).sum();
                prop_assert!(kept.len() <= events && cost <= bytes);
                prop_assert_eq!(ring.end(), at(sequence));
                for (after, _) in all.iter().filter(|(position, _)| *position >= ring.floor()) {
                    let rest: Vec<_> = ring.after(*after).map(|(position, _)| position).collect();
                    let positions = all.iter().map(|(position, _)| *position);
                    let expected: Vec<_> = positions.filter(|position| position > after).collect();
                    prop_assert_eq!(rest, expected);
                }
            }
        }
    }
}
