//! The scripted store: it has what was persisted of the truth, and its answers wait at the gate.

use async_trait::async_trait;
use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    event::{Audience, Event},
    id::EventId,
    position::Position,
    shard::Shard,
    state::{ConversationState, Reader, Register},
    tenant::TenantId,
};
use parlor_log::{Entry, Filter};
use parlor_store::{HistoryStore, InboxFilter, InboxPage, Page, PageRange, StoreError};

use super::log::Scripted;

// === impl Scripted ===

impl Scripted {
    fn store_page(&self, key: &ConversationKey, range: PageRange, limit: usize) -> Page {
        let (after, before) = match range {
            PageRange::After(after) => (after, Position::MAX),
            PageRange::Before(before) => (Position::ZERO, before),
        };
        let (truth, filter) = (self.truth(), Filter::Conversation(key.clone()));
        let rows = truth.pass(&filter, after, truth.persisted);
        let rows = rows.filter(|entry| entry.position < before);
        let event = |entry: &Entry| {
            let Entry { conversation, position, record, .. } = entry.clone();
            Event::decode(conversation, position, record).unwrap()
        };
        let is_row = |event: &Event| event.record.body.is_row();
        let mut events: Vec<Event> = match range {
            PageRange::After(_) => rows.map(event).filter(is_row).take(limit + 1).collect(),
            PageRange::Before(_) => {
                let newest = rows.collect::<Vec<_>>().into_iter().rev().map(event);
                newest.filter(is_row).take(limit + 1).collect()
            }
        };
        let more = events.len() > limit;
        events.truncate(limit);
        events.sort_by_key(|event| event.position);
        Page { events, more }
    }

    fn kept_state(&self, key: &ConversationKey) -> ConversationState {
        let truth = self.truth();
        let mut state = ConversationState::default();
        let up_to = truth.mark(key, truth.persisted);
        if up_to > Position::ZERO {
            state.write(Register::Delivered(Reader::Visitor), up_to, String::new());
        }
        state
    }
}

fn store_down() -> StoreError {
    StoreError::Unavailable("the seed says so".to_owned())
}

#[async_trait]
impl HistoryStore for Scripted {
    async fn insert(&self, _: &[Event]) -> Result<(), StoreError> {
        Err(store_down())
    }

    async fn page(
        &self,
        conversation: &ConversationKey,
        _: Audience,
        range: PageRange,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let page = self.answered(|| self.store_page(conversation, range, limit)).await;
        page.ok_or_else(store_down)
    }

    async fn find(&self, _: &ConversationKey, _: &EventId) -> Result<Option<Event>, StoreError> {
        Err(store_down())
    }

    async fn state(&self, conversation: &ConversationKey) -> Result<ConversationState, StoreError> {
        self.answered(|| self.kept_state(conversation)).await.ok_or_else(store_down)
    }

    async fn inbox(
        &self,
        _: &TenantId,
        _: &InboxFilter,
        _: Timestamp,
        _: Position,
        _: usize,
    ) -> Result<InboxPage, StoreError> {
        Err(store_down())
    }

    async fn raise_watermark(&self, _: Shard, _: Position) -> Result<(), StoreError> {
        Err(store_down())
    }

    async fn watermark(&self, _: Shard) -> Result<Option<Position>, StoreError> {
        Err(store_down())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
