//! Reading a conversation: the store's rows and the log's end, merged so that what was accepted is
//! always there.
//!
//! Take the persisted position first; then the store's rows, all of which lie at or before it or
//! are in the log too; then the log after that position. A persisted position that is behind the
//! truth only reads more of the log. While the store is down the log alone answers, as far back as
//! it goes.

mod merge;
mod metrics;
mod scope;

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use parlor_common::{
    conversation::{ConversationKey, ConversationSet},
    event::Event,
    id::EventId,
    position::Position,
    problem::{Code, Problem},
};
use parlor_log::{EventLog, Filter, LogError, LogPage, monitor::Monitor};
use parlor_store::{HistoryStore, PageRange, StoreError};
use tracing::debug;

pub use self::{metrics::Metrics, scope::Scope};

/// Entries of one read of the log.
const LOG_PAGE: usize = 500;
/// How many reads of the log one page may take: 100,000 events of one conversation that are not in
/// the store.
const LOG_READS: usize = 200;

/// Reads conversations. Cheap to clone; never writes.
#[derive(Clone, Debug)]
pub struct History {
    log: Arc<dyn EventLog>,
    store: Arc<dyn HistoryStore>,
    monitor: Monitor,
    /// How long the store may take before the log answers alone.
    store_deadline: Duration,
    metrics: Metrics,
}

/// Part of what a scope holds.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// In rising order of positions.
    pub events: Vec<Event>,
    /// Whether the range holds more than these.
    pub more: bool,
    /// Nothing that lies in the range at or before this position is missing.
    pub through: Position,
    /// The store could not be asked, and there may be older events than the log holds.
    pub incomplete: bool,
}

/// Why a page could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Worth trying again.
    #[error("{0}")]
    Unavailable(String),
    /// The position is ahead of the end, of another epoch, or, for a tenant, older than the log.
    #[error("the position is not known here")]
    UnknownPosition,
}

// === impl History ===

impl History {
    /// Reads from both; `monitor` knows how far the store has got.
    pub fn new(
        log: Arc<dyn EventLog>,
        store: Arc<dyn HistoryStore>,
        monitor: Monitor,
        store_deadline: Duration,
        metrics: Metrics,
    ) -> Self {
        Self { log, store, monitor, store_deadline, metrics }
    }

    /// One page of a visitor's conversations, or of one that an agent reads; `limit` (1 or more) at
    /// most.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] where neither the log nor the store can prove the page;
    /// [`HistoryError::UnknownPosition`] for a position ahead of the end.
    pub async fn page(
        &self,
        set: &ConversationSet,
        range: PageRange,
        limit: usize,
    ) -> Result<HistoryPage, HistoryError> {
        let mut pages = Vec::new();
        for key in set.keys() {
            pages.push(match range {
                PageRange::Before(before) => self.before(&key, before, limit).await?,
                PageRange::After(after) => self.after(&key, after, limit).await?,
            });
        }
        let page = merge::pages(pages, range, limit);
        if page.incomplete {
            self.metrics.incomplete.inc();
        }
        Ok(page)
    }

    /// Replays `scope` forward, in pages, from where a client says it is.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`]; [`HistoryError::UnknownPosition`] where that everything after
    /// `after` would be shown cannot be proven.
    pub async fn forward(
        &self,
        scope: &Scope,
        after: Position,
        limit: usize,
    ) -> Result<HistoryPage, HistoryError> {
        let shard = self.log.shards().of(scope.tenant());
        if self.monitor.epoch(shard) != Some(after.epoch()) {
            return Err(HistoryError::UnknownPosition);
        }
        match scope {
            Scope::Conversations(set) => self.page(set, PageRange::After(after), limit).await,
            Scope::Tenant(tenant) => {
                let page = self.log.read(&Filter::Tenant(tenant.clone()), after, limit).await?;
                if page.from != after {
                    return Err(HistoryError::UnknownPosition);
                }
                Ok(HistoryPage { more: page.entries.len() >= limit, ..merge::log_page(page) })
            }
        }
    }

    /// The first event that has one of these ids, in the store or not yet.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] where it cannot be told.
    pub async fn find(
        &self,
        ids: &[(ConversationKey, EventId)],
    ) -> Result<Option<Event>, HistoryError> {
        for (key, id) in ids {
            let unpersisted =
                self.last_of_log(key, self.persisted(key), Position::MAX, usize::MAX).await?;
            if let Some(event) = unpersisted.events.into_iter().find(|event| event.record.id == *id)
            {
                return Ok(Some(event));
            }
            if let Some(event) = self.ask_store(self.store.find(key, id)).await? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The event at exactly this position of a conversation, while the log has it.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`].
    pub async fn at(
        &self,
        key: &ConversationKey,
        position: Position,
    ) -> Result<Option<Event>, HistoryError> {
        let page = self.log.read(&Filter::Conversation(key.clone()), position.before(), 1).await?;
        Ok(merge::log_page(page).events.into_iter().find(|event| event.position == position))
    }

    /// Whether anything was ever said in a conversation.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] where it cannot be told.
    pub async fn exists(&self, key: &ConversationKey) -> Result<bool, HistoryError> {
        let filter = Filter::Conversation(key.clone());
        let mut in_log = pin!(async {
            Ok(!self.log.read(&filter, Position::ZERO, 1).await?.entries.is_empty())
        });
        let mut in_store = pin!(async {
            let page =
                self.ask_store(self.store.page(key, PageRange::Before(Position::MAX), 1)).await?;
            Ok(!page.events.is_empty())
        });
        // A yes of either is enough, so that neither an election of the log nor a stop of the store
        // is waited for.
        tokio::select! {
            answer = &mut in_log => match answer {
                Ok(true) => Ok(true),
                other => either(other, in_store.await),
            },
            answer = &mut in_store => match answer {
                Ok(true) => Ok(true),
                other => either(other, in_log.await),
            },
        }
    }

    async fn before(
        &self,
        key: &ConversationKey,
        before: Position,
        limit: usize,
    ) -> Result<HistoryPage, HistoryError> {
        let persisted = self.persisted(key);
        let rows = self.ask_store(self.store.page(key, PageRange::Before(before), limit + 1));
        if before <= persisted {
            // All of it is in the store, or it is in the log as well.
            return match rows.await {
                Ok(rows) => Ok(merge::stored(rows, persisted)),
                Err(down) => self.before_from_log(key, before, limit, down).await,
            };
        }
        let (rows, end) = tokio::join!(rows, self.last_of_log(key, persisted, before, limit + 1));
        match rows {
            Ok(rows) => Ok(merge::stored_and_log(rows, end?)),
            Err(down) => self.before_from_log(key, before, limit, down).await,
        }
    }

    /// The store is down: the log alone, as far back as it goes.
    async fn before_from_log(
        &self,
        key: &ConversationKey,
        before: Position,
        limit: usize,
        down: HistoryError,
    ) -> Result<HistoryPage, HistoryError> {
        let page = self.last_of_log(key, Position::ZERO, before, limit + 1).await?;
        let start = page.start;
        if before <= start {
            return Err(down);
        }
        let whole = page.events.len() > limit
            || start.epoch().start() == start && start.epoch().number() == 1;
        Ok(HistoryPage {
            incomplete: !whole,
            more: !whole,
            events: page.events,
            through: page.through,
        })
    }

    async fn after(
        &self,
        key: &ConversationKey,
        after: Position,
        limit: usize,
    ) -> Result<HistoryPage, HistoryError> {
        let filter = Filter::Conversation(key.clone());
        let page = self.log.read(&filter, after, limit + 1).await?;
        if page.from == after {
            return Ok(merge::log_page(page));
        }
        let persisted = self.persisted(key);
        let rows = self.ask_store(self.store.page(key, PageRange::After(after), limit + 1)).await?;
        let end = self.log.read(&filter, persisted.max(after), limit + 1).await?;
        Ok(merge::stored_and_log(rows, merge::LogPart::of(end)))
    }

    /// The last `count` events of a conversation between two positions, both exclusive.
    async fn last_of_log(
        &self,
        key: &ConversationKey,
        after: Position,
        before: Position,
        count: usize,
    ) -> Result<merge::LogPart, HistoryError> {
        let filter = Filter::Conversation(key.clone());
        let mut last = VecDeque::new();
        let (mut from, mut start) = (after, None);
        for _ in 0..LOG_READS {
            let LogPage { entries, from: page_from, through } =
                self.log.read(&filter, from, LOG_PAGE).await?;
            let start = *start.get_or_insert(page_from);
            let whole = entries.len() < LOG_PAGE;
            let passed = entries.last().is_some_and(|entry| entry.position >= before);
            last.extend(
                entries
                    .into_iter()
                    .filter(|entry| entry.position < before)
                    .filter_map(merge::decode),
            );
            while last.len() > count {
                last.pop_front();
            }
            if whole || passed {
                return Ok(merge::LogPart { events: last.into(), start, through });
            }
            from = through;
        }
        Err(HistoryError::Unavailable(
            "too much of this conversation is not in the store yet".to_owned(),
        ))
    }

    fn persisted(&self, key: &ConversationKey) -> Position {
        self.monitor.persisted(self.log.shards().of(&key.tenant))
    }

    async fn ask_store<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, HistoryError> {
        let answer = tokio::time::timeout(self.store_deadline, answer).await;
        answer
            .unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".to_owned())))
            .inspect(|_| self.metrics.store_answers.inc())
            .map_err(|error| {
                self.metrics.store_failures.inc();
                debug!(%error, "the store did not answer a read");
                HistoryError::Unavailable(error.to_string())
            })
    }
}

/// Yes where one says so, no where both do.
fn either(
    one: Result<bool, HistoryError>,
    other: Result<bool, HistoryError>,
) -> Result<bool, HistoryError> {
    match (one, other) {
        (Ok(true), _) | (_, Ok(true)) => Ok(true),
        (one, other) => Ok(one? || other?),
    }
}

impl From<LogError> for HistoryError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Rejected(_) => Self::UnknownPosition,
            LogError::Unavailable(_) | LogError::Full(_) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Unavailable(_) => {
                Self::unavailable("the history cannot be read just now")
            }
            HistoryError::UnknownPosition => {
                Self::new(Code::BadCursor, "the cursor is not known here")
            }
        }
    }
}
