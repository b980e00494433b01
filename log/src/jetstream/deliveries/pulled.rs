//! What comes to the inbox of a reader: deliveries, and how its pulls end.

use async_nats::Message;

use super::super::{
    entry::{AckReply, delivered, last},
    names::{Names, StreamRef},
};
use crate::{Delivery, LogError};

/// What a message of the inbox is.
pub(super) enum Pulled {
    Delivery(Delivery),
    /// A message that is not one of ours, and how it is acknowledged.
    Foreign(String),
    /// This pull has ended. A replicated consumer sends a message only once most replicas know of
    /// its delivery, and the end of the pull at once: so many were not delivered, and the others
    /// may still be on their way.
    End {
        number: u64,
        undelivered: usize,
    },
    Failed(LogError),
    /// Neither a delivery nor of any interest.
    Nothing,
}

/// The inbox of a reader, and the number of its last pull: earlier ones have no say any more.
pub(super) struct Inbox<'a> {
    pub(super) names: &'a Names,
    pub(super) stream: &'a StreamRef,
    pub(super) subject: &'a str,
    pub(super) pull: u64,
}

// === impl Inbox ===

impl Inbox<'_> {
    pub(super) fn read(&self, message: &Message) -> Pulled {
        let number =
            message.subject.strip_prefix(self.subject).and_then(|rest| rest.strip_prefix('.'));
        match number {
            Some(number) => self.read_status(number, message),
            None => self.read_delivery(message),
        }
    }

    fn read_status(&self, number: &str, message: &Message) -> Pulled {
        let Some(status) = message.status else { return Pulled::Nothing };
        let Some(number) = number.parse().ok().filter(|number| *number == self.pull) else {
            return Pulled::Nothing;
        };
        let description = message.description.as_deref().unwrap_or_default();
        // Without the header nothing can be on its way that we would know of.
        let undelivered =
            message.headers.as_ref().and_then(|headers| last(headers, "Nats-Pending-Messages"));
        let undelivered = undelivered.and_then(|count| count.parse().ok()).unwrap_or(usize::MAX);
        match status.as_u16() {
            // No messages; the time is over; the next one does not fit, or the consumer moves to
            // another leader.
            404 | 408 => Pulled::End { number, undelivered },
            409 if description.contains("MaxBytes") || description.contains("Batch Completed") => {
                Pulled::End { number, undelivered }
            }
            100 => Pulled::Nothing,
            status => Pulled::Failed(LogError::Unavailable(format!(
                "a pull was ended: {status} {description}"
            ))),
        }
    }

    fn read_delivery(&self, message: &Message) -> Pulled {
        let Some(token) = message.reply.as_ref() else { return Pulled::Nothing };
        let Some(reply) = AckReply::parse(token).filter(|reply| reply.stream == self.stream.name)
        else {
            return Pulled::Nothing;
        };
        match delivered(self.names, self.stream, message, &reply) {
            Some(entry) => Pulled::Delivery(Delivery {
                entry,
                token: token.to_string(),
                attempt: reply.deliveries,
            }),
            None => Pulled::Foreign(token.to_string()),
        }
    }
}
