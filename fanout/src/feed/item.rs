//! An item of the ring: an entry of the log, decoded and encoded only when somebody is to be shown
//! it, and once for each dialect.

use std::sync::OnceLock;

use bytes::Bytes;
use parlor_common::{
    conversation::ConversationKey,
    cursor::Cursors,
    event::{Audience, Event, LinkedBody},
    position::Position,
};
use parlor_log::Entry;
use tracing::warn;

use crate::{
    dialect::{Dialect, all::DIALECTS},
    feed::facts::Facts,
};

/// An entry, and what has been made of it.
#[derive(Debug)]
pub(crate) struct Item {
    entry: Entry,
    facts: OnceLock<Option<Facts>>,
    /// For visitors, and for agents where that is another one; by the dialect's slot.
    frames: [[OnceLock<Option<Bytes>>; DIALECTS.len()]; 2],
}

/// Fields around a text in the frames, the record's own ones, and what the types themselves take.
const OVERHEAD_BYTES: usize = 2_048;

// === impl Item ===

impl Item {
    pub(crate) const fn new(entry: Entry) -> Self {
        let frames = [const { [const { OnceLock::new() }; DIALECTS.len()] }; 2];
        Self { entry, facts: OnceLock::new(), frames }
    }

    pub(crate) const fn position(&self) -> Position {
        self.entry.position
    }

    pub(crate) const fn conversation(&self) -> &ConversationKey {
        &self.entry.conversation
    }

    /// The bytes it may come to hold: the record, and a frame of each dialect. What has a second
    /// one of each is small.
    pub(crate) fn cost(&self) -> usize {
        self.entry.record.len() * (1 + DIALECTS.len()) + OVERHEAD_BYTES
    }

    /// What decides who is shown it; `None` where it is no record, which is shown to nobody.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.facts.get_or_init(|| self.decode().as_ref().map(Facts::of)).as_ref()
    }

    /// The frame that shows it to `audience`; `None` where the dialect has none for it.
    pub(crate) fn frame(
        &self,
        dialect: &dyn Dialect,
        audience: Audience,
        cursors: &Cursors,
    ) -> Option<Bytes> {
        let is_other = audience == Audience::Agents && self.facts()?.differs_by_audience;
        let encode = || self.decode().and_then(|event| dialect.event(&event, audience, cursors));
        self.frames[usize::from(is_other)].get(dialect.slot())?.get_or_init(encode).clone()
    }

    /// What it makes one, where it does.
    pub(crate) fn linked(&self) -> Option<LinkedBody> {
        self.facts().filter(|facts| facts.links)?;
        self.decode()?.record.body.linked().cloned()
    }

    fn decode(&self) -> Option<Event> {
        let Entry { conversation, position, record, .. } = &self.entry;
        match Event::decode(conversation.clone(), *position, record.clone()) {
            Ok(event) => Some(event),
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
