//! The window: where the entries lie that the file holds, by id, by conversation and by tenant.
//!
//! It is in memory, and the file has no index but that of positions: an index by ids or by
//! conversations would touch a random page of the file for each of them, with every append, for
//! what is kept only for days. The file is read once when it is opened; the writer raises the
//! window after each commit, before it tells anybody, and cuts it when entries have gone.

use std::collections::{HashMap, VecDeque, hash_map::Entry as MapEntry};

use parlor_common::{
    conversation::ConversationKey,
    id::{ConversationId, EventId},
    position::Position,
    tenant::TenantId,
};
use rusqlite::Connection;

use super::{
    extent::{Extent, position},
    recent::Recent,
    row::{Place, place},
};
use crate::{Entry, Filter};

/// What the file holds.
#[derive(Debug)]
pub(super) struct Window {
    ids: HashMap<EventId, Position>,
    tenants: HashMap<TenantId, OfTenant>,
    entries: usize,
    /// Where the current epoch begins: what lies before it is delivered and no longer read.
    epoch_start: Position,
    /// Everything of the epoch after this is in the window. It rises when entries are cut.
    start: Position,
    end: Position,
    recent: Recent,
}

#[derive(Debug, Default)]
struct OfTenant {
    all: VecDeque<Position>,
    conversations: HashMap<ConversationId, VecDeque<Position>>,
}

/// The first places that a filter selects.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) positions: Vec<Position>,
    /// What lies there, where all of it is in memory.
    pub(super) entries: Option<Vec<Entry>>,
    /// Everything after it that the filter selects is there.
    pub(super) start: Position,
    /// The committed end. The file has everything up to it by now.
    pub(super) end: Position,
}

// === impl Window ===

impl Window {
    /// Reads all of the file.
    pub(super) fn fill(connection: &Connection) -> rusqlite::Result<Self> {
        let Extent { start, end, .. } = Extent::read(connection)?;
        let mut epoch_start = connection.prepare("SELECT epoch_start FROM standing")?;
        let epoch_start = epoch_start.query_row([], |row| position(row, 0))?;
        let mut window = Self {
            ids: HashMap::new(),
            tenants: HashMap::new(),
            entries: 0,
            epoch_start,
            start,
            end,
            recent: Recent::after_end(end),
        };
        let mut entries = connection
            .prepare("SELECT position, tenant, conversation, id FROM entries ORDER BY position")?;
        let mut rows = entries.query([])?;
        while let Some(row) = rows.next()? {
            window.add(place(row)?);
        }
        Ok(window)
    }

    /// How many entries there are.
    pub(super) const fn len(&self) -> usize {
        self.entries
    }

    /// Where the entry of this id is.
    pub(super) fn find(&self, id: &EventId) -> Option<Position> {
        self.ids.get(id).copied()
    }

    /// Where the last entry of a conversation is in the current epoch.
    pub(super) fn last(&self, conversation: &ConversationKey) -> Option<Position> {
        let of_tenant = self.tenants.get(&conversation.tenant)?;
        let last = of_tenant.conversations.get(&conversation.id)?.back().copied();
        last.filter(|last| *last > self.epoch_start)
    }

    /// The first `limit` places of `filter` in the current epoch after `after`.
    pub(super) fn after(&self, filter: &Filter, after: Position, limit: usize) -> Found {
        let (tenant, conversation) = match filter {
            Filter::Conversation(key) => (&key.tenant, Some(&key.id)),
            Filter::Tenant(tenant) => (tenant, None),
        };
        let of_tenant = self.tenants.get(tenant);
        let all = of_tenant.and_then(|of_tenant| match conversation {
            Some(id) => of_tenant.conversations.get(id),
            None => Some(&of_tenant.all),
        });
        let from = after.max(self.epoch_start);
        let positions = all.map_or_else(Vec::new, |all| {
            let first = all.partition_point(|position| *position <= from);
            all.range(first..).take(limit).copied().collect()
        });
        let entries = positions.iter().map(|position| self.recent.at(*position).cloned()).collect();
        Found { positions, entries, start: self.start, end: self.end }
    }

    /// What follows `after`, as [`Recent::after`] has it, and where it ends.
    pub(super) fn recent(
        &self,
        after: Position,
        fits: impl FnMut(usize) -> bool,
    ) -> Option<(Vec<Entry>, Position)> {
        let (entries, all) = self.recent.after(after, fits)?;
        let last = entries.last().map_or(after, |entry| entry.position);
        Some((entries, if all { self.end.max(last) } else { last }))
    }

    /// These have been committed.
    pub(super) fn raise(&mut self, places: Vec<Place>, entries: Vec<Entry>) {
        self.recent.push(entries);
        for place in places {
            self.end = self.end.max(place.position);
            self.add(place);
        }
    }

    /// These, the first that there were, have gone.
    pub(super) fn cut(&mut self, places: &[Place]) {
        if let Some(last) = places.last() {
            self.recent.forget(last.position);
        }
        for Place { position, id, conversation } in places {
            self.start = self.start.max(*position);
            self.ids.remove(id);
            let MapEntry::Occupied(mut tenant) = self.tenants.entry(conversation.tenant.clone())
            else {
                continue;
            };
            self.entries -= usize::from(pop(&mut tenant.get_mut().all, *position));
            if let MapEntry::Occupied(mut of) =
                tenant.get_mut().conversations.entry(conversation.id)
            {
                pop(of.get_mut(), *position);
                if of.get().is_empty() {
                    of.remove();
                }
            }
            if tenant.get().all.is_empty() {
                tenant.remove();
            }
        }
    }

    fn add(&mut self, Place { position, id, conversation }: Place) {
        self.entries += 1;
        self.ids.insert(id, position);
        let ConversationKey { tenant, id } = conversation;
        let tenant = self.tenants.entry(tenant).or_default();
        tenant.all.push_back(position);
        tenant.conversations.entry(id).or_default().push_back(position);
    }
}

/// Removes the first place, where it is this one.
fn pop(places: &mut VecDeque<Position>, position: Position) -> bool {
    let is_it = places.front() == Some(&position);
    if is_it {
        places.pop_front();
    }
    is_it
}

#[cfg(test)]
mod tests {
    use parlor_common::position::Epoch;

    use super::*;

    fn at(sequence: u64) -> Position {
        Position::new(Epoch::FIRST, sequence).unwrap()
    }

    fn place(tenant: &str, conversation: u8, sequence: u64) -> Place {
        let id = EventId::from_bytes(u128::from(sequence).to_be_bytes());
        Place { position: at(sequence), id, conversation: key(tenant, conversation) }
    }

    fn key(tenant: &str, conversation: u8) -> ConversationKey {
        let id = ConversationId::from_bytes([conversation; 16]);
        ConversationKey { tenant: TenantId::parse(tenant).unwrap(), id }
    }

    fn window() -> Window {
        Window {
            ids: HashMap::new(),
            tenants: HashMap::new(),
            entries: 0,
            epoch_start: Position::ZERO,
            start: Position::ZERO,
            end: Position::ZERO,
            recent: Recent::after_end(Position::ZERO),
        }
    }

    fn sequences(window: &Window, filter: &Filter, after: u64, limit: usize) -> Vec<u64> {
        let found = window.after(filter, at(after), limit);
        found.positions.iter().map(|position| position.sequence()).collect()
    }

    #[test]
    fn what_is_raised_is_found_until_it_is_cut() {
        let mut window = window();
        let places = [("a", 1), ("a", 2), ("b", 1), ("a", 1), ("b", 1)];
        let places: Vec<_> =
            (1..).zip(places).map(|(sequence, (tenant, id))| place(tenant, id, sequence)).collect();
        window.raise(places.clone(), Vec::new());
        let conversation = Filter::Conversation(key("a", 1));
        let tenant = Filter::Tenant(TenantId::parse("b").unwrap());
        assert_eq!(sequences(&window, &conversation, 0, 9), [1, 4]);
        assert_eq!(sequences(&window, &conversation, 1, 9), [4]);
        assert_eq!(sequences(&window, &conversation, 0, 1), [1]);
        assert_eq!(sequences(&window, &tenant, 0, 9), [3, 5]);
        assert_eq!(sequences(&window, &tenant, 5, 9), [0_u64; 0]);
        assert_eq!(window.find(&places[3].id), Some(at(4)));
        let last = [("a", 1), ("a", 2), ("b", 2)].map(|(tenant, id)| window.last(&key(tenant, id)));
        assert_eq!(last, [Some(at(4)), Some(at(2)), None]);
        assert_eq!(window.after(&conversation, at(0), 9).start, Position::ZERO);
        window.cut(&places[..3]);
        assert_eq!(window.after(&conversation, at(0), 9).start, at(3), "what went is not there");
        assert_eq!((window.len(), window.find(&places[0].id)), (2, None));
        assert_eq!([window.last(&key("a", 1)), window.last(&key("a", 2))], [Some(at(4)), None]);
        assert_eq!(sequences(&window, &conversation, 0, 9), [4]);
        assert_eq!(sequences(&window, &tenant, 0, 9), [5]);
        window.cut(&places[3..]);
        assert!(window.ids.is_empty() && window.tenants.is_empty());
        assert_eq!(window.end, at(5), "the end stays");
    }
}
