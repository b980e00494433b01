//! An agent's inbox: the conversations of the tenant.

use axum::response::Response;
use http::StatusCode;
use parlor_auth::Kind;
use parlor_common::{
    deadline::in_time,
    id::{ConversationId, VisitorId},
    message::Sender,
    problem::Problem,
    state::Status,
};
use parlor_history::HistoryError;
use parlor_store::{InboxPage, InboxRow};
use serde::Serialize;
use tracing::debug;

use super::{
    super::{
        call::{Call, json},
        deps::Deps,
        query::Query,
    },
    access::check,
};

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
    status: Status,
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

/// The tenant's conversations, last active first.
pub(in super::super) async fn inbox(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let query = Query::parse(call.query())?;
    let (before, limit) = (query.inbox_before(&agent.tenant, &rest.cursors)?, query.limit()?);
    if query.status()? == Status::Closed {
        return json(
            StatusCode::OK,
            &InboxBody { conversations: Vec::new(), has_more: false, next: None },
        );
    }
    let read = rest.history.inbox(&agent.tenant, before, limit);
    let read = in_time(rest.settings.read_within, HistoryError::Unavailable, read).await;
    let InboxPage { rows, more } = read.map_err(|error| {
        debug!(%error, "the inbox cannot be read");
        Problem::unavailable("the inbox cannot be read just now")
    })?;
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| rest.cursors.write(&agent.tenant, row.position));
    let conversations = rows.into_iter().map(InboxItem::of).collect();
    json(StatusCode::OK, &InboxBody { conversations, has_more: more, next })
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
            // No event closes a conversation yet.
            status: Status::Open,
        }
    }
}
