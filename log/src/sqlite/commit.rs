//! What one transaction of the writer does: appends, acknowledgements, forgetting.

use parlor_common::{clock::Timestamp, position::Position};
use rusqlite::{Connection, OptionalExtension};

use super::writer::{Append, Mark, MarkKind};
use crate::{Appended, LogError};

/// What an entry takes beside its record: its columns, and its place in three indexes.
const ENTRY_OVERHEAD: u64 = 256;
/// Entries that one transaction forgets at most, so that appends need not wait long for it.
pub(super) const FORGET_AT_ONCE: usize = 2_000;
/// Characters of a reason that are kept.
const REASON_CHARS: usize = 1_000;

/// Where the log begins and ends, in the eyes of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Everything of the epoch after this is in the log.
    pub(super) start: Position,
    /// The last position that was given, or the epoch's start.
    pub(super) end: Position,
    /// Everything up to here is acknowledged.
    pub(super) persisted: Position,
}

// === impl Extent ===

impl Extent {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT epoch_start, persisted,
                (SELECT max(position) FROM entries),
                (SELECT min(position) FROM entries WHERE position > epoch_start)
             FROM standing",
        )?;
        statement.query_row([], |row| {
            let epoch_start = position(row, 0)?;
            let last = optional_position(row, 2)?;
            let first = optional_position(row, 3)?;
            Ok(Self {
                start: first.map_or(epoch_start, Position::before),
                // The last entry is never forgotten, so that its position is never given again.
                end: last.map_or(epoch_start, |last| last.max(epoch_start)),
                persisted: position(row, 1)?,
            })
        })
    }
}

/// Reads a position from a column.
pub(super) fn position(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Position> {
    let packed = row.get(column)?;
    Position::from_i64(packed).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, packed))
}

fn optional_position(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<Position>> {
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => position(row, column).map(Some),
    }
}

/// Appends each in turn; the inner errors are those of one append, which leave the others be.
pub(super) fn append_all(
    connection: &Connection,
    appends: &[Append],
    max_bytes: u64,
    now: Timestamp,
) -> rusqlite::Result<Vec<Result<Appended, LogError>>> {
    let mut find = connection.prepare_cached("SELECT position FROM entries WHERE id = ?1")?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO entries (position, id, tenant, conversation, stored_at, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut end = Extent::read(connection)?.end;
    let mut used = used_bytes(connection)?;
    let mut outcomes = Vec::with_capacity(appends.len());
    for append in appends {
        if let Some(position) =
            find.query_row([append.id.as_bytes()], |row| position(row, 0)).optional()?
        {
            outcomes.push(Ok(Appended { position, duplicate: true }));
            continue;
        }
        let cost = append.record.len() as u64 + ENTRY_OVERHEAD;
        if used + cost > max_bytes {
            outcomes.push(Err(LogError::Full(format!("it holds its {max_bytes} bytes"))));
            continue;
        }
        let Some(position) = Position::new(end.epoch(), end.sequence() + 1) else {
            outcomes
                .push(Err(LogError::Rejected("the sequences of its epoch are used up".to_owned())));
            continue;
        };
        insert.execute((
            position.as_i64(),
            append.id.as_bytes(),
            append.conversation.tenant.as_str(),
            append.conversation.id.as_bytes(),
            now.as_millis(),
            append.record.as_ref(),
        ))?;
        (end, used) = (position, used + cost);
        outcomes.push(Ok(Appended { position, duplicate: false }));
    }
    Ok(outcomes)
}

/// Acknowledges, and keeps what is set aside.
pub(super) fn mark_all(
    connection: &Connection,
    marks: &[Mark],
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut ack = connection.prepare_cached(
        "INSERT OR IGNORE INTO acked SELECT ?1 WHERE ?1 > (SELECT persisted FROM standing)",
    )?;
    let mut keep = connection.prepare_cached(
        "INSERT OR REPLACE INTO set_aside
            (position, id, tenant, conversation, stored_at, set_aside_at, reason, record)
         SELECT position, id, tenant, conversation, stored_at, ?2, ?3, record FROM entries WHERE position = ?1",
    )?;
    for mark in marks {
        match &mark.kind {
            MarkKind::Ack(positions) => {
                for position in positions {
                    ack.execute([position.as_i64()])?;
                }
            }
            MarkKind::SetAside(position, reason) => {
                let reason: String = reason.chars().take(REASON_CHARS).collect();
                keep.execute((position.as_i64(), now.as_millis(), reason))?;
                ack.execute([position.as_i64()])?;
            }
        }
    }
    if marks.is_empty() { Ok(()) } else { raise_persisted(connection) }
}

/// Raises the persisted position over everything that is acknowledged without a gap; over all of
/// it, to the end.
pub(super) fn raise_persisted(connection: &Connection) -> rusqlite::Result<()> {
    let Extent { end, persisted, .. } = Extent::read(connection)?;
    let mut later = connection.prepare_cached(
        "SELECT entries.position FROM entries LEFT JOIN acked USING (position)
         WHERE entries.position > ?1 AND acked.position IS NULL ORDER BY entries.position LIMIT 1",
    )?;
    let waiting = later.query_row([persisted.as_i64()], |row| position(row, 0)).optional()?;
    let raised = waiting.map_or(end, Position::before).max(persisted);
    if raised > persisted {
        connection
            .prepare_cached("UPDATE standing SET persisted = ?1")?
            .execute([raised.as_i64()])?;
        connection
            .prepare_cached("DELETE FROM acked WHERE position <= ?1")?
            .execute([raised.as_i64()])?;
    }
    Ok(())
}

/// Whether the oldest entry may be forgotten: a quick look.
pub(super) fn has_aged(connection: &Connection, before: Timestamp) -> rusqlite::Result<bool> {
    let mut oldest =
        connection.prepare_cached("SELECT stored_at FROM entries ORDER BY position LIMIT 1")?;
    let oldest: Option<i64> = oldest.query_row([], |row| row.get(0)).optional()?;
    Ok(oldest.is_some_and(|stored_at| stored_at < before.as_millis()))
}

/// Forgets, from the start on, what was stored `before` and is acknowledged; returns how many
/// entries that were.
pub(super) fn forget(connection: &Connection, before: Timestamp) -> rusqlite::Result<usize> {
    let Extent { end, persisted, .. } = Extent::read(connection)?;
    let mut oldest = connection
        .prepare_cached("SELECT position, stored_at FROM entries ORDER BY position LIMIT ?1")?;
    let mut rows = oldest.query([FORGET_AT_ONCE as i64])?;
    let mut through = None;
    while let Some(row) = rows.next()? {
        let (position, stored_at): (_, i64) = (position(row, 0)?, row.get(1)?);
        if stored_at >= before.as_millis() || position > persisted || position >= end {
            break;
        }
        through = Some(position);
    }
    match through {
        Some(through) => connection
            .prepare_cached("DELETE FROM entries WHERE position <= ?1")?
            .execute([through.as_i64()]),
        None => Ok(0),
    }
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
