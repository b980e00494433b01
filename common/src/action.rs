//! Actions: what a client, or a session on its behalf, asks the door to make an event of.

use crate::{
    event::{ChangeBody, DeliveredBody, DeskBody, LinkedBody, ProfileBody, RatingBody, ReadBody},
    id::ClientMessageId,
    message::Draft,
    position::Position,
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
    /// To tell the other agents something.
    Note(Draft),
    /// To change status, assignee, team or labels.
    Change(Change),
    /// To note how far a reader has read. Where the reader has marked as much before, the caller
    /// does not ask.
    Read(ReadBody),
    /// To say something of the visitor.
    Know(ProfileBody, Option<ClientMessageId>),
    /// To put something on the tenant's desk, or take it away.
    Furnish(DeskBody, Option<ClientMessageId>),
    /// To rate a conversation that was closed at this position, once for each closing.
    Rate(RatingBody, Position),
}

/// A change that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What is to be changed.
    pub body: ChangeBody,
    /// The id by which the client recognises it.
    pub client_message_id: Option<ClientMessageId>,
    /// Where the conversation's last event must lie; anywhere, where it is `None`.
    pub expected: Option<Position>,
}

// === impl Action ===

impl Action {
    /// The name of each, as metrics and logs spell it.
    pub const NAMES: [&str; 9] =
        ["send", "mark", "link", "note", "change", "read", "know", "rate", "furnish"];

    /// Its name, one of [`NAMES`](Self::NAMES).
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Send(_) => Self::NAMES[0],
            Self::Mark(_) => Self::NAMES[1],
            Self::Link(_) => Self::NAMES[2],
            Self::Note(_) => Self::NAMES[3],
            Self::Change(_) => Self::NAMES[4],
            Self::Read(_) => Self::NAMES[5],
            Self::Know(..) => Self::NAMES[6],
            Self::Rate(..) => Self::NAMES[7],
            Self::Furnish(..) => Self::NAMES[8],
        }
    }
}
