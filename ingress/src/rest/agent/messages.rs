//! Any conversation of an agent's tenant: read a page of its messages, send a draft, leave a note,
//! note how far it was read.

use axum::{body::Body, response::Response};
use http::StatusCode;
use parlor_auth::{Agent, Kind, Role};
use parlor_common::{
    action::Action,
    conversation::{ConversationKey, ConversationSet},
    door::Receipt,
    event::{Audience, ReadBody},
    id::ConversationId,
    problem::{Code, Problem},
    shown::Note,
};
use serde::Serialize;

use super::{
    super::{
        call::{Call, json},
        conversation::{
            MESSAGES, MarkBody, accept, draft, not_of_this_kind, page as read_page, page_answer,
            read_up_to, status_of, submit, wanted, within,
        },
        deps::Deps,
    },
    access::check,
};

#[derive(Serialize)]
struct NoteBody {
    note: Note,
    duplicate: bool,
}

/// A page of a conversation.
pub(in super::super) async fn page(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let wanted = wanted(rest, call, &agent.tenant)?;
    let key = named(call, &agent)?;
    let page = read_page(rest, &ConversationSet::only(&key), wanted).await?;
    if page.last.is_none() {
        must_exist(rest, &key).await?;
    }
    Ok(page_answer(rest, &agent.tenant, MESSAGES, &page))
}

/// A draft for a conversation that is there.
pub(in super::super) async fn post(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Write)?;
    let draft = draft(rest, call, body).await?;
    let key = named(call, &agent)?;
    must_exist(rest, &key).await?;
    accept(rest, call, ConversationSet::only(&key), agent.author(), draft).await
}

/// A note for the tenant's other agents.
pub(in super::super) async fn note(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Write)?;
    let draft = draft(rest, call, body).await?;
    let key = named(call, &agent)?;
    must_exist(rest, &key).await?;
    let Receipt { event, duplicate } =
        submit(rest, call, &key, agent.author(), Action::Note(draft)).await?;
    let note = Note::of(&event, &rest.cursors).ok_or_else(not_of_this_kind)?;
    json(status_of(duplicate), &NoteBody { note, duplicate })
}

/// How far the agent has read.
pub(in super::super) async fn mark(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Write)?;
    if agent.role == Role::Bot {
        return Err(Problem::new(Code::Forbidden, "a bot reads nothing"));
    }
    let up_to = read_up_to(rest, &agent.tenant, body).await?;
    let key = named(call, &agent)?;
    must_exist(rest, &key).await?;
    let state = within(rest.settings.read_within, rest.history.state(&key)).await?;
    let before = state.read_by(&agent.id);
    if up_to > before {
        let read = ReadBody { agent: Some(agent.id.clone()), up_to };
        submit(rest, call, &key, agent.author(), Action::Read(read)).await?;
    }
    let read = rest.cursors.write(&agent.tenant, up_to.max(before));
    json(StatusCode::OK, &MarkBody { read })
}

/// The conversation of the agent's own tenant that the address names. Text that cannot be an id
/// names nothing.
pub(super) fn named(call: &Call, agent: &Agent) -> Result<ConversationKey, Problem> {
    let id = ConversationId::parse(call.param("id")?).map_err(|_| Problem::not_found())?;
    Ok(ConversationKey { tenant: agent.tenant.clone(), id })
}

/// The same answer for what is another tenant's and for what never was: under this tenant neither
/// is there.
pub(super) async fn must_exist(rest: &Deps, key: &ConversationKey) -> Result<(), Problem> {
    match within(rest.settings.read_within, rest.history.exists(key, Audience::Agents)).await? {
        true => Ok(()),
        false => Err(Problem::not_found()),
    }
}
