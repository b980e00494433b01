//! Reading a conversation: the store's rows and the log's end, merged so that what was accepted is
//! always there.
//!
//! Take the persisted position first; then the store's rows, all of which lie at or before it or
//! are in the log too; then the log after that position. A persisted position that is behind the
//! truth only reads more of the log. While the store is down the log alone answers, as far back as
//! it goes.

mod error;
mod inbox;
mod kept;
mod left_off;
mod merge;
mod metrics;
mod scope;
mod tabs;
mod turns;
mod walk;
mod writing;
mod written;

use std::{pin::pin, sync::Arc, time::Duration};

use parlor_common::{
    conversation::{ConversationKey, ConversationSet},
    deadline::in_time,
    event::{Audience, Event},
    id::EventId,
    position::Position,
    state::ConversationState,
    tenant::TenantId,
};
use parlor_log::{EventLog, Filter, monitor::Monitor};
use parlor_store::{HistoryStore, PageRange, StoreError};
use tracing::debug;

pub use self::{
    error::HistoryError,
    left_off::LeftOff,
    metrics::Metrics,
    scope::Scope,
    written::{Form, WrittenPage},
};
use self::{
    kept::{Answer, Kept, Ticket},
    turns::Turns,
    walk::Wanted,
    written::WrittenKey,
};

/// Reads conversations. Cheap to clone; never writes.
#[derive(Clone, Debug)]
pub struct History {
    log: Arc<dyn EventLog>,
    store: Arc<dyn HistoryStore>,
    monitor: Monitor,
    /// How long the store may take before the log answers alone.
    store_deadline: Duration,
    metrics: Metrics,
    kept: Arc<Kept>,
    pages: Turns<Asked, Result<HistoryPage, HistoryError>>,
    states: Turns<ConversationKey, Result<(ConversationState, Position), HistoryError>>,
    written: Turns<WrittenKey, Result<WrittenPage, HistoryError>>,
}

/// What a page is asked for.
type Asked = (Scope, Wanted, PageRange, usize);

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
    /// All of it, and of what lies before it, is in the store: no event can come into it later.
    pub settled: bool,
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
        let kept = Arc::new(Kept::new(metrics.kept_bytes.clone()));
        let (pages, states, written) = (Turns::default(), Turns::default(), Turns::default());
        Self { log, store, monitor, store_deadline, metrics, kept, pages, states, written }
    }

    /// One page of a visitor's conversations, or of one that an agent reads, as `audience` reads
    /// them; `limit` (1 or more) at most. Many who ask for the same at once cost two reads.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] where neither the log nor the store can prove the page;
    /// [`HistoryError::UnknownPosition`] for a position ahead of the end.
    pub async fn page(
        &self,
        set: &ConversationSet,
        audience: Audience,
        range: PageRange,
        limit: usize,
    ) -> Result<HistoryPage, HistoryError> {
        self.page_of(set, Wanted::Rows(audience), range, limit).await
    }

    async fn page_of(
        &self,
        set: &ConversationSet,
        wanted: Wanted,
        range: PageRange,
        limit: usize,
    ) -> Result<HistoryPage, HistoryError> {
        let asked = (Scope::Conversations(set.clone()), wanted, range, limit);
        let read = Box::pin(self.read_page(set, wanted, range, limit));
        self.shared(self.pages.take(asked, read)).await
    }

    async fn read_page(
        &self,
        set: &ConversationSet,
        wanted: Wanted,
        range: PageRange,
        limit: usize,
    ) -> Result<HistoryPage, HistoryError> {
        let mut pages = Vec::new();
        for key in set.keys() {
            pages.push(match range {
                PageRange::Before(before) => {
                    self.before(&key, wanted.audience(), before, limit).await?
                }
                PageRange::After(after) => self.after(&key, wanted, after, limit).await?,
            });
        }
        let page = merge::pages(pages, range, limit);
        if page.incomplete {
            self.metrics.incomplete.inc();
        }
        Ok(page)
    }

    /// Replays `scope` forward, in pages, from where a client says it is: everything that its
    /// sockets are shown, as far back as the log goes, and rows alone before that.
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
        let wanted = Wanted::Shown(scope.audience());
        match scope {
            Scope::Conversations(set) => {
                self.page_of(set, wanted, PageRange::After(after), limit).await
            }
            Scope::Tenant(tenant) => {
                let asked = (scope.clone(), wanted, PageRange::After(after), limit);
                let read = Box::pin(self.read_tenant((tenant, wanted), after, limit));
                self.shared(self.pages.take(asked, read)).await
            }
        }
    }

    async fn read_tenant(
        &self,
        (tenant, wanted): (&TenantId, Wanted),
        after: Position,
        limit: usize,
    ) -> Result<HistoryPage, HistoryError> {
        let filter = Filter::Tenant(tenant.clone());
        let first = walk::first(&*self.log, &filter, wanted, after, limit + 1).await?;
        if first.start != after {
            return Err(HistoryError::UnknownPosition);
        }
        let page = HistoryPage { more: !first.whole, ..merge::log_page(first) };
        Ok(merge::pages(vec![page], PageRange::After(after), limit))
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
            let mut first = None;
            walk::each(&*self.log, key, (self.persisted(key), Position::MAX), |event| {
                if first.is_none() && event.record.id == *id {
                    first = Some(event);
                }
            })
            .await?;
            if first.is_some() {
                return Ok(first);
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
        let found = page.entries.into_iter().find(|entry| entry.position == position);
        Ok(found.and_then(walk::decode))
    }

    /// Where the last entry of a conversation is in the log; [`Position::ZERO`] where it has none.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`].
    pub async fn last(&self, key: &ConversationKey) -> Result<Position, HistoryError> {
        Ok(self.log.last(key).await?)
    }

    /// Whether `audience` finds anything in a conversation.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] where it cannot be told.
    pub async fn exists(
        &self,
        key: &ConversationKey,
        audience: Audience,
    ) -> Result<bool, HistoryError> {
        let filter = Filter::Conversation(key.clone());
        let mut in_log = pin!(async {
            let first =
                walk::first(&*self.log, &filter, Wanted::Rows(audience), Position::ZERO, 1).await?;
            Ok(!first.enough(1)?.events.is_empty())
        });
        let mut in_store = pin!(async {
            let page = self.store.page(key, audience, PageRange::Before(Position::MAX), 1);
            Ok(!self.ask_store(page).await?.events.is_empty())
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

    /// What a conversation has come to: what the store has, and what of the log it may not have
    /// yet. Many who ask for the same at once cost two reads.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] where it cannot be told.
    pub async fn state(&self, key: &ConversationKey) -> Result<ConversationState, HistoryError> {
        self.state_through(key).await.map(|(state, _)| state)
    }

    /// The same, and the position up to which every event of the conversation is in it.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] where it cannot be told.
    pub async fn state_through(
        &self,
        key: &ConversationKey,
    ) -> Result<(ConversationState, Position), HistoryError> {
        self.shared(self.states.take(key.clone(), Box::pin(self.read_state(key)))).await
    }

    async fn read_state(
        &self,
        key: &ConversationKey,
    ) -> Result<(ConversationState, Position), HistoryError> {
        let ticket = self.kept.states.ticket();
        if let Some(kept) = self.kept.states.get(key) {
            let (state, start, through) = self.state_since(key, &kept, ticket).await?;
            if start == kept.persisted {
                self.metrics.kept.inc();
                return Ok((state, through));
            }
            // The log no longer has all that came after it.
            self.kept.states.forget(key);
        }
        let persisted = self.persisted(key);
        let value = self.ask_store(self.store.state(key)).await?;
        let answer = Answer { persisted, value };
        let (state, start, through) = self.state_since(key, &answer, ticket).await?;
        joined(persisted, start)?;
        Ok((state, through))
    }

    /// What the store has answered, and what the log has after it; tells where the log's part
    /// begins and up to where it is whole, and keeps the answer where the two are all of it.
    async fn state_since(
        &self,
        key: &ConversationKey,
        answer: &Answer<ConversationState>,
        ticket: Ticket,
    ) -> Result<(ConversationState, Position, Position), HistoryError> {
        let (mut state, mut since) = (answer.value.clone(), 0);
        let between = (answer.persisted, Position::MAX);
        let (start, through) = walk::each(&*self.log, key, between, |event| {
            state.apply(&event);
            since += 1;
        })
        .await?;
        if start == answer.persisted {
            self.kept.states.keep(key, answer, since, ticket);
        }
        Ok((state, start, through))
    }

    async fn before(
        &self,
        key: &ConversationKey,
        audience: Audience,
        before: Position,
        limit: usize,
    ) -> Result<HistoryPage, HistoryError> {
        let ticket = self.kept.newest.ticket();
        let newest = (before == Position::MAX).then(|| (key.clone(), audience, limit));
        if let Some(kept) = newest.as_ref().and_then(|newest| self.kept.newest.get(newest)) {
            let between = (kept.persisted, before);
            let end = walk::last(&*self.log, key, audience, between, limit + 1).await?;
            if end.start == kept.persisted {
                self.metrics.kept.inc();
                return Ok(merge::stored_and_log(kept.value, end));
            }
            // The log no longer has all that came after it.
        }
        let persisted = self.persisted(key);
        let rows = self.store.page(key, audience, PageRange::Before(before), limit + 1);
        let rows = self.ask_store(rows);
        if before <= persisted {
            // All of it is in the store, or it is in the log as well.
            return match rows.await {
                Ok(rows) => Ok(merge::stored(rows, persisted)),
                Err(down) => self.before_from_log(key, audience, before, limit, down).await,
            };
        }
        let end = walk::last(&*self.log, key, audience, (persisted, before), limit + 1);
        let (rows, end) = tokio::join!(rows, end);
        match rows {
            Ok(value) => {
                let (answer, end) = (Answer { persisted, value }, end?);
                joined(persisted, end.start)?;
                if let Some(newest) = newest
                    && end.start == persisted
                {
                    self.kept.newest.keep(&newest, &answer, end.events.len(), ticket);
                }
                Ok(merge::stored_and_log(answer.value, end))
            }
            Err(down) => self.before_from_log(key, audience, before, limit, down).await,
        }
    }

    /// The store is down: the log alone, as far back as it goes.
    async fn before_from_log(
        &self,
        key: &ConversationKey,
        audience: Audience,
        before: Position,
        limit: usize,
        down: HistoryError,
    ) -> Result<HistoryPage, HistoryError> {
        let between = (Position::ZERO, before);
        let page = walk::last(&*self.log, key, audience, between, limit + 1).await?;
        let start = page.start;
        if before <= start {
            return Err(down);
        }
        let whole = page.events.len() > limit || is_beginning(start);
        Ok(HistoryPage {
            incomplete: !whole,
            settled: false,
            more: !whole,
            events: page.events,
            through: page.through,
        })
    }

    async fn after(
        &self,
        key: &ConversationKey,
        wanted: Wanted,
        after: Position,
        limit: usize,
    ) -> Result<HistoryPage, HistoryError> {
        let filter = Filter::Conversation(key.clone());
        let first = walk::first(&*self.log, &filter, wanted, after, limit + 1).await?;
        if first.start == after {
            return Ok(merge::log_page(first.enough(limit + 1)?));
        }
        let persisted = self.persisted(key);
        let rows = self.store.page(key, wanted.audience(), PageRange::After(after), limit + 1);
        let rows = self.ask_store(rows).await?;
        let from = persisted.max(after);
        let end = walk::first(&*self.log, &filter, wanted, from, limit + 1).await?;
        joined(from, end.start)?;
        Ok(merge::stored_and_log(rows, end.enough(limit + 1)?))
    }

    /// The answer to one who may have been answered by another's read.
    async fn shared<T>(&self, answer: impl Future<Output = (T, bool)>) -> T {
        let (answer, by_another) = answer.await;
        if by_another {
            self.metrics.shared.inc();
        }
        answer
    }

    fn persisted(&self, key: &ConversationKey) -> Position {
        self.monitor.persisted(self.log.shards().of(&key.tenant))
    }

    async fn ask_store<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, HistoryError> {
        in_time(self.store_deadline, StoreError::Unavailable, answer)
            .await
            .inspect(|_| self.metrics.store_answers.inc())
            .map_err(|error| {
                self.metrics.store_failures.inc();
                debug!(%error, "the store did not answer a read");
                HistoryError::Unavailable(error.to_string())
            })
    }
}

/// Whether nothing can ever have been before this start of the log.
fn is_beginning(start: Position) -> bool {
    start.epoch().start() == start && start.epoch().number() == 1
}

/// Whether the log's part goes on where the store's was known to end. While both were asked, the
/// log may have let go of what the store had got meanwhile, and neither answer has it.
fn joined(persisted: Position, start: Position) -> Result<(), HistoryError> {
    if start <= persisted || start == start.epoch().start() {
        return Ok(());
    }
    let moved = "the log's start has moved beyond what the store was known to have";
    Err(HistoryError::Unavailable(moved.to_owned()))
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
