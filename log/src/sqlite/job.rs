//! Jobs: what the writer is given to commit, each with whom to tell what came of it.

use std::sync::Arc;

use bytes::Bytes;
use parlor_common::{conversation::ConversationKey, id::EventId, position::Position};
use tokio::sync::oneshot;

use crate::{Appended, LogError, Trim};

/// Whom to tell what came of a job.
pub(super) type Reply<T> = oneshot::Sender<Result<T, LogError>>;

/// A record that is to be appended.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) conversation: ConversationKey,
    pub(super) id: EventId,
    pub(super) record: Bytes,
    pub(super) reply: Reply<Appended>,
}

/// Deliveries that a group is done with.
#[derive(Debug)]
pub(super) struct Settle {
    pub(super) group: Arc<str>,
    pub(super) how: Settled,
    pub(super) reply: Reply<()>,
}

/// Part of the log that may be forgotten.
#[derive(Debug)]
pub(super) struct Forget {
    pub(super) trim: Trim,
    pub(super) reply: Reply<usize>,
}

/// How a group is done with deliveries.
#[derive(Debug)]
pub(super) enum Settled {
    /// It has kept these.
    Acked(Vec<Position>),
    /// This one can never be kept, for this reason.
    DeadLetter(Position, String),
}
