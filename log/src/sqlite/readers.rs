//! Reading the file: a few connections, each reading within a snapshot.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use parlor_common::{
    clock::Timestamp,
    deadline::in_time,
    planted::{self, Fault},
    position::Position,
};
use rusqlite::{Connection, OptionalExtension, Row, Rows, Transaction};
use tokio::sync::Semaphore;

use super::{
    OpenError, closed, commit,
    extent::{Extent, position},
    failed,
    row::conversation,
    schema,
};
use crate::{Entry, LogError};

/// Connections, and so reads at once: more than the cores of a small machine.
const CONNECTIONS: usize = 4;
/// How long a read may take, its wait for a connection included.
const DEADLINE: Duration = Duration::from_secs(5);

/// The connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    turns: Arc<Semaphore>,
}

/// The file as it was at one moment: everything that was committed before is in it.
#[derive(Debug)]
pub(super) struct Snapshot<'a>(Transaction<'a>);

/// Part of the shard, whosever.
#[derive(Debug)]
pub(super) struct Stretch {
    /// Where the log began in this snapshot.
    pub(super) start: Position,
    pub(super) entries: Vec<Entry>,
    /// Nothing else lies up to here.
    pub(super) through: Position,
}

// === impl Readers ===

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let free: Vec<_> =
            (0..CONNECTIONS).map(|_| schema::open_reader(path)).collect::<Result<_, _>>()?;
        Ok(Self { free: Arc::new(Mutex::new(free)), turns: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    /// Reads in a snapshot that is not older than the call, on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let unavailable = |why: String| LogError::Unavailable(format!("its disk: {why}"));
        in_time(DEADLINE, unavailable, async {
            let turn = self.turns.clone().acquire_owned().await.map_err(|_| closed())?;
            let free = self.free.clone();
            let reading = tokio::task::spawn_blocking(move || {
                planted::panic_if(Fault::PanicInLogRead);
                let mut connection = lock(&free).pop().ok_or_else(closed)?;
                let result = Snapshot::take(&mut connection).and_then(|snapshot| read(&snapshot));
                lock(&free).push(connection);
                drop(turn);
                result
            });
            reading
                .await
                .unwrap_or_else(|_| Err(LogError::Unavailable("the process stops".to_owned())))
        })
        .await
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("free", &self.turns.available_permits()).finish()
    }
}

fn lock(free: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Snapshot ===

impl<'a> Snapshot<'a> {
    fn take(connection: &'a mut Connection) -> Result<Self, LogError> {
        connection.transaction().map(Self).map_err(|error| failed(&error))
    }

    pub(super) fn extent(&self) -> Result<Extent, LogError> {
        Extent::read(&self.0).map_err(|error| failed(&error))
    }

    pub(super) fn used_bytes(&self) -> Result<u64, LogError> {
        commit::used_bytes(&self.0).map_err(|error| failed(&error))
    }

    /// The entries at these positions, all of which lie after the start.
    pub(super) fn entries(&self, positions: &[Position]) -> Result<Vec<Entry>, LogError> {
        let read = || -> rusqlite::Result<Vec<Entry>> {
            let mut statement = self.0.prepare_cached(
                "SELECT position, tenant, conversation, stored_at, record FROM entries
                 WHERE position = ?1",
            )?;
            let one = |position: &Position| statement.query_row([position.as_i64()], entry);
            positions.iter().map(one).collect()
        };
        read().map_err(|error| failed(&error))
    }

    /// What follows `after`, up to `count` entries or the one with which their records reach
    /// `bytes`.
    pub(super) fn stretch(
        &self,
        after: Position,
        count: usize,
        bytes: usize,
    ) -> Result<Stretch, LogError> {
        let Extent { start, end, .. } = self.extent()?;
        let read = || {
            let mut statement = self.0.prepare_cached(
                "SELECT position, tenant, conversation, stored_at, record FROM entries
                 WHERE position > ?1 ORDER BY position",
            )?;
            let mut fits = Fits::new(count, bytes);
            take_while_fits(statement.query([after.as_i64()])?, |record| fits.one_more(record))
        };
        let (entries, whole) = read().map_err(|error: rusqlite::Error| failed(&error))?;
        let last = entries.last().map_or(after, |entry| entry.position);
        Ok(Stretch { start, entries, through: if whole { end.max(last) } else { last } })
    }

    /// What follows `after` and `group` has not acknowledged, while `fits` says so of the next
    /// record's length; and whether that is all of it.
    pub(super) fn unacked_after(
        &self,
        group: &str,
        after: Position,
        fits: impl FnMut(usize) -> bool,
    ) -> Result<(Vec<Entry>, bool), LogError> {
        let read = || {
            let mut statement = self.0.prepare_cached(
                "SELECT position, tenant, conversation, stored_at, record FROM entries
                 WHERE position > ?2
                     AND position > (SELECT acked_through FROM consumer_groups WHERE name = ?1)
                     AND NOT EXISTS (SELECT 1 FROM acked
                         WHERE consumer_group = ?1 AND acked.position = entries.position)
                 ORDER BY position",
            )?;
            take_while_fits(statement.query((group, after.as_i64()))?, fits)
        };
        read().map_err(|error: rusqlite::Error| failed(&error))
    }

    /// The entry at this position, if `group` has not acknowledged it.
    pub(super) fn unacked_at(
        &self,
        group: &str,
        position: Position,
    ) -> Result<Option<Entry>, LogError> {
        let read = || {
            let mut statement = self.0.prepare_cached(
                "SELECT position, tenant, conversation, stored_at, record FROM entries
                 WHERE position = ?2
                     AND position > (SELECT acked_through FROM consumer_groups WHERE name = ?1)
                     AND NOT EXISTS (SELECT 1 FROM acked
                         WHERE consumer_group = ?1 AND acked.position = entries.position)",
            )?;
            statement.query_row((group, position.as_i64()), entry).optional()
        };
        read().map_err(|error| failed(&error))
    }

    /// When the first entry after `persisted` was stored.
    pub(super) fn stored_after(&self, persisted: Position) -> Result<Option<Timestamp>, LogError> {
        let read = || {
            let mut statement = self.0.prepare_cached(
                "SELECT stored_at FROM entries WHERE position > ?1 ORDER BY position LIMIT 1",
            )?;
            statement
                .query_row([persisted.as_i64()], |row| row.get(0).map(Timestamp::from_millis))
                .optional()
        };
        read().map_err(|error| failed(&error))
    }
}

/// Whether one more fits into a stretch.
pub(super) struct Fits {
    count: usize,
    bytes: usize,
    first: bool,
}

impl Fits {
    pub(super) const fn new(count: usize, bytes: usize) -> Self {
        Self { count, bytes, first: true }
    }

    pub(super) fn one_more(&mut self, record: usize) -> bool {
        let fits = self.count > 0 && (self.first || record <= self.bytes);
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(record);
        self.first = false;
        fits
    }
}

/// Reads rows until one does not fit; tells whether the rows ended before.
fn take_while_fits(
    mut rows: Rows<'_>,
    mut fits: impl FnMut(usize) -> bool,
) -> rusqlite::Result<(Vec<Entry>, bool)> {
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        if !fits(record(row)?.len()) {
            return Ok((entries, false));
        }
        entries.push(entry(row)?);
    }
    Ok((entries, true))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        conversation: conversation(row)?,
        position: position(row, 0)?,
        stored_at: Timestamp::from_millis(row.get(3)?),
        record: Bytes::copy_from_slice(record(row)?),
    })
}

fn record<'r>(row: &'r Row<'_>) -> rusqlite::Result<&'r [u8]> {
    Ok(row.get_ref(4)?.as_blob()?)
}
