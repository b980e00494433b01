//! A store that fails as it is told.

use std::{
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

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
use parlor_store::{HistoryStore, InboxFilter, InboxPage, Page, PageRange, StoreError};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreFault {
    /// It is answered.
    #[default]
    None,
    /// It fails at once, as the driver's do once their deadline has passed.
    Down,
    /// It is never answered.
    Silent,
    /// The next insert is applied and fails all the same; then all is well.
    LosesAnAnswer,
}

/// The real store behind a switch.
#[derive(Debug)]
pub struct FaultyStore {
    store: Arc<dyn HistoryStore>,
    fault: Mutex<StoreFault>,
    calls: AtomicUsize,
    inserts: Mutex<Inserts>,
}

/// What a store was to keep.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inserts {
    /// How many there were, the failed ones included.
    pub count: usize,
    /// The most events of one.
    pub largest: usize,
    /// How many came before the watermark that covers them.
    pub above_watermark: usize,
}

// === impl FaultyStore ===

impl FaultyStore {
    /// A switch before `store`.
    pub fn over(store: Arc<dyn HistoryStore>, fault: StoreFault) -> Arc<Self> {
        let (calls, inserts) = (AtomicUsize::new(0), Mutex::default());
        Arc::new(Self { store, fault: Mutex::new(fault), calls, inserts })
    }

    /// Changes what becomes of calls from here on.
    pub fn turn(&self, fault: StoreFault) {
        *self.fault() = fault;
    }

    /// How many calls of any kind there were, the failed ones included.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// What it was to keep so far.
    pub fn inserts(&self) -> Inserts {
        *self.inserts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self) -> MutexGuard<'_, StoreFault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns where the store is to answer.
    async fn gate(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let fault = *self.fault();
        match fault {
            StoreFault::None | StoreFault::LosesAnAnswer => Ok(()),
            StoreFault::Down => Err(StoreError::Unavailable("no node answers".to_owned())),
            StoreFault::Silent => pending().await,
        }
    }

    async fn count(&self, events: &[Event]) -> Result<(), StoreError> {
        let watermark = self.store.watermark(Shard::ONLY).await?;
        let mut inserts = self.inserts.lock().unwrap_or_else(PoisonError::into_inner);
        inserts.count += 1;
        inserts.largest = inserts.largest.max(events.len());
        let above = |event: &Event| watermark.is_none_or(|watermark| event.position > watermark);
        inserts.above_watermark += usize::from(events.iter().any(above));
        Ok(())
    }
}

#[async_trait]
#[expect(clippy::disallowed_methods, reason = "it hands on what the persister inserts")]
impl HistoryStore for FaultyStore {
    async fn insert(&self, events: &[Event]) -> Result<(), StoreError> {
        self.count(events).await?;
        self.gate().await?;
        self.store.insert(events).await?;
        let mut fault = self.fault();
        if *fault == StoreFault::LosesAnAnswer {
            *fault = StoreFault::None;
            return Err(StoreError::Unavailable("no answer in time".to_owned()));
        }
        Ok(())
    }

    async fn page(
        &self,
        conversation: &ConversationKey,
        audience: Audience,
        range: PageRange,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.gate().await?;
        self.store.page(conversation, audience, range, limit).await
    }

    async fn find(
        &self,
        conversation: &ConversationKey,
        id: &EventId,
    ) -> Result<Option<Event>, StoreError> {
        self.gate().await?;
        self.store.find(conversation, id).await
    }

    async fn state(&self, conversation: &ConversationKey) -> Result<ConversationState, StoreError> {
        self.gate().await?;
        self.store.state(conversation).await
    }

    async fn inbox(
        &self,
        tenant: &TenantId,
        filter: &InboxFilter,
        now: Timestamp,
        before: Position,
        limit: usize,
    ) -> Result<InboxPage, StoreError> {
        self.gate().await?;
        self.store.inbox(tenant, filter, now, before, limit).await
    }

    async fn raise_watermark(&self, shard: Shard, position: Position) -> Result<(), StoreError> {
        self.gate().await?;
        self.store.raise_watermark(shard, position).await
    }

    async fn watermark(&self, shard: Shard) -> Result<Option<Position>, StoreError> {
        self.gate().await?;
        self.store.watermark(shard).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.gate().await?;
        self.store.ping().await
    }
}
