//! A log and a store under test, and who writes them.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parlor_common::{
    author::{Author, AuthorKind},
    clock::{Clock, Timestamp},
    conversation::{ConversationKey, ConversationSet},
    event::{Audience, Body, DeliveredBody, Event, MessageBody, Record, Transport},
    id::{ClientMessageId, EventId, VisitorId},
    position::Position,
    shard::Shard,
    state::{ConversationState, Reader},
    tenant::TenantId,
};
use parlor_history::{History, HistoryPage, Metrics};
use parlor_log::{
    BatchLimit, EventLog, LogError, PERSISTER,
    monitor::{Monitor, MonitorMetrics},
    sqlite::{SqliteLog, SqliteLogSettings},
};
use parlor_store::{HistoryStore, InboxPage, Page, PageRange, SqliteStore, StoreError};
use tempfile::TempDir;

pub(crate) const MAX_AGE: Duration = Duration::from_secs(3600);
/// As long as a store may take here; one that answers needs a hundredth of it.
pub(crate) const STORE_DEADLINE: Duration = Duration::from_millis(500);

/// A log and a store.
pub(crate) struct World {
    pub(crate) log: SqliteLog,
    pub(crate) store: Arc<dyn HistoryStore>,
    clock: Arc<AtomicI64>,
    folders: Vec<TempDir>,
}

/// Stands for a database that is down: every call fails, or none is ever answered.
#[derive(Debug)]
pub(crate) enum NoStore {
    Down,
    Mute,
}

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("a").unwrap()
}

pub(crate) fn visitor(number: u8) -> VisitorId {
    VisitorId::from_bytes([number; 16])
}

/// The conversations of visitor 1, who has absorbed the others.
pub(crate) fn set(absorbed: &[u8]) -> ConversationSet {
    let absorbed: Vec<VisitorId> = absorbed.iter().map(|&number| visitor(number)).collect();
    ConversationSet::of_visitor(&tenant(), visitor(1), &absorbed)
}

/// The conversation of a visitor.
pub(crate) fn key(number: u8) -> ConversationKey {
    ConversationSet::of_visitor(&tenant(), visitor(number), &[]).primary()
}

/// The id of what a visitor said as `text`.
pub(crate) fn event_id(number: u8, text: &str) -> EventId {
    EventId::derive(&tenant(), key(number).id, &author(number), &client_message_id(text))
}

fn author(number: u8) -> Author {
    Author { kind: AuthorKind::Visitor, id: visitor(number).to_string(), name: None }
}

fn client_message_id(text: &str) -> ClientMessageId {
    ClientMessageId::parse(text).unwrap()
}

pub(crate) fn texts(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.record.body.message().unwrap().text.clone()).collect()
}

pub(crate) fn texts_of(page: &HistoryPage) -> Vec<String> {
    texts(&page.events)
}

// === impl World ===

impl World {
    pub(crate) async fn new() -> Self {
        let (log_folder, store_folder) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let clock = Arc::new(AtomicI64::new(1_790_000_000_000));
        let log = open_log(&log_folder, 1 << 30, &clock, None);
        let store = open_store(store_folder.path()).await;
        Self { log, store, clock, folders: vec![log_folder, store_folder] }
    }

    /// The log is lost, and is made anew as the store tells.
    pub(crate) async fn lose_log(&mut self) {
        self.log.close().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let seen = self.store.watermark(Shard::ONLY).await.unwrap();
        self.log = open_log(&folder, 1 << 30, &self.clock, seen);
        self.folders.push(folder);
    }

    /// The log forgets what it may for its age: it has no room for anything more until it does.
    pub(crate) async fn forget_aged(&mut self) {
        self.log.close().await.unwrap();
        self.log = open_log(&self.folders[0], 1, &self.clock, None);
        assert!(matches!(self.try_say(9, "no-room").await, Err(LogError::Full(_))));
        self.log.close().await.unwrap();
        self.log = open_log(&self.folders[0], 1 << 30, &self.clock, None);
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// A visitor says `text`, which is its client message id too.
    pub(crate) async fn say(&self, number: u8, text: &str) -> Position {
        self.try_say(number, text).await.unwrap()
    }

    /// A visitor's client says that it has everything up to a position.
    pub(crate) async fn mark(&self, number: u8, up_to: Position) -> Position {
        let body = Body::Delivered(DeliveredBody { reader: Reader::Visitor, up_to });
        let id = body.value_id(&tenant(), key(number).id).unwrap();
        self.append(number, id, body).await.unwrap()
    }

    async fn try_say(&self, number: u8, text: &str) -> Result<Position, LogError> {
        let message =
            MessageBody { text: text.to_owned(), client_message_id: client_message_id(text) };
        self.append(number, event_id(number, text), Body::Message(message)).await
    }

    async fn append(&self, number: u8, id: EventId, body: Body) -> Result<Position, LogError> {
        let key = key(number);
        let now = Timestamp::from_millis(self.clock.load(Ordering::Relaxed));
        let record = Record {
            id,
            author: author(number),
            session: None,
            transport: Transport::Rest,
            at: now,
            arrived: now,
            acceptance: 0,
            body,
        };
        let record: Bytes = record.encode().unwrap();
        Ok(self.log.append(&key, &id, record).await?.position)
    }

    /// Stores and acknowledges the next `count` events.
    pub(crate) async fn persist(&self, count: usize) {
        let mut deliveries = self.log.deliveries(Shard::ONLY, PERSISTER).await.unwrap();
        let taken =
            deliveries.next(BatchLimit { count, bytes: 1 << 24 }, Duration::ZERO).await.unwrap();
        assert_eq!(taken.len(), count);
        let decode = |entry: &parlor_log::Entry| {
            Event::decode(entry.conversation.clone(), entry.position, entry.record.clone()).unwrap()
        };
        let events: Vec<Event> = taken.iter().map(|delivery| decode(&delivery.entry)).collect();
        self.store.insert(&events).await.unwrap();
        self.store.raise_watermark(Shard::ONLY, events.last().unwrap().position).await.unwrap();
        deliveries.ack(&taken).await.unwrap();
    }

    /// What the log says of itself just now.
    pub(crate) async fn monitor(&self) -> Monitor {
        let clock = self.clock.clone();
        let clock = Clock::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
        Monitor::start(Arc::new(self.log.clone()), clock, MonitorMetrics::unregistered().unwrap())
            .await
            .unwrap()
    }

    pub(crate) async fn history(&self) -> History {
        self.history_of(self.store.clone(), self.monitor().await)
    }

    pub(crate) async fn history_without(&self, store: NoStore) -> History {
        self.history_of(Arc::new(store), self.monitor().await)
    }

    pub(crate) fn history_of(&self, store: Arc<dyn HistoryStore>, monitor: Monitor) -> History {
        let metrics = Metrics::new(&parlor_common::metrics::registry().unwrap()).unwrap();
        History::new(Arc::new(self.log.clone()), store, monitor, STORE_DEADLINE, metrics)
    }
}

fn open_log(
    folder: &TempDir,
    max_bytes: u64,
    clock: &Arc<AtomicI64>,
    seen: Option<Position>,
) -> SqliteLog {
    let clock = clock.clone();
    let clock = Clock::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
    let settings = SqliteLogSettings {
        max_bytes,
        max_age: MAX_AGE,
        ack_wait: Duration::from_secs(5),
        groups: Vec::new(),
    };
    SqliteLog::open(folder.path(), settings, clock, seen, parlor_log::Metrics::unregistered())
        .unwrap()
}

async fn open_store(folder: &Path) -> Arc<dyn HistoryStore> {
    let metrics = parlor_store::Metrics::new(&parlor_common::metrics::registry().unwrap()).unwrap();
    Arc::new(SqliteStore::open(folder, metrics).await.unwrap())
}

// === impl NoStore ===

impl NoStore {
    async fn answer<T>(&self) -> Result<T, StoreError> {
        match self {
            Self::Down => Err(StoreError::Unavailable("no node answers".to_owned())),
            Self::Mute => std::future::pending().await,
        }
    }
}

#[async_trait]
impl HistoryStore for NoStore {
    async fn insert(&self, _: &[Event]) -> Result<(), StoreError> {
        self.answer().await
    }

    async fn page(
        &self,
        _: &ConversationKey,
        _: Audience,
        _: PageRange,
        _: usize,
    ) -> Result<Page, StoreError> {
        self.answer().await
    }

    async fn state(&self, _: &ConversationKey) -> Result<ConversationState, StoreError> {
        self.answer().await
    }

    async fn find(&self, _: &ConversationKey, _: &EventId) -> Result<Option<Event>, StoreError> {
        self.answer().await
    }

    async fn inbox(&self, _: &TenantId, _: Position, _: usize) -> Result<InboxPage, StoreError> {
        self.answer().await
    }

    async fn raise_watermark(&self, _: Shard, _: Position) -> Result<(), StoreError> {
        self.answer().await
    }

    async fn watermark(&self, _: Shard) -> Result<Option<Position>, StoreError> {
        self.answer().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.answer().await
    }
}
