//! The door's seam: how a session hands over what its client says, without knowing who appends it.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    action::Action,
    author::Author,
    clock::Timestamp,
    conversation::ConversationSet,
    event::{Event, Transport},
    id::SessionId,
    problem::Problem,
};

/// An action with all that the door needs to know of it. Who asks for it has been verified.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Where it goes (the first), and where an earlier one of the same id may be (all).
    pub conversations: ConversationSet,
    /// Who asks for it.
    pub author: Author,
    /// The session it came through, where it came through a socket.
    pub session: Option<SessionId>,
    /// How it reached this node.
    pub transport: Transport,
    /// When it arrived at this node.
    pub arrived: Timestamp,
    /// What is asked for.
    pub action: Action,
}

/// The door's answer to an accepted action: the log has its event.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// What the log has: for a duplicate, the first one.
    pub event: Event,
    /// Whether an earlier request had it accepted already.
    pub duplicate: bool,
}

/// Accepts actions.
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

    /// How many of one session it is worth handing over together.
    fn run_length(&self) -> usize {
        1
    }

    /// Accepts several of one session in their order, each as [`accept`](Self::accept) does.
    ///
    /// What follows one that is refused and may be sent again **must not** be tried, so that it
    /// does not overtake it: it has no answer. There is at least one answer, and there may be fewer
    /// than submissions for other reasons too; the rest is to be handed over again.
    async fn accept_run(&self, submissions: Vec<Submission>) -> Vec<Result<Receipt, Problem>> {
        one_by_one(self, submissions).await
    }
}

/// Accepts one after the other, up to the first that is refused and may be sent again.
pub async fn one_by_one(
    door: &(impl Door + ?Sized),
    submissions: Vec<Submission>,
) -> Vec<Result<Receipt, Problem>> {
    let mut answers = Vec::new();
    for submission in submissions {
        let answer = door.accept(submission).await;
        let ends = answer.as_ref().is_err_and(|problem| problem.code.retryable());
        answers.push(answer);
        if ends {
            break;
        }
    }
    answers
}
