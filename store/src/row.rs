//! What a store keeps of events: rows and last values.

use bytes::Bytes;
use parlor_common::{
    author::AuthorKind,
    clock::Timestamp,
    conversation::ConversationKey,
    event::Event,
    id::{EventId, VisitorId},
    message::Sender,
    position::Position,
    state::{Reader, StateChange},
};

use crate::{PREVIEW_CHARS, StoreError};

/// What is kept of some events.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) rows: Vec<Row>,
    pub(crate) marks: Vec<Mark>,
}

/// An event of a timeline as it is kept: its record as it is in the log, and what the inbox shows
/// of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) conversation: ConversationKey,
    pub(crate) position: Position,
    pub(crate) id: EventId,
    pub(crate) record: Bytes,
    pub(crate) at: Timestamp,
    /// What the inbox shows; `None` where the row is no activity, and then not in the inbox.
    pub(crate) preview: Option<String>,
    pub(crate) sender: Sender,
    /// Who wrote it, where that was a visitor.
    pub(crate) visitor: Option<VisitorId>,
}

/// A delivered mark, the last value of one reader of a conversation.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) conversation: ConversationKey,
    pub(crate) reader: Reader,
    pub(crate) up_to: Position,
}

// === impl Kept ===

impl Kept {
    /// # Errors
    /// [`StoreError::Rejected`] for an event at position 0, which would be outside every page, and
    /// for a mark ahead of its own event: nothing later could be told from it, and as a write
    /// timestamp it could lie further ahead than a database takes.
    pub(crate) fn of(events: &[Event]) -> Result<Self, StoreError> {
        let mut kept = Self::default();
        for event in events {
            let body = &event.record.body;
            if body.is_row() {
                kept.rows.push(Row::of(event)?);
            }
            match body.changes() {
                StateChange::Nothing => {}
                StateChange::Delivered { up_to, .. } if up_to > event.position => {
                    return Err(StoreError::Rejected(
                        "a mark cannot be ahead of itself".to_owned(),
                    ));
                }
                StateChange::Delivered { up_to: Position::ZERO, .. } => {}
                StateChange::Delivered { reader, up_to } => {
                    let conversation = event.conversation.clone();
                    kept.marks.push(Mark { conversation, reader, up_to });
                }
            }
        }
        Ok(kept)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.marks.is_empty()
    }
}

// === impl Row ===

impl Row {
    pub(crate) fn of(event: &Event) -> Result<Self, StoreError> {
        if event.position == Position::ZERO {
            return Err(StoreError::Rejected("an event cannot have position 0".to_owned()));
        }
        let author = &event.record.author;
        let visitor =
            (author.kind == AuthorKind::Visitor).then(|| VisitorId::parse(&author.id).ok());
        let activity = event.record.body.activity();
        Ok(Self {
            conversation: event.conversation.clone(),
            position: event.position,
            id: event.record.id,
            record: event.raw.clone(),
            at: event.record.at,
            preview: activity.map(|text| text.chars().take(PREVIEW_CHARS).collect()),
            sender: Sender::of(author),
            visitor: visitor.flatten(),
        })
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
