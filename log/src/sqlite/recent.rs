//! The last entries that this process has appended, for those who follow the log: they read them
//! from here, and the file only where they are behind.

use std::collections::VecDeque;

use parlor_common::position::Position;

use crate::Entry;

/// The last entries, bounded in bytes. The records are shared with whoever reads them.
#[derive(Debug)]
pub(super) struct Recent {
    /// Everything after it is here.
    floor: Position,
    entries: VecDeque<Entry>,
    bytes: usize,
}

/// What the records may take, and what an entry takes beside its record.
const MOST_BYTES: usize = 8 << 20;
const ENTRY_OVERHEAD: usize = 128;

// === impl Recent ===

impl Recent {
    /// Of a log that ends there.
    pub(super) const fn after_end(end: Position) -> Self {
        Self { floor: end, entries: VecDeque::new(), bytes: 0 }
    }

    /// These were committed, in this order, after all others.
    pub(super) fn push(&mut self, entries: Vec<Entry>) {
        self.bytes += entries.iter().map(cost).sum::<usize>();
        self.entries.extend(entries);
        while self.bytes > MOST_BYTES && self.drop_oldest() {}
    }

    /// Everything up to there has gone from the file: it goes from here too.
    pub(super) fn forget(&mut self, through: Position) {
        while self.entries.front().is_some_and(|oldest| oldest.position <= through)
            && self.drop_oldest()
        {}
        self.floor = self.floor.max(through);
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(oldest) = self.entries.pop_front() else { return false };
        self.bytes -= cost(&oldest);
        self.floor = oldest.position;
        true
    }

    /// What follows `after`, while `fits` says so of the next record's length, and whether that is
    /// all of it; `None` where some of it is in the file alone.
    pub(super) fn after(
        &self,
        after: Position,
        mut fits: impl FnMut(usize) -> bool,
    ) -> Option<(Vec<Entry>, bool)> {
        if after < self.floor {
            return None;
        }
        let first = self.entries.partition_point(|entry| entry.position <= after);
        let mut all = true;
        let fitting = self.entries.range(first..).take_while(|entry| {
            all = fits(entry.record.len());
            all
        });
        let entries = fitting.cloned().collect();
        Some((entries, all))
    }

    /// The entry at this position.
    pub(super) fn at(&self, position: Position) -> Option<&Entry> {
        let index = self.entries.binary_search_by_key(&position, |entry| entry.position).ok()?;
        self.entries.get(index)
    }
}

fn cost(entry: &Entry) -> usize {
    entry.record.len() + ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parlor_common::{
        clock::Timestamp, conversation::ConversationKey, id::ConversationId, position::Epoch,
        tenant::TenantId,
    };

    use super::*;

    fn at(sequence: u64) -> Position {
        Position::new(Epoch::FIRST, sequence).unwrap()
    }

    fn entry(sequence: u64, bytes: usize) -> Entry {
        Entry {
            conversation: ConversationKey {
                tenant: TenantId::parse("a").unwrap(),
                id: ConversationId::from_bytes([1; 16]),
            },
            position: at(sequence),
            stored_at: Timestamp::from_millis(0),
            record: Bytes::from(vec![0; bytes]),
        }
    }

    fn read(recent: &Recent, after: u64, most: usize) -> Option<(Vec<u64>, bool)> {
        let mut taken = 0;
        let fits = |_| {
            taken += 1;
            taken <= most
        };
        let (entries, all) = recent.after(at(after), fits)?;
        Some((entries.iter().map(|entry| entry.position.sequence()).collect(), all))
    }

    #[test]
    fn what_came_before_it_was_opened_is_in_the_file_alone() {
        let mut recent = Recent::after_end(at(5));
        assert_eq!(read(&recent, 4, 9), None);
        assert_eq!(read(&recent, 5, 9), Some((Vec::new(), true)));
        recent.push(vec![entry(6, 10), entry(7, 10), entry(8, 10)]);
        assert_eq!(read(&recent, 5, 9), Some((vec![6, 7, 8], true)));
        assert_eq!(read(&recent, 6, 9), Some((vec![7, 8], true)));
        assert_eq!(read(&recent, 5, 2), Some((vec![6, 7], false)));
        assert_eq!(read(&recent, 8, 0), Some((Vec::new(), true)), "nothing has to fit");
        assert_eq!(recent.at(at(7)), recent.entries.get(1));
        assert!(recent.at(at(7)).is_some() && recent.at(at(5)).is_none());
    }

    #[test]
    fn what_has_gone_from_the_file_is_not_here_either() {
        let mut recent = Recent::after_end(at(0));
        recent.push((1..=3).map(|sequence| entry(sequence, 10)).collect());
        recent.forget(at(2));
        assert_eq!(read(&recent, 1, 9), None);
        assert_eq!(read(&recent, 2, 9), Some((vec![3], true)));
        recent.forget(at(5));
        assert_eq!((read(&recent, 4, 9), recent.bytes), (None, 0));
    }

    #[test]
    fn what_is_above_the_bound_is_let_go_of_from_the_start_on() {
        let mut recent = Recent::after_end(at(0));
        (1..=9).for_each(|sequence| recent.push(vec![entry(sequence, 1 << 20)]));
        assert_eq!(read(&recent, 1, 9), None);
        assert_eq!(read(&recent, 2, 9), Some(((3..=9).collect(), true)));
        assert!(recent.bytes <= MOST_BYTES);
    }
}
