//! A store with a tenant of its own, and the events to put into it.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use parlor_common::{
    author::{Author, AuthorKind},
    clock::Timestamp,
    conversation::ConversationKey,
    event::{
        Audience, Body, ChangeBody, DeliveredBody, Event, LinkedBody, MessageBody, Record,
        Transport,
    },
    id::{ClientMessageId, ConversationId, EventId, VisitorId},
    position::{Epoch, Position},
    state::{ConversationState, Reader},
    tenant::TenantId,
};
use parlor_store::{HistoryStore, InboxFilter, InboxPage, InboxRow, Page, PageRange, StoreError};

/// Noon of a day.
pub(crate) const NOON: i64 = 20_000 * DAY + DAY / 2;
/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;

/// A store under test. Each has a tenant that no other test uses.
pub(crate) struct Harness {
    pub(crate) store: Arc<dyn HistoryStore>,
    pub(crate) tenant: TenantId,
    /// What must live as long as the store.
    _held: Box<dyn Any + Send>,
}

/// An event in the making: a visitor's, at noon.
#[derive(Clone)]
pub(crate) struct Draft {
    conversation: ConversationKey,
    position: Position,
    author: Author,
    at: Timestamp,
    text: String,
    client_message_id: String,
}

/// The position of a sequence in the first epoch.
pub(crate) fn at(sequence: u64) -> Position {
    Position::new(Epoch::FIRST, sequence).unwrap()
}

/// A name that no other test of this process has.
pub(crate) fn new_tenant() -> TenantId {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    TenantId::parse(&format!("tenant-{}.example", COUNT.fetch_add(1, Ordering::Relaxed))).unwrap()
}

/// The visitor whose conversation has this number.
pub(crate) fn visitor(number: u32) -> VisitorId {
    let mut secret = [0; 16];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    VisitorId::derive(&secret)
}

/// The sequences of a page's positions.
pub(crate) fn sequences(page: &Page) -> Vec<u64> {
    page.events.iter().map(|event| event.position.sequence()).collect()
}

/// The sequences of an inbox page's positions.
pub(crate) fn last_sequences(page: &InboxPage) -> Vec<u64> {
    page.rows.iter().map(|row| row.position().sequence()).collect()
}

/// The first characters of what was said last.
pub(crate) fn preview(row: &InboxRow) -> &str {
    row.state.last.as_ref().map_or("", |last| last.preview.as_str())
}

/// The newest page of all conversations of a tenant.
pub(crate) async fn inbox_of(
    store: &dyn HistoryStore,
    tenant: &TenantId,
) -> Result<InboxPage, StoreError> {
    let now = Timestamp::from_millis(NOON);
    store.inbox(tenant, &InboxFilter::default(), now, Position::MAX, 1_000).await
}

// === impl Harness ===

impl Harness {
    pub(crate) fn new(store: impl HistoryStore, held: impl Any + Send) -> Self {
        Self { store: Arc::new(store), tenant: new_tenant(), _held: Box::new(held) }
    }

    /// The same store, for what another one kept for its tenant.
    pub(crate) fn of_tenant(self, tenant: TenantId) -> Self {
        Self { tenant, ..self }
    }

    /// The conversation of a visitor with the harness's tenant.
    pub(crate) fn conversation(&self, number: u32) -> ConversationKey {
        ConversationKey {
            tenant: self.tenant.clone(),
            id: ConversationId::derive(&self.tenant, visitor(number)),
        }
    }

    /// A message of the visitor of a conversation.
    pub(crate) fn message(&self, number: u32, position: Position) -> Draft {
        Draft {
            conversation: self.conversation(number),
            position,
            author: Author {
                kind: AuthorKind::Visitor,
                id: visitor(number).to_string(),
                name: None,
            },
            at: Timestamp::from_millis(NOON),
            text: format!("message {position}"),
            client_message_id: format!("m-{}", position.as_u64()),
        }
    }

    /// Messages of one conversation at these sequences.
    pub(crate) fn messages(
        &self,
        number: u32,
        sequences: impl IntoIterator<Item = u64>,
    ) -> Vec<Event> {
        sequences.into_iter().map(|sequence| self.message(number, at(sequence)).event()).collect()
    }

    /// Another event than a message in a conversation, by an agent.
    pub(crate) fn other(&self, number: u32, position: Position, body: Body) -> Event {
        let message = self.message(number, position).by_agent().event();
        let id = body.value_id(&self.tenant, message.conversation.id).unwrap();
        let raw = Record { id, body, ..message.record }.encode().unwrap();
        Event::decode(message.conversation, position, raw).unwrap()
    }

    /// A change of a conversation.
    pub(crate) fn change(&self, number: u32, position: Position, change: ChangeBody) -> Event {
        self.other(number, position, Body::Change(change))
    }

    /// A reader's mark in a conversation.
    pub(crate) fn mark(
        &self,
        number: u32,
        position: Position,
        reader: Reader,
        up_to: Position,
    ) -> Event {
        let message = self.message(number, position).event();
        let body = Body::Delivered(DeliveredBody::of(reader, up_to));
        let id = body.value_id(&self.tenant, message.conversation.id).unwrap();
        let raw = Record { id, body, ..message.record }.encode().unwrap();
        Event::decode(message.conversation, position, raw).unwrap()
    }

    /// That a visitor is one with the next: a row that agents alone read.
    pub(crate) fn link(&self, number: u32, position: Position) -> Event {
        let message = self.message(number, position).event();
        let absorbed = vec![visitor(number + 1)];
        let body = Body::Linked(LinkedBody { visitor: visitor(number), absorbed, proven: false });
        let id = body.value_id(&self.tenant, message.conversation.id).unwrap();
        let raw = Record { id, body, ..message.record }.encode().unwrap();
        Event::decode(message.conversation, position, raw).unwrap()
    }

    pub(crate) async fn state(&self, number: u32) -> ConversationState {
        self.store.state(&self.conversation(number)).await.unwrap()
    }

    pub(crate) async fn insert(&self, events: &[Event]) {
        self.store.insert(events).await.unwrap();
    }

    pub(crate) async fn before(&self, number: u32, bound: Position, limit: usize) -> Page {
        self.store
            .page(&self.conversation(number), Audience::Visitor, PageRange::Before(bound), limit)
            .await
            .unwrap()
    }

    pub(crate) async fn after(&self, number: u32, bound: Position, limit: usize) -> Page {
        self.store
            .page(&self.conversation(number), Audience::Visitor, PageRange::After(bound), limit)
            .await
            .unwrap()
    }

    /// Everything of a conversation.
    pub(crate) async fn all(&self, number: u32) -> Vec<Event> {
        let page = self.before(number, Position::MAX, 10_000).await;
        assert!(!page.more);
        page.events
    }

    pub(crate) async fn inbox(&self, before: Position, limit: usize) -> InboxPage {
        self.list(&InboxFilter::default(), before, limit).await
    }

    /// A page of a list, at noon.
    pub(crate) async fn list(
        &self,
        filter: &InboxFilter,
        before: Position,
        limit: usize,
    ) -> InboxPage {
        let now = Timestamp::from_millis(NOON);
        self.store.inbox(&self.tenant, filter, now, before, limit).await.unwrap()
    }
}

// === impl Draft ===

impl Draft {
    pub(crate) fn by_agent(mut self) -> Self {
        self.author =
            Author { kind: AuthorKind::Agent, id: "ann".to_owned(), name: Some("Ann".to_owned()) };
        self
    }

    pub(crate) fn by_bot(mut self) -> Self {
        self.author = Author { kind: AuthorKind::Bot, id: "bot".to_owned(), name: None };
        self
    }

    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    pub(crate) fn at_millis(mut self, millis: i64) -> Self {
        self.at = Timestamp::from_millis(millis);
        self
    }

    pub(crate) fn with_client_id(mut self, id: &str) -> Self {
        self.client_message_id = id.to_owned();
        self
    }

    /// The event, as it would be read from the log.
    pub(crate) fn event(self) -> Event {
        let Self { conversation, position, author, at, text, client_message_id } = self;
        let client_message_id = ClientMessageId::parse(&client_message_id).unwrap();
        let record = Record {
            id: EventId::derive(&conversation.tenant, conversation.id, &author, &client_message_id),
            author,
            session: None,
            transport: Transport::Rest,
            at,
            arrived: at,
            acceptance: position.as_u64(),
            body: Body::Message(MessageBody { text, client_message_id }),
        };
        let raw = record.encode().unwrap();
        Event::decode(conversation, position, raw).unwrap()
    }
}
