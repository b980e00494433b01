//! Changing a conversation: status, assignee, team, labels; and what is known of its visitor.

use axum::{body::Body, response::Response};
use http::StatusCode;
use parlor_auth::{Agent, Kind};
use parlor_common::{
    action::{Action, Change},
    conversation::ConversationKey,
    problem::{Code, Problem},
    state::{ConversationState, Register},
};
use parlor_http::read_body;

use super::{
    super::{
        body::idempotency_key,
        call::{Call, json},
        conversation::{submit, within},
        deps::Deps,
        fields::{Fields, Patch, attributes_of, has_room},
    },
    access::check,
    conversations::body as one_body,
    messages::{must_exist, named},
    state::{Conversation, now},
};

/// A claim that meets another change is judged anew so often.
const ATTEMPTS: usize = 5;

/// Changes what a PATCH asks for, where its `ifAssignee` holds.
pub(in super::super) async fn patch(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Write)?;
    let body = read_body(body, rest.settings.max_body, rest.settings.body_stall).await?;
    let wanted = Fields::parse(&body)?.patch(now(rest), idempotency_key(call.headers())?)?;
    let key = named(call, &agent)?;
    must_exist(rest, &key).await?;
    let Patch { body, client_message_id, if_assignee } = wanted;
    for _ in 0..ATTEMPTS {
        // Taken before the state is read, which so has all of it. Whoever names no condition takes
        // what comes in between.
        let last = within(rest.settings.read_within, rest.history.last(&key));
        let expected = if if_assignee.is_some() { Some(last.await?) } else { None };
        let state = within(rest.settings.read_within, rest.history.state(&key)).await?;
        has_room(&state, body.labels.keys().cloned().map(Register::Label))?;
        let assignee = state.value(&Register::Assignee);
        if if_assignee.as_ref().is_some_and(|wanted| wanted.as_deref() != assignee) {
            // Whoever claims again what is the own already has missed the first answer.
            let is_won = assignee == Some(&agent.id)
                && matches!(&body.assignee, Some(Some(claimed)) if *claimed == agent.id);
            return match is_won {
                true => answer(rest, &agent, &key).await,
                false => conflict(rest, call, &agent, &key, &state),
            };
        }
        let (body, client_message_id) = (body.clone(), client_message_id.clone());
        let change = Action::Change(Change { body, client_message_id, expected });
        match submit(rest, call, &key, agent.author(), change).await {
            Ok(_) => return answer(rest, &agent, &key).await,
            Err(problem) if problem.code == Code::Conflict => {}
            Err(problem) => return Err(problem),
        }
    }
    Err(Problem::busy(
        std::time::Duration::from_secs(1),
        "too much happens in this conversation at once",
    ))
}

/// Says something of the conversation's visitor.
pub(in super::super) async fn profile(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Write)?;
    let body = read_body(body, rest.settings.max_body, rest.settings.body_stall).await?;
    let profile = Fields::parse(&body)?.profile()?;
    let key = named(call, &agent)?;
    must_exist(rest, &key).await?;
    let state = within(rest.settings.read_within, rest.history.state(&key)).await?;
    has_room(&state, attributes_of(&profile))?;
    let action = Action::Know(profile, idempotency_key(call.headers())?);
    submit(rest, call, &key, agent.author(), action).await?;
    answer(rest, &agent, &key).await
}

/// The conversation with the change in it.
async fn answer(rest: &Deps, agent: &Agent, key: &ConversationKey) -> Result<Response, Problem> {
    json(StatusCode::OK, &one_body(rest, agent, key).await?)
}

/// The condition does not hold; the answer tells what is so instead.
fn conflict(
    rest: &Deps,
    call: &Call,
    agent: &Agent,
    key: &ConversationKey,
    state: &ConversationState,
) -> Result<Response, Problem> {
    let problem = Problem::new(Code::Conflict, "somebody else takes care of it");
    let problem = problem.detail("ifAssignee", "conflict");
    let conversation = Conversation::of(key.id, state, agent, rest);
    let mut body = serde_json::to_value(call.problem_body(&problem)).unwrap_or_default();
    if let Ok(conversation) = serde_json::to_value(conversation) {
        body["conversation"] = conversation;
    }
    json(problem.code.status(), &body)
}
