//! The file: how it is opened, made, and moved to a new epoch.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use parlor_common::position::{Epoch, Position};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tracing::{info, warn};

use super::{
    commit,
    extent::Extent,
    layout::{self, Found, LAYOUT},
    origin,
};
use crate::PERSISTER;

/// How long a connection waits for a lock that only a visiting tool can hold.
const BUSY: Duration = Duration::from_secs(2);

/// Why the embedded log could not be opened; each is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made, read or written.
    #[error("the folder {} of the embedded log cannot be used: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("the embedded log in {} is open in another process", .0.display())]
    Held(PathBuf),
    /// The file is something else.
    #[error("{} is not an embedded log of Parlor", .0.display())]
    Foreign(PathBuf),
    /// A later version wrote it.
    #[error("{} has layout {found}, which is newer than this program's layout \
        {LAYOUT}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
    },
    /// SQLite refuses the file.
    #[error("{} cannot be opened: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// A group of consumers has a name that no log takes.
    #[error("embedded.log.groups: {0:?} cannot be a group's name")]
    Group(String),
    /// There is no epoch after the one that the store has seen.
    #[error("the epochs are used up")]
    NoEpoch,
}

/// What a page of the file holds. A larger one takes more of what is appended together.
const PAGE_BYTES: i64 = 16 << 10;

/// The lock on a folder; it ends with the value, or the process.
#[derive(Debug)]
pub(super) struct Held(
    #[expect(dead_code, reason = "the lock lasts as long as the open file")] File,
);

/// Makes the folder where it is missing, and takes it for this process.
pub(super) fn hold(folder: &Path) -> Result<Held, OpenError> {
    let failed = |source| OpenError::Folder { path: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    // The entry of a new folder must survive a power cut as well as what is put into it.
    if let Some(parent) = folder.canonicalize().map_err(failed)?.parent() {
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
    }
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("log.lock"))
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(Held(lock)),
        Err(TryLockError::WouldBlock) => Err(OpenError::Held(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Opens the file for writing, makes it where it is missing, adds the `groups` that it lacks, and
/// moves it to a new epoch where it has lost what the store has `seen`, or is a copy of the file
/// that was opened last.
pub(super) fn open<'a>(
    path: &Path,
    seen: Option<Position>,
    groups: impl Iterator<Item = &'a str>,
) -> Result<Connection, OpenError> {
    let refused = |error: rusqlite::Error| OpenError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(refused)?;
    connection.busy_timeout(BUSY).map_err(refused)?;
    // Looked at before anything is changed: the file may be somebody else's.
    let found = check(&connection, path)?;
    prepare(&connection).map_err(refused)?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(refused)?;
    if found == Found::New {
        let epoch = match seen {
            Some(seen) => seen.epoch().next().ok_or(OpenError::NoEpoch)?,
            None => Epoch::FIRST,
        };
        layout::make(&transaction, epoch).map_err(refused)?;
    } else if found == Found::Older {
        layout::migrate(&transaction).map_err(refused)?;
        info!(layout = LAYOUT, "the embedded log has the current layout now");
    }
    layout::provision(&transaction, groups).map_err(refused)?;
    let failed = |source| OpenError::Folder { path: path.to_owned(), source };
    let origin = origin::of(path).map_err(failed)?;
    if found != Found::New {
        lower_floors(&transaction).map_err(refused)?;
        let Extent { end, persisted, .. } = Extent::read(&transaction).map_err(refused)?;
        let lost = seen.is_some_and(|seen| seen > end);
        if let Some(seen) = seen.filter(|_| !lost) {
            deliver_again(&transaction, seen, persisted).map_err(refused)?;
        }
        let copied = origin::is_copy(&transaction, &origin).map_err(refused)?;
        if lost {
            warn!(%end, ?seen, "the log ends before what the store has seen: it was restored, or \
                lost its end, and goes on in a new epoch");
        } else if copied {
            warn!(%end, "the log is a copy of the file that was opened last: it was restored or \
                moved, and goes on in a new epoch");
        }
        if lost || copied {
            begin_epoch(&transaction, epoch_after(end, seen)?).map_err(refused)?;
        }
    }
    origin::note(&transaction, &origin).map_err(refused)?;
    transaction.commit().map_err(refused)?;
    if page_bytes(&connection).map_err(refused)? != PAGE_BYTES {
        let widened = widen_pages(&connection);
        prepare(&connection).map_err(refused)?;
        match widened {
            Ok(()) => info!(bytes = PAGE_BYTES, "the embedded log has larger pages now"),
            Err(error) => warn!(%error, "the embedded log keeps its small pages, and is slower"),
        }
    }
    Ok(connection)
}

fn page_bytes(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "page_size", |row| row.get(0))
}

/// Writes the whole file anew. A file with a WAL keeps the pages that it has.
fn widen_pages(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()))?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.execute_batch("VACUUM")
}

/// Moves an opened file to the epoch after every one that it, or the store, has seen.
pub(super) fn renew(
    connection: &mut Connection,
    path: &Path,
    seen: Option<Position>,
) -> Result<Epoch, OpenError> {
    let refused = |error: rusqlite::Error| OpenError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(refused)?;
    let end = Extent::read(&transaction).map_err(refused)?.end;
    let epoch = epoch_after(end, seen)?;
    begin_epoch(&transaction, epoch).map_err(refused)?;
    transaction.commit().map_err(refused)?;
    Ok(epoch)
}

/// What sets the log's positions apart from those of another restore that came to the same epoch.
pub(super) fn incarnation(connection: &Connection) -> rusqlite::Result<Vec<u8>> {
    connection.query_row("SELECT incarnation FROM standing", [], |row| row.get(0))
}

/// The epoch after every one of which there is a position.
fn epoch_after(end: Position, seen: Option<Position>) -> Result<Epoch, OpenError> {
    let last = seen.unwrap_or_default().epoch().max(end.epoch());
    last.next().ok_or(OpenError::NoEpoch)
}

fn begin_epoch(transaction: &Transaction<'_>, epoch: Epoch) -> rusqlite::Result<()> {
    // Another restore of the same backup comes to the same epoch: what is random tells them apart.
    transaction.execute(
        "UPDATE standing SET epoch_start = ?1, incarnation = randomblob(16)",
        [epoch.start().as_i64()],
    )?;
    let mut names = transaction.prepare("SELECT name FROM consumer_groups")?;
    let names: Vec<String> =
        names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    names.iter().try_for_each(|group| commit::raise(transaction, group))
}

/// A group whose floor lies ahead of the log's end would never be given what is appended up to
/// there. One file cannot come to that by itself, but tools can bring it to it.
fn lower_floors(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let end = Extent::read(transaction)?.end.as_i64();
    let lowered = transaction
        .execute("UPDATE consumer_groups SET acked_through = ?1 WHERE acked_through > ?1", [end])?;
    transaction.execute("DELETE FROM acked WHERE position > ?1", [end])?;
    if lowered > 0 {
        warn!(
            groups = lowered,
            "groups had acknowledged what the log does not have: they go on at its end"
        );
    }
    Ok(())
}

/// The store has `seen` less than was acknowledged: it was lost, or restored from a copy, and is
/// made whole from here, as far back as the log goes. Where nothing that is kept lies between the
/// two, there is nothing to do.
fn deliver_again(
    transaction: &Transaction<'_>,
    seen: Position,
    persisted: Position,
) -> rusqlite::Result<()> {
    let between = [seen.as_i64(), persisted.as_i64()];
    let count: i64 = transaction.query_row(
        "SELECT count(*) FROM entries WHERE position > ?1 AND position <= ?2",
        between,
        |row| row.get(0),
    )?;
    if count > 0 {
        warn!(%seen, %persisted, count, "the store has seen less than it acknowledged: what lies \
            between is delivered again");
        transaction.execute(
            "UPDATE consumer_groups SET acked_through = ?2 WHERE name = ?1",
            (PERSISTER, seen.as_i64()),
        )?;
        transaction.execute("DELETE FROM acked WHERE consumer_group = ?1", [PERSISTER])?;
    }
    Ok(())
}

/// Opens the file for reading. It must be there, and the writer's connection open.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    // Even a reader writes the index of the WAL; `query_only` keeps it from the rest.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        })
        .map_err(|error| OpenError::File { path: path.to_owned(), reason: error.to_string() })
}

/// What the file is; an error where it is nothing that this code can write.
fn check(connection: &Connection, path: &Path) -> Result<Found, OpenError> {
    match layout::look(connection) {
        Ok(found @ (Found::New | Found::Current | Found::Older)) => Ok(found),
        Ok(Found::Newer(found)) => Err(OpenError::Newer { path: path.to_owned(), found }),
        Ok(Found::Foreign) => Err(OpenError::Foreign(path.to_owned())),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            Err(OpenError::Foreign(path.to_owned()))
        }
        Err(error) => Err(OpenError::File { path: path.to_owned(), reason: error.to_string() }),
    }
}

/// With these a commit that returned survives a power cut.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // A file that has pages already keeps them.
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::ToSqlConversionFailure(
            "its file system has no room for a shared WAL index".into(),
        ));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    // After a long read has kept the WAL from being used again, it is cut back to 16 MiB.
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    connection.pragma_update(None, "cache_size", -(16 << 10))
}
