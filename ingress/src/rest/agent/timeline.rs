//! A conversation with all that agents are shown of it, and the tenant's stream by REST.

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use parlor_auth::Kind;
use parlor_common::problem::Problem;
use parlor_common::{
    conversation::ConversationSet,
    deadline::in_time,
    event::{Audience, Event},
    frame::ServerFrame,
    position::Position,
};
use parlor_history::{Form, HistoryError, Scope};
use serde::Serialize;

use super::{
    super::{
        call::{Call, json},
        conversation::{page_answer, page_of, persisted, wanted},
        deps::Deps,
        query::Query,
    },
    access::check,
    messages::{must_exist, named},
};

/// The name of the form in which events stand in a page, and of the page's list of them.
const EVENTS: &str = "events";

/// The stream's twin.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangesBody<'a> {
    changes: Vec<ServerFrame<'a>>,
    cursor: String,
    has_more: bool,
    recovered: bool,
}

/// A page of a conversation: messages, notes, changes, ratings and links.
pub(in super::super) async fn page(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let wanted = wanted(rest, call, &agent.tenant)?;
    let key = named(call, &agent)?;
    let form = Form { name: EVENTS, write: |events: &[Event]| written(rest, events) };
    let set = ConversationSet::only(&key);
    let page = page_of(rest, &set, Audience::Agents, wanted, form).await?;
    if page.last.is_none() {
        must_exist(rest, &key).await?;
    }
    Ok(page_answer(rest, &agent.tenant, EVENTS, &page))
}

/// What a socket of the agent would be shown after a cursor; without one, where to begin.
pub(in super::super) async fn changes(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let query = Query::parse(call.query())?;
    let (since, limit) = (query.since(&agent.tenant, &rest.cursors)?, query.limit()?);
    let answer = |changes, position: Position, has_more, recovered| {
        let cursor = rest.cursors.write(&agent.tenant, position);
        json(StatusCode::OK, &ChangesBody { changes, cursor, has_more, recovered })
    };
    let begin = persisted(rest, &agent.tenant);
    let Some(since) = since else { return answer(Vec::new(), begin, false, true) };
    let scope = Scope::Tenant(agent.tenant.clone());
    let read = rest.history.forward(&scope, since, limit);
    match in_time(rest.settings.read_within, HistoryError::Unavailable, read).await {
        Ok(page) => {
            let frames = page.events.iter().filter_map(|event| frame(rest, event)).collect();
            answer(frames, page.through, page.more, true)
        }
        // As a socket says it: whoever asks begins anew, and loads what it shows.
        Err(HistoryError::UnknownPosition) => answer(Vec::new(), begin, false, false),
        Err(error) => Err(error.into()),
    }
}

/// Events as JSON, with commas between them.
fn written(rest: &Deps, events: &[Event]) -> Bytes {
    let frames = events.iter().filter_map(|event| frame(rest, event));
    let written: Vec<String> = frames.map(|frame| frame.encode()).collect();
    written.join(",").into()
}

/// An event as agents' sockets are shown it.
fn frame(rest: &Deps, event: &Event) -> Option<ServerFrame<'static>> {
    ServerFrame::of(event, Audience::Agents, &rest.cursors)
}
