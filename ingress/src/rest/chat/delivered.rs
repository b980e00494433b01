//! The delivered mark of a page's GET: what it shows, its page has.

use std::time::Duration;

use parlor_auth::VisitorToken;
use parlor_common::{
    action::Action,
    conversation::ConversationSet,
    deadline::in_time,
    door::Submission,
    event::{DeliveredBody, Transport},
    problem::Problem,
    state::Reader,
};
use parlor_history::WrittenPage;
use tracing::debug;

use super::super::{call::Call, deps::Deps};

/// How long the GET waits for its mark. A socket of the same page that was sent to another node is
/// held back for longer than this, and reads the mark after that.
const WITHIN: Duration = Duration::from_millis(250);

/// Notes that the page of this GET has what agents wrote. It comes before the answer, so that a
/// socket of the page that another node opens later knows of it, and is bounded: without the mark
/// such a socket shows again what the GET has shown, and nothing is lost.
pub(super) async fn note(
    rest: &Deps,
    call: &Call,
    token: &VisitorToken,
    conversations: &ConversationSet,
    shown: &WrittenPage,
) {
    let (Some(last), Some(last_answer)) = (shown.last, shown.last_answer) else { return };
    let noted = async {
        let state = rest.history.state(&conversations.primary()).await?;
        if last_answer <= state.delivered(Reader::Visitor) {
            return Ok(());
        }
        let submission = Submission {
            conversations: conversations.clone(),
            author: token.author(),
            session: None,
            transport: Transport::Rest,
            arrived: call.arrived,
            action: Action::Mark(DeliveredBody::of(Reader::Visitor, last)),
        };
        rest.door.accept(submission).await.map(drop)
    };
    let late = |_| Problem::unavailable("the mark was not noted in time");
    if let Err(problem) = in_time(WITHIN, late, noted).await {
        debug!(code = problem.code.as_str(), "what a GET shows is not noted as delivered");
    }
}
