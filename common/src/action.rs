//! Actions: what a client, or a session on its behalf, asks the door to make an event of.

use crate::{event::DeliveredBody, message::Draft};

/// What the door is asked to make an event of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// To send a message.
    Send(Draft),
    /// To note how far a reader's clients have received the conversation. The session that asks has
    /// seen their acknowledgement.
    Mark(DeliveredBody),
}
