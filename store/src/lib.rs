//! The history store: one trait, embedded (SQLite) and CQL implementations, and the suite both
//! pass.
//!
//! A projection of the log, made again from it as far back as the log keeps; older history is the
//! store's alone. The trait's documentation is its specification; `store/tests/suite` holds each
//! obligation against both implementations.

mod cql;
mod filter;
mod flight;
mod metrics;
mod row;
mod sqlite;

use std::fmt::Debug;

use async_trait::async_trait;
use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    event::{Audience, Event},
    id::{ConversationId, EventId},
    position::Position,
    shard::Shard,
    state::ConversationState,
    tenant::TenantId,
};

pub use self::{
    cql::{CqlSettings, CqlStore},
    filter::{InboxFilter, List},
    metrics::Metrics,
    sqlite::SqliteStore,
};

/// Keeps conversations for good and finds them again: the rows of their timelines, and the last
/// values that their other events leave. The tenant is part of every key.
#[async_trait]
pub trait HistoryStore: Debug + Send + Sync + 'static {
    /// Keeps the events, of any conversations in any order; those of unknown kind are skipped.
    ///
    /// Keeping the same event again **must** change nothing, whatever came after it. When it
    /// returns `Ok`, all of them are kept: rows are found by [`page`](Self::page) and
    /// [`find`](Self::find), and what each event changes is in [`state`](Self::state) and in the
    /// inbox. After an error any part of them may be kept.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: keep them again later. [`StoreError::Rejected`] for an event at
    /// position 0, and for a mark ahead of its own event: neither can be.
    async fn insert(&self, events: &[Event]) -> Result<(), StoreError>;

    /// One page of a conversation as `audience` reads it, in rising order of positions, `limit` (1
    /// or more) at most: the last ones before a position, or the first ones after it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn page(
        &self,
        conversation: &ConversationKey,
        audience: Audience,
        range: PageRange,
        limit: usize,
    ) -> Result<Page, StoreError>;

    /// The row with this id, if it was ever stored.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn find(
        &self,
        conversation: &ConversationKey,
        id: &EventId,
    ) -> Result<Option<Event>, StoreError>;

    /// What a conversation has come to; the default where it has no event.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn state(&self, conversation: &ConversationKey) -> Result<ConversationState, StoreError>;

    /// A tenant's conversations in a list whose last message lies before `before`, last active
    /// first, `limit` (1 or more) at most. A conversation without a message is in no list.
    ///
    /// What the filter asks is judged by the state of each at `now`. Where few of many belong to
    /// the list, a page may hold fewer than there are, even none, and says where to go on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn inbox(
        &self,
        tenant: &TenantId,
        filter: &InboxFilter,
        now: Timestamp,
        before: Position,
        limit: usize,
    ) -> Result<InboxPage, StoreError>;

    /// Raises the watermark of `shard`, the highest position of it that the store has kept or was
    /// told of; a lower one changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn raise_watermark(&self, shard: Shard, position: Position) -> Result<(), StoreError>;

    /// The watermark of `shard`; `None` before it was first raised.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn watermark(&self, shard: Shard) -> Result<Option<Position>, StoreError>;

    /// Asks the store for a sign of life.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn ping(&self) -> Result<(), StoreError>;
}

/// Which part of a conversation a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageRange {
    /// The last events strictly before this position; [`Position::MAX`] asks for the newest.
    Before(Position),
    /// The first events strictly after this position.
    After(Position),
}

/// Part of a conversation.
#[derive(Clone, Debug)]
pub struct Page {
    /// In rising order of positions.
    pub events: Vec<Event>,
    /// Whether the range holds more than these.
    pub more: bool,
}

/// Part of a tenant's inbox.
#[derive(Clone, Debug)]
pub struct InboxPage {
    /// Last active first.
    pub rows: Vec<InboxRow>,
    /// Where there may be more: before this position. `None` at the end.
    pub next: Option<Position>,
}

/// A conversation as the inbox shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    /// Which it is.
    pub conversation: ConversationId,
    /// What it has come to.
    pub state: ConversationState,
}

impl InboxPage {
    /// The first `limit` of the rows, which are all that there are before `next`.
    pub fn first(mut rows: Vec<InboxRow>, limit: usize, next: Option<Position>) -> Self {
        if rows.len() <= limit {
            return Self { rows, next };
        }
        rows.truncate(limit);
        Self { next: rows.last().map(InboxRow::position), rows }
    }
}

impl InboxRow {
    /// The position of its last message.
    pub fn position(&self) -> Position {
        self.state.last.as_ref().map(|last| last.position).unwrap_or_default()
    }
}

/// Why the store could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Worth trying again.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Not worth trying again: what was asked, or what it holds, cannot be.
    #[error("the store refuses: {0}")]
    Rejected(String),
}

impl PageRange {
    /// Whether an event at `position` lies in it.
    pub fn contains(self, position: Position) -> bool {
        match self {
            Self::Before(bound) => position < bound,
            Self::After(bound) => position > bound,
        }
    }
}
