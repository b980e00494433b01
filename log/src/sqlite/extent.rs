//! Where the log begins and ends, in the eyes of one transaction; and how positions are read.

use parlor_common::position::Position;
use rusqlite::{Connection, Row, types::ValueRef};

use crate::PERSISTER;

/// Where the log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Everything of the epoch after this is in the log.
    pub(super) start: Position,
    /// The last position that was given, or the epoch's start.
    pub(super) end: Position,
    /// The group [`PERSISTER`] has acknowledged everything up to here.
    pub(super) persisted: Position,
}

// === impl Extent ===

impl Extent {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached(
            "SELECT epoch_start,
                (SELECT acked_through FROM consumer_groups WHERE name = ?1),
                (SELECT max(position) FROM entries),
                (SELECT min(position) FROM entries WHERE position > epoch_start)
             FROM standing",
        )?;
        statement.query_row([PERSISTER], |row| {
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

/// Everything up to here is acknowledged by `group`.
pub(super) fn acked_through(connection: &Connection, group: &str) -> rusqlite::Result<Position> {
    connection
        .prepare_cached("SELECT acked_through FROM consumer_groups WHERE name = ?1")?
        .query_row([group], |row| position(row, 0))
}

/// Reads a position from a column.
pub(super) fn position(row: &Row<'_>, column: usize) -> rusqlite::Result<Position> {
    let packed = row.get(column)?;
    Position::from_i64(packed).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, packed))
}

fn optional_position(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Position>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => position(row, column).map(Some),
    }
}
