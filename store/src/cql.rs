//! The CQL store: ScyllaDB, or Cassandra, which speaks the same language.
//!
//! An event's position is the write timestamp of the rows that come of it, and a delivered mark's
//! value is its own, so a replay can never undo a later change and no clock is involved. The
//! database reads that number as microseconds since 1970: the first epoch begins at 1 << 40, which
//! is 13 days later, and each epoch takes 13 days more. ScyllaDB refuses what lies days ahead of
//! its own clock, which epoch 1,600 would; position 0 is refused here.

mod connection;
mod error;
mod inbox;
mod page;
mod plan;
mod provision;
mod settings;
mod state;
mod statements;
#[cfg(test)]
mod tests;
mod written;

use std::sync::Arc;

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

use self::connection::Connection;
pub use self::settings::CqlSettings;
use crate::{
    HistoryStore, InboxFilter, InboxPage, Metrics, Page, PageRange, StoreError, flight::Flights,
    row::Kept,
};

/// A bucket of a conversation is a million positions of its shard.
const BUCKET_BITS: u32 = 20;

/// The history store of a cluster.
///
/// Written and read at `LOCAL_QUORUM`, so what an insert has kept every later read finds. A read
/// ends within the request timeout, an insert within it after the last statement that succeeded;
/// while the database is away each call fails, and the connections come back by themselves.
#[derive(Debug)]
pub struct CqlStore {
    connection: Arc<Connection>,
    pages: Flights<(ConversationKey, Audience, PageRange, usize), Result<Page, StoreError>>,
    inboxes: Flights<AskedInbox, Result<InboxPage, StoreError>>,
}

/// What an inbox is asked for.
/// The moment is not part of it: those who ask at once may share one.
type AskedInbox = (TenantId, InboxFilter, Position, usize);

// === impl CqlStore ===

impl CqlStore {
    /// Connects to a keyspace that was provisioned.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] for settings that cannot be, a cluster of several datacenters of
    /// which none is named, and a keyspace that was not provisioned, or by another version;
    /// [`StoreError::Unavailable`] where the database does not answer within 15 s.
    pub async fn connect(settings: &CqlSettings, metrics: Metrics) -> Result<Self, StoreError> {
        let session = connection::open(settings, settings.request_timeout).await?;
        provision::check(settings, &session).await?;
        // Preparing the statements takes room for each of them.
        let connection = Box::pin(Connection::new(session, settings, metrics.clone())).await?;
        let connection = Arc::new(connection);
        Ok(Self {
            connection,
            pages: Flights::new(metrics.clone()),
            inboxes: Flights::new(metrics),
        })
    }

    /// Makes the keyspace and its tables where they are not there yet; what is there is left alone.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] for settings that cannot be, a cluster of several datacenters of
    /// which none is named, and a keyspace of another version; [`StoreError::Unavailable`].
    pub async fn provision(settings: &CqlSettings) -> Result<(), StoreError> {
        provision::provision(settings).await
    }
}

#[async_trait]
impl HistoryStore for CqlStore {
    async fn insert(&self, events: &[Event]) -> Result<(), StoreError> {
        let insert = async {
            let kept = Kept::of(events)?;
            self.connection.insert(&kept).await
        };
        self.connection.metrics.insert.observe(insert).await
    }

    async fn page(
        &self,
        conversation: &ConversationKey,
        audience: Audience,
        range: PageRange,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let (connection, key) = (Arc::clone(&self.connection), conversation.clone());
        let query = move || async move {
            connection.in_time(page::page(&connection, &key, audience, range, limit)).await
        };
        let asked = (conversation.clone(), audience, range, limit);
        let page = self.connection.in_time(self.pages.read(asked, query));
        self.connection.metrics.page.observe(page).await
    }

    async fn find(
        &self,
        conversation: &ConversationKey,
        id: &EventId,
    ) -> Result<Option<Event>, StoreError> {
        let found = self.connection.in_time(page::find(&self.connection, conversation, id));
        self.connection.metrics.find.observe(found).await
    }

    async fn state(&self, conversation: &ConversationKey) -> Result<ConversationState, StoreError> {
        let state = self.connection.in_time(state::state(&self.connection, conversation));
        self.connection.metrics.state.observe(state).await
    }

    async fn inbox(
        &self,
        tenant: &TenantId,
        filter: &InboxFilter,
        now: Timestamp,
        before: Position,
        limit: usize,
    ) -> Result<InboxPage, StoreError> {
        let asked = (tenant.clone(), filter.clone(), before, limit);
        let (connection, (tenant, filter, ..)) = (Arc::clone(&self.connection), asked.clone());
        let query = move || async move {
            let page = inbox::inbox(&connection, &tenant, &filter, now, (before, limit));
            connection.in_time(page).await
        };
        let page = self.connection.in_time(self.inboxes.read(asked, query));
        self.connection.metrics.inbox.observe(page).await
    }

    async fn raise_watermark(&self, shard: Shard, position: Position) -> Result<(), StoreError> {
        if position == Position::ZERO {
            return Ok(());
        }
        let Connection { statements, metrics, .. } = &*self.connection;
        let values = (i32::from(shard.number()), position.as_i64(), position.as_i64());
        let raised =
            self.connection.in_time(self.connection.execute(&statements.raise_watermark, values));
        metrics.raise_watermark.observe(raised).await
    }

    async fn watermark(&self, shard: Shard) -> Result<Option<Position>, StoreError> {
        let Connection { statements, metrics, .. } = &*self.connection;
        let found = self.connection.select(&statements.watermark, (i32::from(shard.number()),));
        let rows: Vec<(Option<i64>,)> =
            metrics.watermark.observe(self.connection.in_time(found)).await?;
        Ok(rows.into_iter().find_map(|(position,)| Position::from_i64(position?)))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let Connection { statements, metrics, .. } = &*self.connection;
        let answer = self.connection.in_time(self.connection.select(&statements.version, ()));
        metrics.ping.observe(answer).await.map(|_: Vec<(Option<i32>,)>| ())
    }
}

/// The bucket that a position lies in.
const fn bucket_of(position: Position) -> i64 {
    position.as_i64() >> BUCKET_BITS
}

/// As CQL takes a limit.
fn as_limit(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
}
