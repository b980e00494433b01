//! Agents: the inbox, and any conversation of their tenant.

use axum::{body::Body, response::Response};
use http::StatusCode;
use parlor_auth::{Agent, Bearer, Credential, Kind, visit};
use parlor_common::{
    conversation::{ConversationKey, ConversationSet},
    event::Audience,
    id::{ConversationId, VisitorId},
    message::Sender,
    problem::{Code, Problem},
};
use parlor_store::{InboxPage, InboxRow, StoreError};
use serde::Serialize;
use tracing::debug;

use super::{
    Deps,
    call::{Call, json},
    conversation::{accept, draft, page as read_page, page_answer, wanted, within},
    query::{Query, Status},
};

/// What stands in the address for a conversation, before it is looked at.
#[derive(Clone, Debug)]
pub(super) struct ConversationName(pub(super) String);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InboxBody {
    conversations: Vec<InboxItem>,
    has_more: bool,
    /// `null` on the last page.
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InboxItem {
    id: ConversationId,
    last_message: Preview,
    last_activity: String,
    visitor: Option<Visitor>,
    status: &'static str,
}

#[derive(Serialize)]
struct Preview {
    text: String,
    sender: Sender,
    timestamp: String,
}

#[derive(Serialize)]
struct Visitor {
    id: VisitorId,
}

/// The tenant's conversations, last active first. May lag as the persister does.
pub(super) async fn inbox(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let query = Query::parse(call.query())?;
    let (before, limit) = (query.inbox_before(&agent.tenant, &rest.cursors)?, query.limit()?);
    if query.status()? == Status::Closed {
        return json(
            StatusCode::OK,
            &InboxBody { conversations: Vec::new(), has_more: false, next: None },
        );
    }
    let read = tokio::time::timeout(
        rest.settings.read_within,
        rest.store.inbox(&agent.tenant, before, limit),
    )
    .await;
    let read =
        read.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".to_owned())));
    let InboxPage { rows, more } = read.map_err(|error| {
        debug!(%error, "the inbox cannot be read");
        Problem::unavailable("the inbox cannot be read just now")
    })?;
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| rest.cursors.write(&agent.tenant, row.position));
    let conversations = rows.into_iter().map(InboxItem::of).collect();
    json(StatusCode::OK, &InboxBody { conversations, has_more: more, next })
}

/// A page of a conversation.
pub(super) async fn page(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let wanted = wanted(rest, call, &agent.tenant)?;
    let key = named(call, &agent)?;
    let page = read_page(rest, &ConversationSet::only(&key), Audience::Agents, wanted).await?;
    if page.events.is_empty() {
        must_exist(rest, &key).await?;
    }
    page_answer(rest, &agent.tenant, &page)
}

/// A draft for a conversation that is there.
pub(super) async fn post(rest: &Deps, call: &mut Call, body: Body) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Write)?;
    let draft = draft(rest, call, body).await?;
    let key = named(call, &agent)?;
    must_exist(rest, &key).await?;
    accept(rest, call, ConversationSet::only(&key), agent.author(), draft).await
}

/// Who asks, from which page, and that what it names besides is its own tenant.
fn check(rest: &Deps, call: &mut Call, kind: Kind) -> Result<Agent, Problem> {
    let refuse = || Problem::new(Code::Unauthorized, "an agent's token is wanted");
    let Bearer::Other(token) = visit::bearer(call.headers())? else { return Err(refuse()) };
    let agent = rest.agents.verify(token)?;
    // Gone between the two, by a reload of the tenants' file.
    let tenant = rest.tenants.get(&agent.tenant).ok_or_else(refuse)?;
    call.check_origin(&tenant, kind, Credential::Bearer)?;
    visit::agree(&agent.tenant, call.headers(), None)?;
    Ok(agent)
}

/// The conversation of the agent's own tenant that the address names. What cannot be one is not
/// there.
fn named(call: &Call, agent: &Agent) -> Result<ConversationKey, Problem> {
    let name = call.extension::<ConversationName>().ok_or_else(Problem::not_found)?;
    let id = ConversationId::parse(&name.0).map_err(|_| Problem::not_found())?;
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

// === impl InboxItem ===

impl InboxItem {
    fn of(row: InboxRow) -> Self {
        let InboxRow { conversation, position: _, at, preview, sender, visitor } = row;
        let at = at.to_string();
        Self {
            id: conversation,
            last_message: Preview { text: preview, sender, timestamp: at.clone() },
            last_activity: at,
            visitor: visitor.map(|id| Visitor { id }),
            status: "open",
        }
    }
}
