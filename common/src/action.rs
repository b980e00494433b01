//! Actions: what a client, or a session on its behalf, asks the door to make an event of.

use crate::{
    event::{DeliveredBody, LinkedBody},
    message::Draft,
};

/// What the door is asked to make an event of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// To send a message.
    Send(Draft),
    /// To note how far a reader's clients have received the conversation. The session that asks has
    /// seen their acknowledgement.
    Mark(DeliveredBody),
    /// To note in each of the conversations that they are one visitor's. The node that asks has
    /// verified the cookies.
    Link(LinkedBody),
}

// === impl Action ===

impl Action {
    /// The name of each, as metrics and logs spell it.
    pub const NAMES: [&str; 3] = ["send", "mark", "link"];

    /// Its name, one of [`NAMES`](Self::NAMES).
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Send(_) => Self::NAMES[0],
            Self::Mark(_) => Self::NAMES[1],
            Self::Link(_) => Self::NAMES[2],
        }
    }
}
