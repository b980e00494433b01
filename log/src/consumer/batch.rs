//! A batch: deliveries, decoded.

use parlor_common::event::Event;

use crate::Delivery;

/// Deliveries that were taken together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The events, and each one's delivery at the same index.
    pub(super) events: Vec<Event>,
    pub(super) deliveries: Vec<Delivery>,
    /// What is no record, and why.
    pub(super) unreadable: Vec<(Delivery, String)>,
}

impl Batch {
    pub(super) fn decode(taken: Vec<Delivery>) -> Self {
        let mut batch = Self::default();
        for delivery in taken {
            let entry = &delivery.entry;
            match Event::decode(entry.conversation.clone(), entry.position, entry.record.clone()) {
                Ok(event) => {
                    batch.events.push(event);
                    batch.deliveries.push(delivery);
                }
                Err(error) => batch.unreadable.push((delivery, error.to_string())),
            }
        }
        batch
    }
}
