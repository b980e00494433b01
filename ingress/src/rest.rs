//! REST: routes to handlers, and what every answer has in common.
//!
//! A handler answers or returns a [`Problem`]; what the answer needs besides (allow headers, a
//! cookie) is noted on the [`Call`] as soon as it is known, so that an error carries it too.

mod agent;
mod body;
mod call;
mod conversation;
mod cors;
mod query;
mod route;
mod session;
mod visitor;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    response::Response,
    routing::any,
};
use http::Method;
use parlor_auth::{Agents, Limits, Tenants, VisitorTokens};
use parlor_common::{
    clock::Clock,
    cursor::Cursors,
    door::Door,
    problem::{Code, Problem},
    random::Random,
};
use parlor_history::History;
use parlor_log::{EventLog, monitor::Monitor};
use parlor_store::HistoryStore;

use self::call::Call;
pub(crate) use self::route::Route;
use crate::{Metrics, RestSettings};

/// What REST needs.
#[derive(Debug)]
pub struct Deps {
    /// Takes drafts.
    pub door: Arc<dyn Door>,
    /// Tells which shard a tenant lives in; nothing is read from it here.
    pub log: Arc<dyn EventLog>,
    /// Answers the inbox.
    pub store: Arc<dyn HistoryStore>,
    /// Reads conversations.
    pub history: History,
    /// Knows how far the store has got.
    pub monitor: Monitor,
    /// Who may be named, and from which pages.
    pub tenants: Tenants,
    /// Who a visitor is.
    pub visitors: VisitorTokens,
    /// Who an agent is.
    pub agents: Agents,
    /// How often an address may ask.
    pub limits: Limits,
    /// Positions as clients see them.
    pub cursors: Cursors,
    /// The time.
    pub clock: Clock,
    /// Names requests that came without a name.
    pub random: Random,
    /// How to answer.
    pub settings: RestSettings,
    /// What to count.
    pub metrics: Metrics,
}

type Rest = Arc<Deps>;

/// The REST interface: every path under `/api`, and a 404 in the error's shape for any other.
///
/// To be served by [`parlor_http::serve`], which tells each request's address and id;
/// without that all requests count as one address's.
pub fn router(deps: Deps) -> Router {
    let mut router = Router::new();
    // A base address that ends in a slash, and a client that adds one, mean the same.
    for slash in ["", "/"] {
        router = router
            .route(&format!("/api/chat/messages{slash}"), any(messages))
            .route(&format!("/api/chat/session{slash}"), any(session))
            .route(&format!("/api/agent/conversations{slash}"), any(conversations))
            .route(&format!("/api/agent/conversations/{{id}}/messages{slash}"), any(conversation));
    }
    router.fallback(nothing).with_state(Arc::new(deps))
}

async fn messages(State(rest): State<Rest>, request: Request) -> Response {
    answer(rest, Route::Messages, request).await
}

async fn session(State(rest): State<Rest>, request: Request) -> Response {
    answer(rest, Route::Session, request).await
}

async fn conversations(State(rest): State<Rest>, request: Request) -> Response {
    answer(rest, Route::Conversations, request).await
}

async fn conversation(
    State(rest): State<Rest>,
    id: Result<Path<String>, PathRejection>,
    mut request: Request,
) -> Response {
    if let Ok(Path(id)) = id {
        request.extensions_mut().insert(agent::ConversationName(id));
    }
    answer(rest, Route::Conversation, request).await
}

async fn nothing(State(rest): State<Rest>, request: Request) -> Response {
    answer(rest, Route::Nothing, request).await
}

async fn answer(rest: Rest, route: Route, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut call = Call::new(route, parts, &rest.clock, &rest.random);
    let answer = dispatch(&rest, &mut call, body).await;
    call.finish(answer, &rest)
}

async fn dispatch(rest: &Deps, call: &mut Call, body: Body) -> Result<Response, Problem> {
    // Not limited: a page whose preflight is refused cannot read why, nor when to come back.
    if call.method() == Method::OPTIONS
        && (call.route != Route::Nothing || cors::is_preflight(call.headers()))
    {
        return Ok(cors::preflight(call.route));
    }
    rest.limits.check_request(call.address)?;
    match (call.route, call.method()) {
        (Route::Messages, &Method::GET) => visitor::page(rest, call).await,
        (Route::Messages, &Method::POST) => visitor::post(rest, call, body).await,
        (Route::Session, &Method::POST) => session::open(rest, call, body).await,
        (Route::Conversations, &Method::GET) => agent::inbox(rest, call).await,
        (Route::Conversation, &Method::GET) => agent::page(rest, call).await,
        (Route::Conversation, &Method::POST) => agent::post(rest, call, body).await,
        (Route::Nothing, _) => Err(Problem::not_found()),
        _ => Err(Problem::new(Code::MethodNotAllowed, "not with this method")),
    }
}
