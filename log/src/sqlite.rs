//! The embedded log: one shard in one SQLite file, for an installation of one process.
//!
//! A commit that returned survives `kill -9` and a power cut (WAL, `synchronous=FULL`). One writer
//! thread commits whatever has gathered while the last commit was on its way to the disk; readers
//! read snapshots beside it, and are woken when the committed end has moved. Where the entries of a
//! conversation are is known in memory (`window.rs`). In three things it promises more than its
//! trait: an id is known for as long as its entry is kept, an entry is forgotten for its age only
//! once [`PERSISTER`](crate::PERSISTER) has acknowledged it (other groups hold nothing back), and a
//! file that has lost its end moves to a new epoch by itself.

mod commit;
mod extent;
mod group;
mod job;
mod layout;
mod origin;
mod readers;
mod recent;
mod row;
mod schema;
mod settings;
mod tail;
#[cfg(test)]
mod tests;
mod window;
mod writer;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parlor_common::{
    clock::Clock,
    conversation::ConversationKey,
    position::{Epoch, Position},
    shard::{Shard, Shards},
};
use tokio::sync::watch;

use self::{
    extent::{Extent, acked_through},
    group::{Group, SqliteDeliveries},
    readers::{Readers, Snapshot},
    tail::SqliteTail,
    window::{Found, Window},
    writer::WriterHandle,
};
pub use self::{schema::OpenError, settings::SqliteLogSettings};
use crate::{
    Appended, Deliveries, EventLog, Filter, LogError, LogPage, Metrics, NewEntry, ShardState,
    Start, Tail, Trim, is_group_name,
};

/// The largest record that is taken, as a NATS server's default for a payload.
const MAX_RECORD: usize = 1 << 20;

/// Records of one caller in one commit: enough that a commit costs little of each, and few beside
/// what others may have in it.
const RUN: usize = 16;

/// The embedded log. Cheap to clone; clones are the same log.
///
/// Dropping the last of it, its tails and its deliveries lets the writer finish what it was given
/// and end by itself; [`close`](Self::close) waits for that.
#[derive(Clone, Debug)]
pub struct SqliteLog {
    writer: WriterHandle,
    readers: Readers,
    window: Arc<RwLock<Window>>,
    end: watch::Receiver<Position>,
    groups: Arc<BTreeMap<String, Arc<Group>>>,
    incarnation: Arc<[u8]>,
    max_age: Duration,
    max_bytes: u64,
    clock: Clock,
    metrics: Metrics,
}

/// The log was closed, or its writer has ended.
fn closed() -> LogError {
    LogError::Unavailable("it is closed".to_owned())
}

/// What SQLite's error means to the log's caller.
fn failed(error: &rusqlite::Error) -> LogError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => {
            LogError::Full("there is no space left on its disk".to_owned())
        }
        _ => LogError::Unavailable(error.to_string()),
    }
}

// === impl SqliteLog ===

impl SqliteLog {
    /// Opens `log.db` in `folder`, makes both where they are missing, and takes the folder for this
    /// process. Blocks.
    ///
    /// `seen` is the highest position that the store has noted: a new file begins in the epoch
    /// after it, and a file that ends before it has lost something and goes on in a new epoch, in
    /// which the older entries are still delivered but no longer read. Where the store has seen
    /// less than was acknowledged, what lies between is delivered again; `None` says nothing about
    /// the store.
    ///
    /// # Errors
    /// [`OpenError`], a sentence for the operator.
    pub fn open(
        folder: &Path,
        settings: SqliteLogSettings,
        clock: Clock,
        seen: Option<Position>,
        metrics: Metrics,
    ) -> Result<Self, OpenError> {
        let names = settings.group_names();
        if let Some(name) = names.iter().find(|name| !is_group_name(name)) {
            return Err(OpenError::Group((*name).to_owned()));
        }
        let held = schema::hold(folder)?;
        let path = folder.join("log.db");
        let connection = schema::open(&path, seen, names.iter().copied())?;
        let readers = Readers::open(&path)?;
        let refused = |reason: String| OpenError::File { path: path.clone(), reason };
        let incarnation =
            schema::incarnation(&connection).map_err(|error| refused(error.to_string()))?.into();
        let mut groups = BTreeMap::new();
        for name in names {
            let through =
                acked_through(&connection, name).map_err(|error| refused(error.to_string()))?;
            groups.insert(name.to_owned(), Arc::new(Group::new(name, through, settings.ack_wait)));
        }
        let (max_age, max_bytes) = (settings.max_age, settings.max_bytes);
        let window = Window::fill(&connection).map_err(|error| refused(error.to_string()))?;
        metrics.window_entries.set(i64::try_from(window.len()).unwrap_or(i64::MAX));
        let window = Arc::new(RwLock::new(window));
        let file = (connection, held);
        let (writer, end) =
            writer::start(file, window.clone(), settings, clock.clone(), metrics.clone())
                .map_err(|error| refused(error.to_string()))?;
        let groups = Arc::new(groups);
        Ok(Self {
            writer,
            readers,
            window,
            end,
            groups,
            incarnation,
            max_age,
            max_bytes,
            clock,
            metrics,
        })
    }

    /// Says that the folder was restored from a backup: the log goes on in the returned epoch,
    /// above all that it, or the store, has seen, and in another incarnation. Blocks.
    ///
    /// # Errors
    /// [`OpenError`], a sentence for the operator.
    pub fn renew(
        folder: &Path,
        settings: &SqliteLogSettings,
        seen: Option<Position>,
    ) -> Result<Epoch, OpenError> {
        let _held = schema::hold(folder)?;
        let path = folder.join("log.db");
        let groups = settings.group_names();
        let mut connection = schema::open(&path, seen, groups.into_iter())?;
        schema::renew(&mut connection, &path, seen)
    }

    /// What its positions are good for: those of another incarnation may be the same and mean other
    /// events. Empty before a first restore.
    pub fn incarnation(&self) -> &[u8] {
        &self.incarnation
    }

    /// Commits what was given so far, then ends the writer and frees the folder. Appends that come
    /// later are [`LogError::Unavailable`], and tails and deliveries end.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] where it is closed already, or its disk does not answer.
    pub async fn close(&self) -> Result<(), LogError> {
        self.writer.close().await
    }

    /// Appends, and counts what came of each.
    async fn run(&self, mut run: Vec<NewEntry>) -> Vec<Result<Appended, LogError>> {
        let began = Instant::now();
        let too_large = run.iter().position(|new| new.record.len() > MAX_RECORD);
        run.truncate(too_large.unwrap_or(run.len()));
        let mut outcomes = match run.is_empty() {
            true => Vec::new(),
            false => self.writer.append(run).await.unwrap_or_else(|error| vec![Err(error)]),
        };
        if too_large == Some(outcomes.len()) && outcomes.iter().all(Result::is_ok) {
            let why = format!("a record has at most {MAX_RECORD} bytes");
            outcomes.push(Err(LogError::Rejected(why)));
        }
        for outcome in &outcomes {
            self.metrics.appended(outcome, began.elapsed());
        }
        outcomes
    }

    /// Whether the writer lives: without it, what the file says is true but no longer of use.
    fn check(&self, shard: Shard) -> Result<(), LogError> {
        if shard != Shard::ONLY {
            return Err(LogError::Rejected(format!("it has no shard {shard}")));
        }
        self.end.has_changed().map(drop).map_err(|_| closed())
    }
}

#[async_trait]
impl EventLog for SqliteLog {
    fn shards(&self) -> Shards {
        Shards::ONE
    }

    async fn append(&self, new: &NewEntry) -> Result<Appended, LogError> {
        self.run(vec![new.clone()]).await.pop().unwrap_or_else(|| Err(closed()))
    }

    fn run_length(&self) -> usize {
        RUN
    }

    async fn append_run(&self, run: &[NewEntry]) -> Vec<Result<Appended, LogError>> {
        self.run(run.to_vec()).await
    }

    async fn tail(&self, shard: Shard, start: Start) -> Result<Box<dyn Tail>, LogError> {
        self.check(shard)?;
        let after = match start {
            Start::End => *self.end.borrow(),
            Start::After(after) => {
                let extent = self.readers.read(|snapshot| snapshot.extent()).await?;
                if after < extent.start || after > extent.end {
                    let Extent { start, end, .. } = extent;
                    return Err(LogError::Rejected(format!(
                        "{after} is not between its start {start} and its end {end}"
                    )));
                }
                after
            }
        };
        Ok(Box::new(SqliteTail::new(
            after,
            self.window.clone(),
            self.readers.clone(),
            self.end.clone(),
        )))
    }

    async fn read(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<LogPage, LogError> {
        let mut from = after;
        loop {
            // The window comes first: the snapshot that is taken after it has all of it, but for
            // what has gone since.
            let Found { positions, entries, start, end } = self
                .window
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .after(filter, from, limit);
            if after > end {
                return Err(LogError::Rejected(format!("{after} is ahead of its end {end}")));
            }
            let through = match positions.last() {
                Some(last) if positions.len() >= limit => *last,
                _ => end,
            };
            if let Some(entries) = entries {
                // The window had all that was acknowledged before the call.
                return Ok(LogPage { entries, from: from.max(start), through });
            }
            let read = move |snapshot: &Snapshot<'_>| {
                let start = snapshot.extent()?.start;
                if positions.first().is_some_and(|first| *first <= start) {
                    return Ok((start, None));
                }
                Ok((start, Some(snapshot.entries(&positions)?)))
            };
            let (start, entries) = self.readers.read(read).await?;
            from = from.max(start);
            if let Some(entries) = entries {
                return Ok(LogPage { entries, from, through });
            }
        }
    }

    async fn deliveries(&self, shard: Shard, group: &str) -> Result<Box<dyn Deliveries>, LogError> {
        self.check(shard)?;
        let Some(group) = self.groups.get(group).cloned() else {
            return Err(LogError::Rejected(format!("the group {group:?} was not provisioned")));
        };
        let readers = self.readers.clone();
        Ok(Box::new(SqliteDeliveries::new(
            group,
            (self.window.clone(), readers),
            self.writer.clone(),
            self.end.clone(),
        )))
    }

    async fn last(&self, conversation: &ConversationKey) -> Result<Position, LogError> {
        let window = self.window.read().unwrap_or_else(PoisonError::into_inner);
        Ok(window.last(conversation).unwrap_or(Position::ZERO))
    }

    async fn state(&self, shard: Shard) -> Result<ShardState, LogError> {
        self.check(shard)?;
        let (max_age, time) = (Some(self.max_age), self.clock.now());
        let max_bytes = Some(self.max_bytes);
        self.readers
            .read(move |snapshot| {
                let Extent { start, end, persisted } = snapshot.extent()?;
                let oldest_unpersisted = snapshot.stored_after(persisted)?;
                let used_bytes = snapshot.used_bytes()?;
                Ok(ShardState {
                    start,
                    end,
                    persisted,
                    oldest_unpersisted,
                    max_age,
                    used_bytes,
                    max_bytes,
                    time,
                })
            })
            .await
    }

    async fn trim(&self, shard: Shard, trim: Trim) -> Result<u64, LogError> {
        self.check(shard)?;
        let mut gone = 0;
        loop {
            let forgotten = self.writer.forget(trim).await?;
            if forgotten == 0 {
                return Ok(gone);
            }
            gone += forgotten as u64;
        }
    }
}
