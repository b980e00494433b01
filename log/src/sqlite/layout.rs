//! The layout of the file: its tables, how an older one becomes the current one, and whether a file
//! is one of ours at all.

use parlor_common::position::Epoch;
use rusqlite::{Connection, Transaction};

use crate::PERSISTER;

/// The layout that this code reads and writes.
pub(super) const LAYOUT: i64 = 4;
/// Marks a SQLite file as an embedded log: `PLog`.
const APPLICATION: i64 = 0x504c_6f67;

/// The last column is the largest, so that the others are read without it. `position` is the rowid,
/// and the only index: the rest is the window's.
const ENTRIES: &str = "
    CREATE TABLE entries (
        position INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        tenant TEXT NOT NULL,
        conversation BLOB NOT NULL,
        stored_at INTEGER NOT NULL,
        record BLOB NOT NULL
    );
";

const STANDING: &str = "
    CREATE TABLE standing (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        epoch_start INTEGER NOT NULL
    );
";

const GROUPS: &str = "
    CREATE TABLE consumer_groups (
        name TEXT PRIMARY KEY,
        acked_through INTEGER NOT NULL
    ) WITHOUT ROWID;
    -- What a group has acknowledged although something before it is not: nothing at or before its
    -- `acked_through` is in here.
    CREATE TABLE acked (
        consumer_group TEXT NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (consumer_group, position)
    ) WITHOUT ROWID;
    CREATE TABLE dead_letters (
        consumer_group TEXT NOT NULL,
        position INTEGER NOT NULL,
        id BLOB NOT NULL,
        tenant TEXT NOT NULL,
        conversation BLOB NOT NULL,
        stored_at INTEGER NOT NULL,
        dead_at INTEGER NOT NULL,
        reason TEXT NOT NULL,
        record BLOB NOT NULL,
        PRIMARY KEY (consumer_group, position)
    );
";

/// Who the log is: its incarnation, which is another one after each restore, and the file that it
/// was in when it was last opened.
const INCARNATION: &str = "
    ALTER TABLE standing ADD COLUMN incarnation BLOB NOT NULL DEFAULT x'';
    ALTER TABLE standing ADD COLUMN origin TEXT NOT NULL DEFAULT '';
";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing is in it yet.
    New,
    /// A log of the current layout.
    Current,
    /// A log of an older layout, which [`migrate`] makes current.
    Older,
    /// A log of a later layout.
    Newer(i64),
    /// Somebody else's.
    Foreign,
}

/// Looks at a file without changing it.
pub(super) fn look(connection: &Connection) -> rusqlite::Result<Found> {
    let number =
        |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let application = number("application_id")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application, tables, number("user_version")?) {
        (0, 0, 0) => Found::New,
        (APPLICATION, _, LAYOUT) => Found::Current,
        (APPLICATION, _, 1..LAYOUT) => Found::Older,
        (APPLICATION, _, layout) if layout > LAYOUT => Found::Newer(layout),
        _ => Found::Foreign,
    })
}

/// Makes the tables of an empty log that begins with `epoch`.
pub(super) fn make(transaction: &Transaction<'_>, epoch: Epoch) -> rusqlite::Result<()> {
    transaction.execute_batch(ENTRIES)?;
    transaction.execute_batch(STANDING)?;
    transaction.execute_batch(GROUPS)?;
    transaction.execute_batch(INCARNATION)?;
    let start = epoch.start().as_i64();
    transaction.execute("INSERT INTO standing (only, epoch_start) VALUES (1, ?1)", [start])?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", LAYOUT)
}

/// Makes an older layout the current one.
pub(super) fn migrate(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let layout: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if layout < 2 {
        add_groups(transaction)?;
    }
    if layout < 3 {
        transaction.execute_batch(INCARNATION)?;
    }
    drop_indexes(transaction)?;
    transaction.pragma_update(None, "user_version", LAYOUT)
}

/// Layout 3 had indexes by id, by tenant and by conversation.
fn drop_indexes(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("ALTER TABLE entries RENAME TO entries_of_layout_3")?;
    transaction.execute_batch(ENTRIES)?;
    transaction.execute_batch(
        "INSERT INTO entries SELECT position, id, tenant, conversation, stored_at, record
             FROM entries_of_layout_3 ORDER BY position;
         DROP TABLE entries_of_layout_3;",
    )
}

/// Layout 1 knew one group, the persister's: its progress and what it set aside become the group's.
fn add_groups(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch("ALTER TABLE acked RENAME TO acked_of_layout_1")?;
    transaction.execute_batch(GROUPS)?;
    transaction
        .execute("INSERT INTO consumer_groups SELECT ?1, persisted FROM standing", [PERSISTER])?;
    transaction
        .execute("INSERT INTO acked SELECT ?1, position FROM acked_of_layout_1", [PERSISTER])?;
    transaction.execute(
        "INSERT INTO dead_letters SELECT ?1, position, id, tenant, conversation, stored_at,
             set_aside_at, reason, record FROM set_aside",
        [PERSISTER],
    )?;
    transaction.execute_batch(
        "DROP TABLE acked_of_layout_1;
         DROP TABLE set_aside;
         ALTER TABLE standing DROP COLUMN persisted;",
    )
}

/// Adds the groups that the file does not know: each begins with the oldest entry.
pub(super) fn provision<'a>(
    transaction: &Transaction<'_>,
    groups: impl Iterator<Item = &'a str>,
) -> rusqlite::Result<()> {
    let mut add = transaction.prepare_cached(
        "INSERT OR IGNORE INTO consumer_groups (name, acked_through)
         SELECT ?1, COALESCE((SELECT min(position) - 1 FROM entries), epoch_start) FROM standing",
    )?;
    for group in groups {
        add.execute([group])?;
    }
    Ok(())
}
