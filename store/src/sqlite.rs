//! The embedded store: one SQLite file, for one process.
//!
//! WAL with `synchronous=FULL`: an insert that returned survives `kill -9` and a power cut. The log
//! could give it again only for as long as it keeps.

mod conversation;
mod migrate;
mod pool;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    event::{Audience, Event},
    id::EventId,
    position::Position,
    shard::Shard,
    state::ConversationState,
    tenant::TenantId,
};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use self::pool::{Pool, unavailable};
use crate::{
    HistoryStore, InboxFilter, InboxPage, Metrics, Page, PageRange, StoreError, row::Kept,
};

const FILE: &str = "store.db";
/// The schema this code writes, kept in the file's `user_version`.
const VERSION: i64 = 4;
const SCHEMA: &str = include_str!("sqlite/schema.sql");
const READERS: usize = 4;

/// The history store of one process.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Pool,
    readers: Pool,
    metrics: Metrics,
}

// === impl SqliteStore ===

impl SqliteStore {
    /// Opens the store in `folder`, and makes both where they are not there yet.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] where the file is no store, or a later version's;
    /// [`StoreError::Unavailable`] where it cannot be opened or written.
    pub async fn open(folder: &Path, metrics: Metrics) -> Result<Self, StoreError> {
        let folder = folder.to_owned();
        let opened = tokio::task::spawn_blocking(move || open_files(&folder)).await;
        let (writer, readers) =
            opened.map_err(|error| StoreError::Unavailable(error.to_string()))??;
        Ok(Self { writer: Pool::new(vec![writer]), readers: Pool::new(readers), metrics })
    }
}

#[async_trait]
impl HistoryStore for SqliteStore {
    async fn insert(&self, events: &[Event]) -> Result<(), StoreError> {
        let insert = async {
            let kept = Kept::of(events)?;
            self.writer.run(move |connection| write::insert(connection, kept)).await
        };
        self.metrics.insert.observe(insert).await
    }

    async fn page(
        &self,
        conversation: &ConversationKey,
        audience: Audience,
        range: PageRange,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (conversation, metrics) = (conversation.clone(), self.metrics.clone());
        let page = self.readers.run(move |connection| {
            read::page(connection, &conversation, audience, range, limit, &metrics)
        });
        self.metrics.page.observe(page).await
    }

    async fn find(
        &self,
        conversation: &ConversationKey,
        id: &EventId,
    ) -> Result<Option<Event>, StoreError> {
        let (conversation, id, metrics) = (conversation.clone(), *id, self.metrics.clone());
        let found =
            self.readers.run(move |connection| read::find(connection, &conversation, id, &metrics));
        self.metrics.find.observe(found).await
    }

    async fn state(&self, conversation: &ConversationKey) -> Result<ConversationState, StoreError> {
        let conversation = conversation.clone();
        let metrics = self.metrics.clone();
        let state =
            self.readers.run(move |connection| read::state(connection, &conversation, &metrics));
        self.metrics.state.observe(state).await
    }

    async fn inbox(
        &self,
        tenant: &TenantId,
        filter: &InboxFilter,
        now: Timestamp,
        before: Position,
        limit: usize,
    ) -> Result<InboxPage, StoreError> {
        let (tenant, filter, metrics) = (tenant.clone(), filter.clone(), self.metrics.clone());
        let page = self.readers.run(move |connection| {
            read::inbox(connection, &tenant, (&filter, now), (before, limit), &metrics)
        });
        self.metrics.inbox.observe(page).await
    }

    async fn raise_watermark(&self, shard: Shard, position: Position) -> Result<(), StoreError> {
        let raised =
            self.writer.run(move |connection| write::raise_watermark(connection, shard, position));
        self.metrics.raise_watermark.observe(raised).await
    }

    async fn watermark(&self, shard: Shard) -> Result<Option<Position>, StoreError> {
        let found = self.readers.run(move |connection| read::watermark(connection, shard));
        self.metrics.watermark.observe(found).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let answer = self.readers.run(|connection| {
            connection.query_row("SELECT count(*) FROM watermarks", [], |_| Ok(()))
        });
        self.metrics.ping.observe(answer).await
    }
}

// === opening ===

fn open_files(folder: &Path) -> Result<(Connection, Vec<Connection>), StoreError> {
    let cannot =
        |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let path = folder.join(FILE);
    let mut writer = connect(&path).map_err(|error| refusal(&path, error))?;
    // Every insert touches pages of many conversations. What is changed often is kept in memory,
    // and moved from the WAL into the file less often: the WAL has 40 MB then.
    writer
        .pragma_update(None, "cache_size", -(64 << 10))
        .and_then(|()| writer.pragma_update(None, "wal_autocheckpoint", 10_000))
        .map_err(unavailable)?;
    provision(&path, &mut writer)?;
    let readers = (0..READERS)
        .map(|_| reader(&path))
        .collect::<rusqlite::Result<_>>()
        .map_err(unavailable)?;
    Ok((writer, readers))
}

fn connect(path: &PathBuf) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A long read lets the WAL grow; without this its file would keep that size for ever.
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    Ok(connection)
}

fn reader(path: &PathBuf) -> rusqlite::Result<Connection> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Makes the tables of a new file, or of one of an older version, all or nothing.
fn provision(path: &Path, writer: &mut Connection) -> Result<(), StoreError> {
    let transaction =
        writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
    let found: i64 =
        transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(unavailable)?;
    match found {
        VERSION => return Ok(()),
        0 => transaction.execute_batch(SCHEMA),
        1 => migrate::from_1(&transaction).and_then(|()| migrate::from_2(&transaction)),
        2 => migrate::from_2(&transaction),
        3 => migrate::from_3(&transaction),
        found => {
            return Err(StoreError::Rejected(format!(
                "{} was written by another version of Parlor: its schema is {found}, this version \
                 knows {VERSION}",
                path.display()
            )));
        }
    }
    .map_err(|error| refusal(path, error))?;
    transaction.pragma_update(None, "user_version", VERSION).map_err(unavailable)?;
    transaction.commit().map_err(unavailable)
}

fn refusal(path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Rejected(
            format!("{} is no store of Parlor's, or is damaged: {error}", path.display()),
        ),
        _ => unavailable(error),
    }
}
