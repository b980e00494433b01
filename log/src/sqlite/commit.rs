//! What one transaction of the writer does: appends, acknowledgements, forgetting.

use std::collections::{BTreeSet, HashMap};

use parlor_common::{
    clock::Timestamp, conversation::ConversationKey, id::EventId, position::Position,
};
use rusqlite::{Connection, OptionalExtension};

use super::{
    extent::{Extent, acked_through, position},
    job::{Append, Outcomes, Settle, Settled},
    row::{Place, place},
    window::Window,
};
use crate::{Appended, Entry, LogError, NewEntry};

/// What an entry takes beside its record: its columns.
const ENTRY_OVERHEAD: u64 = 128;
/// Entries that one transaction forgets at most, so that appends need not wait long for it.
pub(super) const FORGET_AT_ONCE: usize = 2_000;
/// Characters of a reason that are kept.
const REASON_CHARS: usize = 1_000;

/// What a transaction has added, and the window does not know before it is committed.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    pub(super) places: Vec<Place>,
    pub(super) entries: Vec<Entry>,
    ids: HashMap<EventId, Position>,
    /// Everything up to here has gone in this transaction, and the window still has it.
    pub(super) gone: Position,
}

impl Fresh {
    fn add(&mut self, position: Position, stored_at: Timestamp, new: &NewEntry) {
        let NewEntry { conversation, id, record, expected: _ } = new.clone();
        self.ids.insert(id, position);
        self.places.push(Place { position, id, conversation: conversation.clone() });
        self.entries.push(Entry { conversation, position, stored_at, record });
    }

    /// Where the last entry of a conversation is in the eyes of the transaction. What it has added
    /// is looked through from its end: that is one commit's, and only for who expects something.
    fn last(&self, window: &Window, conversation: &ConversationKey) -> Option<Position> {
        let added = self.places.iter().rev().find(|place| place.conversation == *conversation);
        let last = added.map(|place| place.position).or_else(|| window.last(conversation));
        last.filter(|last| *last > self.gone)
    }
}

/// Why an entry is not appended: the last of its conversation is elsewhere than it expects.
fn conflict(expected: Position, last: Option<Position>) -> Option<LogError> {
    let found = last.unwrap_or(Position::ZERO);
    (found != expected)
        .then(|| LogError::Conflict(format!("it is at {found}, and not at {expected}")))
}

/// Appends each run in turn; the inner errors are those of one append, which end its run and leave
/// the others be.
pub(super) fn append_all(
    connection: &Connection,
    (window, fresh): (&Window, &mut Fresh),
    appends: &[Append],
    max_bytes: u64,
    now: Timestamp,
) -> rusqlite::Result<Vec<Outcomes>> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO entries (position, id, tenant, conversation, stored_at, record)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut end = Extent::read(connection)?.end;
    let mut used = used_bytes(connection)?;
    let mut append = |new: &NewEntry| -> rusqlite::Result<Result<Appended, LogError>> {
        let known = fresh.ids.get(&new.id).copied().or_else(|| window.find(&new.id));
        if let Some(position) = known {
            return Ok(Ok(Appended { position, duplicate: true }));
        }
        let conflict = new
            .expected
            .and_then(|expected| conflict(expected, fresh.last(window, &new.conversation)));
        if let Some(conflict) = conflict {
            return Ok(Err(conflict));
        }
        let cost = new.record.len() as u64 + ENTRY_OVERHEAD;
        if used + cost > max_bytes {
            return Ok(Err(LogError::Full(format!("it holds its {max_bytes} bytes"))));
        }
        let Some(position) = Position::new(end.epoch(), end.sequence() + 1) else {
            let used_up = "the sequences of its epoch are used up".to_owned();
            return Ok(Err(LogError::Rejected(used_up)));
        };
        insert.execute((
            position.as_i64(),
            new.id.as_bytes(),
            new.conversation.tenant.as_str(),
            new.conversation.id.as_bytes(),
            now.as_millis(),
            new.record.as_ref(),
        ))?;
        (end, used) = (position, used + cost);
        fresh.add(position, now, new);
        Ok(Ok(Appended { position, duplicate: false }))
    };
    let mut all = Vec::with_capacity(appends.len());
    for Append { run, .. } in appends {
        let mut outcomes = Vec::with_capacity(run.len());
        for new in run {
            let outcome = append(new)?;
            let ends = outcome.is_err();
            outcomes.push(outcome);
            if ends {
                break;
            }
        }
        all.push(outcomes);
    }
    Ok(all)
}

/// Acknowledges, and keeps the dead letters.
pub(super) fn settle_all(
    connection: &Connection,
    settles: &[Settle],
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut ack = connection.prepare_cached(
        "INSERT OR IGNORE INTO acked (consumer_group, position) SELECT ?1, ?2
         WHERE ?2 > (SELECT acked_through FROM consumer_groups WHERE name = ?1)",
    )?;
    let mut keep = connection.prepare_cached(
        "INSERT OR REPLACE INTO dead_letters
            (consumer_group, position, id, tenant, conversation, stored_at, dead_at, reason, record)
         SELECT ?1, position, id, tenant, conversation, stored_at, ?3, ?4, record
         FROM entries WHERE position = ?2",
    )?;
    let mut groups = BTreeSet::new();
    for settle in settles {
        let group: &str = &settle.group;
        groups.insert(group);
        match &settle.how {
            Settled::Acked(positions) => {
                for position in after_the_floor(connection, group, positions)? {
                    ack.execute((group, position.as_i64()))?;
                }
            }
            Settled::DeadLetter(position, reason) => {
                let reason: String = reason.chars().take(REASON_CHARS).collect();
                keep.execute((group, position.as_i64(), now.as_millis(), reason))?;
                ack.execute((group, position.as_i64()))?;
            }
        }
    }
    groups.into_iter().try_for_each(|group| raise(connection, group))
}

/// Raises a group's floor over those of these positions that follow it without a hole, which need
/// no row each, and gives the others.
fn after_the_floor(
    connection: &Connection,
    group: &str,
    positions: &[Position],
) -> rusqlite::Result<Vec<Position>> {
    let floor = acked_through(connection, group)?;
    let mut sorted = positions.to_vec();
    sorted.sort_unstable();
    let mut raised = floor;
    // Within an epoch, positions follow each other without holes.
    let follows = |raised: Position, next: Position| {
        next.epoch() == raised.epoch() && next.sequence() == raised.sequence() + 1
    };
    sorted.retain(|position| {
        let is_next = follows(raised, *position);
        if is_next {
            raised = *position;
        }
        !is_next
    });
    if raised > floor {
        set_floor(connection, group, raised)?;
    }
    Ok(sorted)
}

/// Raises a group's floor over everything that it has acknowledged without a gap; over all of it,
/// to the end.
pub(super) fn raise(connection: &Connection, group: &str) -> rusqlite::Result<()> {
    let (floor, end) = (acked_through(connection, group)?, Extent::read(connection)?.end);
    let mut later = connection.prepare_cached(
        "SELECT position FROM entries WHERE position > ?2 AND NOT EXISTS (
             SELECT 1 FROM acked
             WHERE consumer_group = ?1 AND acked.position = entries.position)
         ORDER BY position LIMIT 1",
    )?;
    let waiting = later.query_row((group, floor.as_i64()), |row| position(row, 0)).optional()?;
    let raised = waiting.map_or(end, Position::before).max(floor);
    if raised > floor { set_floor(connection, group, raised) } else { Ok(()) }
}

fn set_floor(connection: &Connection, group: &str, raised: Position) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE consumer_groups SET acked_through = ?2 WHERE name = ?1")?
        .execute((group, raised.as_i64()))?;
    connection
        .prepare_cached("DELETE FROM acked WHERE consumer_group = ?1 AND position <= ?2")?
        .execute((group, raised.as_i64()))?;
    Ok(())
}

/// Whether the oldest entry may be forgotten: a quick look.
pub(super) fn has_aged(connection: &Connection, before: Timestamp) -> rusqlite::Result<bool> {
    let mut oldest =
        connection.prepare_cached("SELECT stored_at FROM entries ORDER BY position LIMIT 1")?;
    let oldest: Option<i64> = oldest.query_row([], |row| row.get(0)).optional()?;
    Ok(oldest.is_some_and(|stored_at| stored_at < before.as_millis()))
}

/// Forgets, from the start on, what was stored `before` and is persisted; returns which entries
/// those were. Other groups than the persister's hold nothing back: one that stands still must not
/// fill the log for everybody.
pub(super) fn forget(connection: &Connection, before: Timestamp) -> rusqlite::Result<Vec<Place>> {
    let Extent { end, persisted, .. } = Extent::read(connection)?;
    forget_while(connection, |position, stored_at, _| {
        stored_at < before.as_millis() && position <= persisted && position < end
    })
}

/// Forgets, from the start on, what was stored `before`, lies at or before `through`, and is more
/// than `down_to` bytes; returns which entries those were.
pub(super) fn trim(
    connection: &Connection,
    through: Position,
    before: Timestamp,
    down_to: u64,
) -> rusqlite::Result<Vec<Place>> {
    let end = Extent::read(connection)?.end;
    let mut left = used_bytes(connection)?;
    forget_while(connection, |position, stored_at, record| {
        let stays = stored_at >= before.as_millis() || position > through || position >= end;
        let goes = !stays && left > down_to;
        left = left.saturating_sub(record).saturating_sub(ENTRY_OVERHEAD);
        goes
    })
}

/// Forgets from the start on while `goes` says so of a position, when it was stored, and the bytes
/// of its record.
fn forget_while(
    connection: &Connection,
    mut goes: impl FnMut(Position, i64, u64) -> bool,
) -> rusqlite::Result<Vec<Place>> {
    let mut oldest = connection.prepare_cached(
        "SELECT position, tenant, conversation, id, stored_at, length(record) FROM entries
         ORDER BY position LIMIT ?1",
    )?;
    let mut rows = oldest.query([FORGET_AT_ONCE as i64])?;
    let mut gone = Vec::new();
    while let Some(row) = rows.next()? {
        if !goes(position(row, 0)?, row.get(4)?, row.get::<_, u32>(5)?.into()) {
            break;
        }
        gone.push(place(row)?);
    }
    if let Some(Place { position, .. }) = gone.last() {
        connection
            .prepare_cached("DELETE FROM entries WHERE position <= ?1")?
            .execute([position.as_i64()])?;
    }
    Ok(gone)
}

/// What the file holds: its pages, but for the free ones, which are written again before it grows.
pub(super) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| {
        let mut statement = connection.prepare_cached(&format!("PRAGMA {pragma}"))?;
        statement.query_row([], |row| row.get::<_, i64>(0))
    };
    let pages = number("page_count")? - number("freelist_count")?;
    Ok(u64::try_from(pages * number("page_size")?).unwrap_or(0))
}
