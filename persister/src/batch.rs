//! A batch: deliveries, sorted by what becomes of them.

use parlor_common::{event::Event, state::StateChange};
use parlor_log::Delivery;

/// Deliveries that were taken together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What the store keeps, and each one's delivery at the same index.
    pub(crate) events: Vec<Event>,
    pub(crate) deliveries: Vec<Delivery>,
    /// Kinds that this version does not store.
    pub(crate) skipped: Vec<Delivery>,
    /// What is no record, and why.
    pub(crate) unreadable: Vec<(Delivery, String)>,
}

impl Batch {
    pub(crate) fn sort(taken: Vec<Delivery>) -> Self {
        let mut batch = Self::default();
        for delivery in taken {
            let entry = &delivery.entry;
            match Event::decode(entry.conversation.clone(), entry.position, entry.record.clone()) {
                Ok(event) if is_kept(&event) => {
                    batch.events.push(event);
                    batch.deliveries.push(delivery);
                }
                Ok(_) => batch.skipped.push(delivery),
                Err(error) => batch.unreadable.push((delivery, error.to_string())),
            }
        }
        batch
    }
}

/// Whether the store keeps something of it: a row or a last value.
fn is_kept(event: &Event) -> bool {
    let body = &event.record.body;
    body.is_row() || body.changes() != StateChange::Nothing
}
