//! The seed's widget: no hello, no answer, no error frame; what it says is accepted, or the socket
//! ends.

use parlor_common::{
    action::Action,
    author::Author,
    clock::Timestamp,
    close::CloseCode,
    conversation::ConversationSet,
    door::Submission,
    event::Transport,
    frame::ContractDraft,
    message::{Draft, Text},
};
use tokio::time::Instant;
use tracing::debug;

use crate::{
    session::drafts::{Settled, Waiting},
    session::outbox::Ended,
    session::{Farewell, Session, Speaks},
};

/// A page of the seed's widget, and the visitor it belongs to.
#[derive(Debug)]
pub(crate) struct Contract {
    conversations: ConversationSet,
    author: Author,
    /// The socket is closed because a frame could not be accepted in time: nothing of it is tried
    /// again.
    given_up: bool,
}

// === impl Contract ===

impl Contract {
    pub(crate) const fn new(conversations: ConversationSet, author: Author) -> Self {
        Self { conversations, author, given_up: false }
    }

    /// The draft within a frame, with an id made now, which it keeps however often it is tried;
    /// `None` for what can be no message.
    fn draft(session: &Session, text: &str, arrived: Timestamp) -> Option<Draft> {
        let ContractDraft { kind, text } = serde_json::from_str(text).ok()?;
        if kind != "message" {
            return None;
        }
        let mut draft = Draft { text: Text::parse(text).ok()?, client_message_id: None };
        draft.keep_id(arrived, &session.node.random);
        Some(draft)
    }
}

impl Speaks for Contract {
    fn text(
        &mut self,
        session: &mut Session,
        text: &str,
        arrived: Timestamp,
    ) -> Result<(), CloseCode> {
        let Some(draft) = Self::draft(session, text, arrived) else {
            session.node.metrics.ignored.inc();
            return Ok(());
        };
        let submission = Submission {
            conversations: self.conversations.clone(),
            author: self.author.clone(),
            session: Some(session.viewer.session()),
            transport: Transport::Socket,
            arrived,
            action: Action::Send(draft),
        };
        session.drafts.push(Waiting::Draft(Box::new(submission)), text.len(), Instant::now());
        Ok(())
    }

    /// What cannot be appended now, or is over its rate, is held: the page shows it already, and
    /// only its end tells the visitor that it is not there.
    fn settled(&mut self, session: &mut Session, settled: Settled) -> Result<(), CloseCode> {
        match settled.outcome {
            Ok(_) => session.drafts.done(),
            Err(problem) if problem.code.retryable() && !self.given_up => {
                session.node.metrics.held.inc();
                session.drafts.hold(problem.retry_after, Instant::now());
            }
            Err(problem) => {
                debug!(
                    code = problem.code.as_str(),
                    "a frame of the seed's widget is refused for good"
                );
                session.node.metrics.ignored.inc();
                session.drafts.done();
            }
        }
        Ok(())
    }

    fn shows(&mut self, session: &mut Session) {
        session.ping_behind();
    }

    fn deadline(&self, session: &Session) -> Option<Instant> {
        session.drafts.first_came().map(|came| came + session.node.settings.hold_for)
    }

    fn tick(&mut self, session: &mut Session, now: Instant) -> Result<(), CloseCode> {
        match self.deadline(session) {
            Some(deadline) if now >= deadline => {
                self.given_up = true;
                session.drafts.abandon();
                Err(CloseCode::Failed)
            }
            _ => Ok(()),
        }
    }

    fn ended(&self, _: Ended) -> CloseCode {
        CloseCode::Restart
    }

    fn leave(&self, _: &Session) -> Farewell {
        Farewell::Listening(CloseCode::GoingAway)
    }
}
