//! The row: what a store keeps of a message.

use bytes::Bytes;
use parlor_common::{
    author::AuthorKind,
    clock::Timestamp,
    conversation::ConversationKey,
    event::Event,
    id::{EventId, VisitorId},
    message::Sender,
    position::Position,
};

use crate::{PREVIEW_CHARS, StoreError};

/// A message as it is kept: its record as it is in the log, and what the inbox shows of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) conversation: ConversationKey,
    pub(crate) position: Position,
    pub(crate) id: EventId,
    pub(crate) record: Bytes,
    pub(crate) at: Timestamp,
    pub(crate) preview: String,
    pub(crate) sender: Sender,
    /// Who wrote it, where that was a visitor.
    pub(crate) visitor: Option<VisitorId>,
}

// === impl Row ===

impl Row {
    /// The rows of those events that are messages.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] for an event at position 0, where none can be: it would be outside
    /// every page.
    pub(crate) fn of_messages(events: &[Event]) -> Result<Vec<Self>, StoreError> {
        events.iter().filter_map(Self::of).collect()
    }

    fn of(event: &Event) -> Option<Result<Self, StoreError>> {
        let message = event.record.body.message()?;
        if event.position == Position::ZERO {
            return Some(Err(StoreError::Rejected("an event cannot have position 0".to_owned())));
        }
        let author = &event.record.author;
        let visitor =
            (author.kind == AuthorKind::Visitor).then(|| VisitorId::parse(&author.id).ok());
        Some(Ok(Self {
            conversation: event.conversation.clone(),
            position: event.position,
            id: event.record.id,
            record: event.raw.clone(),
            at: event.record.at,
            preview: message.text.chars().take(PREVIEW_CHARS).collect(),
            sender: Sender::of(author),
            visitor: visitor.flatten(),
        }))
    }
}

/// As both stores spell it.
pub(crate) const fn sender_text(sender: Sender) -> &'static str {
    match sender {
        Sender::User => "user",
        Sender::Agent => "agent",
        Sender::Bot => "bot",
    }
}

/// Reads back what [`sender_text`] wrote.
pub(crate) fn parse_sender(text: &str) -> Option<Sender> {
    [Sender::User, Sender::Agent, Sender::Bot]
        .into_iter()
        .find(|&sender| sender_text(sender) == text)
}

/// The message that a row's record is; `None`, with a warning for the operator, where it cannot be
/// read.
pub(crate) fn decode(
    conversation: &ConversationKey,
    position: Position,
    record: Bytes,
    metrics: &crate::Metrics,
) -> Option<Event> {
    match Event::decode(conversation.clone(), position, record) {
        Ok(event) => event.record.body.message().is_some().then_some(event),
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
