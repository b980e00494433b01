//! The conversations of an agent's tenant: lists of them, one of them, and how many there are.

use axum::response::Response;
use http::StatusCode;
use parlor_auth::{Agent, Kind};
use parlor_common::{
    conversation::ConversationKey,
    deadline::in_time,
    position::Position,
    problem::Problem,
    state::{Register, Status, Waiting},
};
use parlor_history::HistoryError;
use parlor_store::{InboxFilter, InboxPage};
use serde::Serialize;
use tracing::debug;

use super::{
    super::{
        call::{Call, json},
        conversation::within,
        deps::Deps,
        query::Query,
    },
    access::check,
    messages::{must_exist, named},
    state::{Conversation, now},
};

/// Nobody counts further than this.
const MOST_COUNTED: usize = 1_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InboxBody {
    conversations: Vec<Conversation>,
    has_more: bool,
    /// `null` on the last page.
    next: Option<String>,
}

/// A conversation, and the position up to which every event of it is in it.
#[derive(Serialize)]
pub(super) struct OneBody {
    pub(super) conversation: Conversation,
    pub(super) cursor: String,
}

/// How many there are, [`MOST_COUNTED`] of each at most.
#[derive(Debug, Default, Serialize)]
struct Counts {
    open: usize,
    unassigned: usize,
    mine: usize,
    waiting: usize,
    unread: usize,
    snoozed: usize,
}

/// A list of the tenant's conversations, last active first.
pub(in super::super) async fn inbox(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let query = Query::parse(call.query())?;
    let (before, limit) = (query.inbox_before(&agent.tenant, &rest.cursors)?, query.limit()?);
    let filter = query.filter(&agent.id)?;
    let InboxPage { rows, next } = read(rest, &agent, &filter, before, limit).await?;
    let conversation =
        |row: &parlor_store::InboxRow| Conversation::of(row.conversation, &row.state, &agent, rest);
    let conversations = rows.iter().map(conversation).collect();
    let next = next.map(|next| rest.cursors.write(&agent.tenant, next));
    json(StatusCode::OK, &InboxBody { conversations, has_more: next.is_some(), next })
}

/// One of the tenant's conversations.
pub(in super::super) async fn one(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let key = named(call, &agent)?;
    must_exist(rest, &key).await?;
    json(StatusCode::OK, &body(rest, &agent, &key).await?)
}

/// How many conversations are open, and whose they are.
pub(in super::super) async fn counts(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let of = |status| InboxFilter { status: Some(status), ..InboxFilter::default() };
    let (open, snoozed) = (of(Status::Open), of(Status::Snoozed));
    let (open, snoozed) = tokio::try_join!(
        read(rest, &agent, &open, Position::MAX, MOST_COUNTED),
        read(rest, &agent, &snoozed, Position::MAX, MOST_COUNTED),
    )?;
    let mut counts =
        Counts { open: open.rows.len(), snoozed: snoozed.rows.len(), ..Counts::default() };
    for row in &open.rows {
        let assignee = row.state.value(&Register::Assignee);
        counts.unassigned += usize::from(assignee.is_none());
        counts.mine += usize::from(assignee == Some(&agent.id));
        counts.waiting += usize::from(row.state.waiting() == Some(Waiting::Team));
        counts.unread += usize::from(row.state.is_unread());
    }
    json(StatusCode::OK, &counts)
}

/// What a conversation has come to, for an agent.
pub(super) async fn body(
    rest: &Deps,
    agent: &Agent,
    key: &ConversationKey,
) -> Result<OneBody, Problem> {
    let read = within(rest.settings.read_within, rest.history.state_through(key));
    let (state, through) = read.await?;
    let conversation = Conversation::of(key.id, &state, agent, rest);
    Ok(OneBody { conversation, cursor: rest.cursors.write(&agent.tenant, through) })
}

async fn read(
    rest: &Deps,
    agent: &Agent,
    filter: &InboxFilter,
    before: Position,
    limit: usize,
) -> Result<InboxPage, Problem> {
    let read = rest.history.inbox(&agent.tenant, filter, now(rest), before, limit);
    let read = in_time(rest.settings.read_within, HistoryError::Unavailable, read).await;
    read.map_err(|error| {
        debug!(%error, "the inbox cannot be read");
        Problem::unavailable("the inbox cannot be read just now")
    })
}
