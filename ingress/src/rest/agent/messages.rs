//! Any conversation of an agent's tenant: read a page, send a draft.

use axum::{body::Body, response::Response};
use parlor_auth::{Agent, Kind};
use parlor_common::{
    conversation::{ConversationKey, ConversationSet},
    event::Audience,
    id::ConversationId,
    problem::Problem,
};

use super::{
    super::{
        call::Call,
        conversation::{accept, draft, page as read_page, page_answer, wanted, within},
        deps::Deps,
    },
    access::check,
};

/// A page of a conversation.
pub(in super::super) async fn page(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let wanted = wanted(rest, call, &agent.tenant)?;
    let key = named(call, &agent)?;
    let page = read_page(rest, &ConversationSet::only(&key), Audience::Agents, wanted).await?;
    if page.last.is_none() {
        must_exist(rest, &key).await?;
    }
    Ok(page_answer(rest, &agent.tenant, &page))
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

/// The conversation of the agent's own tenant that the address names. Text that cannot be an id
/// names nothing.
fn named(call: &Call, agent: &Agent) -> Result<ConversationKey, Problem> {
    let id = ConversationId::parse(call.param("id")?).map_err(|_| Problem::not_found())?;
    Ok(ConversationKey { tenant: agent.tenant.clone(), id })
}

/// The same answer for what is another tenant's and for what never was: under this tenant neither
/// is there.
async fn must_exist(rest: &Deps, key: &ConversationKey) -> Result<(), Problem> {
    match within(rest.settings.read_within, rest.history.exists(key, Audience::Agents)).await? {
        true => Ok(()),
        false => Err(Problem::not_found()),
    }
}
