//! Jobs: what the writer is given to commit, each with whom to tell what came of it.

use std::sync::Arc;

use parlor_common::position::Position;
use tokio::sync::oneshot;

use crate::{Appended, LogError, NewEntry, Trim};

/// Whom to tell what came of a job.
pub(super) type Reply<T> = oneshot::Sender<Result<T, LogError>>;

/// Records that are to be appended in their order, and none that follows one that is not.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) run: Vec<NewEntry>,
    pub(super) reply: Reply<Outcomes>,
}

/// What became of a run: of its first ones, where one was not taken.
pub(super) type Outcomes = Vec<Result<Appended, LogError>>;

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
