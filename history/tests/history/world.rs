//! A log and a store under test, and who writes them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parlor_common::{
    author::{Author, AuthorKind},
    clock::Timestamp,
    conversation::{ConversationKey, ConversationSet},
    event::{Body, DeliveredBody, Event, MarkedSocket, MessageBody, Record, SocketIs, Transport},
    id::{ClientMessageId, EventId, SessionId, VisitorId},
    metrics::Registry,
    position::Position,
    state::Reader,
    tenant::TenantId,
};
use parlor_history::{History, HistoryPage};
use parlor_log::{EventLog, LogError, NewEntry, monitor::Monitor};
use parlor_testbed::{
    clock::TestClock,
    faulty::store::StoreFault,
    installation::{Folders, Installation, Setup, history},
};

pub(crate) const MAX_AGE: Duration = Duration::from_secs(3600);
/// As long as a store may take here; one that answers needs a hundredth of it.
pub(crate) const STORE_DEADLINE: Duration = Duration::from_millis(500);

/// An installation, and who writes into it.
pub(crate) struct World {
    pub(crate) at: Installation,
    clock: TestClock,
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
        let clock = TestClock::default();
        Self { at: open(&clock, Folders::new(), 1 << 30).await, clock }
    }

    /// The log is lost, and is made anew as the store tells.
    pub(crate) async fn lose_log(&mut self) {
        self.open_again(self.at.folders.without_log(), 1 << 30).await;
    }

    /// The log forgets what it may for its age: it has no room for anything more until it does.
    pub(crate) async fn forget_aged(&mut self) {
        let folders = self.at.folders.clone();
        self.open_again(folders.clone(), 1).await;
        assert!(matches!(self.try_say(9, "no-room").await, Err(LogError::Full(_))));
        self.open_again(folders, 1 << 30).await;
    }

    async fn open_again(&mut self, folders: Arc<Folders>, max_bytes: u64) {
        self.at.log.close().await.unwrap();
        self.at = open(&self.clock, folders, max_bytes).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// A visitor says `text`, which is its client message id too.
    pub(crate) async fn say(&self, number: u8, text: &str) -> Position {
        self.try_say(number, text).await.unwrap()
    }

    /// A visitor's client says that it has everything up to a position.
    pub(crate) async fn mark(&self, number: u8, up_to: Position) -> Position {
        let body = Body::Delivered(DeliveredBody::of(Reader::Visitor, up_to));
        let id = body.value_id(&tenant(), key(number).id).unwrap();
        self.append(number, id, body).await.unwrap()
    }

    /// An agent answers a visitor.
    pub(crate) async fn answer(&self, number: u8, text: &str) -> Position {
        let agent = Author { kind: AuthorKind::Agent, id: "ann".to_owned(), name: None };
        let client_message_id = client_message_id(text);
        let id = EventId::derive(&tenant(), key(number).id, &agent, &client_message_id);
        let message = MessageBody { text: text.to_owned(), client_message_id };
        self.append_by(agent, number, id, Body::Message(message)).await.unwrap()
    }

    /// A socket of a visitor notes how far its page has got, and what has become of it.
    pub(crate) async fn note(&self, number: u8, session: u8, is: SocketIs, up_to: Position) {
        let socket = Some(MarkedSocket { session: SessionId::from_bytes([session; 16]), is });
        let mark = DeliveredBody { socket, ..DeliveredBody::of(Reader::Visitor, up_to) };
        let body = Body::Delivered(mark);
        let id = body.value_id(&tenant(), key(number).id).unwrap();
        self.append(number, id, body).await.unwrap();
    }

    async fn try_say(&self, number: u8, text: &str) -> Result<Position, LogError> {
        let message =
            MessageBody { text: text.to_owned(), client_message_id: client_message_id(text) };
        self.append(number, event_id(number, text), Body::Message(message)).await
    }

    async fn append(&self, number: u8, id: EventId, body: Body) -> Result<Position, LogError> {
        self.append_by(author(number), number, id, body).await
    }

    async fn append_by(
        &self,
        author: Author,
        number: u8,
        id: EventId,
        body: Body,
    ) -> Result<Position, LogError> {
        let key = key(number);
        let now = self.clock.now();
        let record = Record {
            id,
            author,
            session: None,
            transport: Transport::Rest,
            at: now,
            arrived: now,
            acceptance: 0,
            body,
        };
        let record: Bytes = record.encode().unwrap();
        Ok(self.at.log.append(&NewEntry::new(key, id, record)).await?.position)
    }

    /// Stores and acknowledges the next `count` events.
    pub(crate) async fn persist(&self, count: usize) {
        assert_eq!(self.at.persist(count).await, count);
    }

    /// What the log says of itself just now.
    pub(crate) async fn monitor(&self) -> Monitor {
        self.at.monitor(self.clock.clock()).await
    }

    pub(crate) async fn history(&self) -> History {
        self.history_without(StoreFault::None).await
    }

    /// The history, while the store fails like this from here on.
    pub(crate) async fn history_without(&self, fault: StoreFault) -> History {
        self.at.store.turn(fault);
        self.history_of(self.monitor().await)
    }

    pub(crate) fn history_of(&self, monitor: Monitor) -> History {
        let log = Arc::new(self.at.log.clone());
        history(log, self.at.store.clone(), monitor, STORE_DEADLINE, &Registry::new())
    }
}

async fn open(clock: &TestClock, folders: Arc<Folders>, max_bytes: u64) -> Installation {
    let mut setup = Setup { folders, ..Setup::by(clock) };
    setup.log.max_bytes = max_bytes;
    setup.log.max_age = MAX_AGE;
    Installation::open(setup).await
}
