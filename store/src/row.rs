//! What a store keeps of events: rows and last values.

use std::collections::BTreeMap;

use bytes::Bytes;
use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    event::{Body, DeliveredBody, Event, ReadBody},
    id::EventId,
    message::Sender,
    position::Position,
    state::ConversationState,
};

use crate::StoreError;

/// What is kept of some events.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) rows: Vec<Row>,
    /// What these events alone make of each of their conversations.
    pub(crate) states: BTreeMap<ConversationKey, ConversationState>,
}

/// An event of a timeline as it is kept: its record as it is in the log.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) conversation: ConversationKey,
    pub(crate) position: Position,
    pub(crate) id: EventId,
    pub(crate) record: Bytes,
    pub(crate) at: Timestamp,
    /// Whether the conversation is listed as active then.
    pub(crate) is_activity: bool,
}

// === impl Kept ===

impl Kept {
    /// # Errors
    /// [`StoreError::Rejected`] for an event at position 0, which would be outside every page, and
    /// for a mark ahead of its own event: nothing later could be told from it, and as a write
    /// timestamp it could lie further ahead than a database takes.
    pub(crate) fn of(events: &[Event]) -> Result<Self, StoreError> {
        let mut kept = Self::default();
        for event in events.iter().filter(|event| event.record.body.is_kept()) {
            if event.position == Position::ZERO {
                return Err(StoreError::Rejected("an event cannot have position 0".to_owned()));
            }
            let body = &event.record.body;
            let up_to = match body {
                Body::Delivered(DeliveredBody { up_to, .. })
                | Body::Read(ReadBody { up_to, .. }) => *up_to,
                _ => Position::ZERO,
            };
            if up_to > event.position {
                return Err(StoreError::Rejected("a mark cannot be ahead of itself".to_owned()));
            }
            if body.is_row() {
                kept.rows.push(Row {
                    conversation: event.conversation.clone(),
                    position: event.position,
                    id: event.record.id,
                    record: event.raw.clone(),
                    at: event.record.at,
                    is_activity: body.message().is_some(),
                });
            }
            kept.states.entry(event.conversation.clone()).or_default().apply(event);
        }
        Ok(kept)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }
}

/// Reads back what [`Sender::as_str`] wrote.
pub(crate) fn parse_sender(text: &str) -> Option<Sender> {
    [Sender::User, Sender::Agent, Sender::Bot].into_iter().find(|sender| sender.as_str() == text)
}

/// The event that a row's record is; `None` where this version knows it as no row, and, with a
/// warning for the operator, where it cannot be read.
pub(crate) fn decode(
    conversation: &ConversationKey,
    position: Position,
    record: Bytes,
    metrics: &crate::Metrics,
) -> Option<Event> {
    match Event::decode(conversation.clone(), position, record) {
        Ok(event) => event.record.body.is_row().then_some(event),
        Err(error) => {
            metrics.skipped_rows.inc();
            tracing::warn!(
                tenant.id = %conversation.tenant,
                conversation.id = %conversation.id,
                sequence = position.sequence(),
                %error,
                "a row of the store is skipped"
            );
            None
        }
    }
}
