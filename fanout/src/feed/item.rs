//! An item of the ring: an entry of the log, decoded and encoded only when somebody is to be shown
//! it, and once.

use std::sync::OnceLock;

use bytes::Bytes;
use parlor_common::{
    author::AuthorKind,
    clock::Timestamp,
    conversation::ConversationKey,
    cursor::Cursors,
    event::Audience,
    event::{Event, Transport},
    frame::{ContractFrame, ServerFrame},
    id::SessionId,
    message::Message,
    position::Position,
};
use parlor_log::Entry;
use tracing::warn;

use crate::socket::wire;

/// What a socket speaks, as far as frames differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Protocol 1.
    Parlor1,
    /// The seed's widget.
    Contract,
}

/// An entry, and what has been made of it.
#[derive(Debug)]
pub(crate) struct Item {
    entry: Entry,
    facts: OnceLock<Option<Facts>>,
    parlor1: OnceLock<Bytes>,
    contract: OnceLock<Bytes>,
}

/// What decides who is shown a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// The session it came through.
    pub(crate) session: Option<SessionId>,
    /// Whether its visitor sent it by a POST.
    pub(crate) posted_by_visitor: bool,
    /// When it arrived at the door.
    pub(crate) arrived: Timestamp,
}

/// Fields around a text in both frames, the record's own ones, and what the types themselves take.
const OVERHEAD_BYTES: usize = 2_048;

// === impl Item ===

impl Item {
    pub(crate) const fn new(entry: Entry) -> Self {
        Self { entry, facts: OnceLock::new(), parlor1: OnceLock::new(), contract: OnceLock::new() }
    }

    pub(crate) const fn position(&self) -> Position {
        self.entry.position
    }

    pub(crate) const fn conversation(&self) -> &ConversationKey {
        &self.entry.conversation
    }

    /// The bytes it may come to hold: the record, and a frame of each dialect.
    pub(crate) fn cost(&self) -> usize {
        self.entry.record.len() * 3 + OVERHEAD_BYTES
    }

    /// What decides who is shown it; `None` where it is no message, which is shown to nobody.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.facts.get_or_init(|| self.decode().as_ref().map(Facts::of)).as_ref()
    }

    /// The frame that shows it; `None` where it is no message.
    pub(crate) fn frame(&self, dialect: Dialect, cursors: &Cursors) -> Option<Bytes> {
        let slot = match dialect {
            Dialect::Parlor1 => &self.parlor1,
            Dialect::Contract => &self.contract,
        };
        if let Some(frame) = slot.get() {
            return Some(frame.clone());
        }
        let event = self.decode()?;
        Some(slot.get_or_init(|| frame(&event, dialect, cursors).unwrap_or_default()).clone())
    }

    fn decode(&self) -> Option<Event> {
        let Entry { conversation, position, record, .. } = &self.entry;
        match Event::decode(conversation.clone(), *position, record.clone()) {
            Ok(event) => event.record.body.on_sockets(Audience::Agents).then_some(event),
            Err(error) => {
                warn!(
                    tenant.id = %conversation.tenant,
                    sequence = position.sequence(),
                    %error,
                    "an entry of the log is no record and is shown to nobody"
                );
                None
            }
        }
    }
}

// === impl Facts ===

impl Facts {
    pub(crate) fn of(event: &Event) -> Self {
        let record = &event.record;
        Self {
            session: record.session,
            posted_by_visitor: record.transport == Transport::Rest
                && record.author.kind == AuthorKind::Visitor,
            arrived: record.arrived,
        }
    }
}

/// The complete frame that shows `event`; `None` where it is no message.
pub(crate) fn frame(event: &Event, dialect: Dialect, cursors: &Cursors) -> Option<Bytes> {
    let message = Message::of(event, cursors)?;
    let json = match dialect {
        Dialect::Contract => ContractFrame::of(&message).encode(),
        Dialect::Parlor1 => ServerFrame::Message {
            conversation_id: message.conversation_id,
            message: std::borrow::Cow::Owned(message),
        }
        .encode(),
    };
    Some(wire::text(&json))
}
