//! The door's seam: how a session hands over what its client says, without knowing who appends it.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    clock::Timestamp,
    conversation::ConversationSet,
    event::{Author, Event, Way},
    id::SessionId,
    message::Draft,
    problem::Problem,
};

/// A draft with all that the door needs to know of it. Who wrote it has been verified.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Where it goes (the first), and where an earlier one of the same id may be (all).
    pub conversations: ConversationSet,
    /// Who wrote it.
    pub author: Author,
    /// The session it came through, where it came through a socket.
    pub session: Option<SessionId>,
    /// The way it came in.
    pub way: Way,
    /// When it arrived at this node.
    pub arrived: Timestamp,
    /// What to send.
    pub draft: Draft,
}

/// The door's answer to an accepted draft: the log has it.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// What the log has: for a duplicate, the first one.
    pub event: Event,
    /// Whether an earlier request had it accepted already.
    pub duplicate: bool,
}

/// Accepts drafts.
#[async_trait]
pub trait Door: Debug + Send + Sync + 'static {
    /// Checks the limits, appends, and answers once the log has acknowledged.
    ///
    /// Takes at most 12 s and a few round trips. Not cancel safe: after a drop the draft may be
    /// accepted or not; the same draft with the same client message id finds out.
    ///
    /// # Errors
    /// A [`Problem`] for the client. Where it is retryable the draft may have been accepted all the
    /// same, and the same client message id must be used again.
    async fn accept(&self, submission: Submission) -> Result<Receipt, Problem>;
}
