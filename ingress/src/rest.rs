//! REST: the table of routes, and what every answer has in common.
//!
//! A handler answers or returns a [`Problem`]; what the answer needs besides (allow headers, a
//! cookie) is noted on the [`Call`] as soon as it is known, so that an error carries it too. A new
//! endpoint is a row of [`ROUTES`] and its handler.

mod body;
mod call;
mod conversation;
mod cors;
mod deps;
mod fields;
mod query;
mod route;

/// What a visitor's widget asks, under `/api/chat`.
mod chat {
    pub(super) mod access;
    pub(super) mod delivered;
    pub(super) mod messages;
    pub(super) mod own;
    mod proof;
    pub(super) mod session;
}

/// What an agent's dashboard asks, under `/api/agent`.
mod agent {
    pub(super) mod access;
    pub(super) mod change;
    pub(super) mod conversations;
    pub(super) mod desk;
    pub(super) mod messages;
    pub(super) mod state;
    pub(super) mod timeline;
}

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{RawPathParams, Request, rejection::RawPathParamsRejection},
    response::Response,
    routing::any,
};
use http::Method;
use parlor_common::problem::{Code, Problem};

pub use self::deps::Deps;
use self::{call::Call, route::Route};
use crate::metrics::Answered;

/// A path whose parameters are not UTF-8 has none that could be known.
type Params = Result<RawPathParams, RawPathParamsRejection>;

/// Every path there is. `docs/PROTOCOL.md` lists the same, which a test checks.
static ROUTES: [Route; 18] = [
    Route {
        name: "messages",
        path: "/api/chat/messages",
        methods: &[
            (Method::GET, |rest, call, _| Box::pin(chat::messages::page(rest, call))),
            (Method::POST, |rest, call, body| Box::pin(chat::messages::post(rest, call, body))),
        ],
    },
    Route {
        name: "session",
        path: "/api/chat/session",
        methods: &[(Method::POST, |rest, call, body| {
            Box::pin(chat::session::open(rest, call, body))
        })],
    },
    Route {
        name: "own_profile",
        path: "/api/chat/profile",
        methods: &[(Method::PUT, |rest, call, body| {
            Box::pin(chat::own::profile(rest, call, body))
        })],
    },
    Route {
        name: "own_mark",
        path: "/api/chat/mark",
        methods: &[(Method::PUT, |rest, call, body| Box::pin(chat::own::mark(rest, call, body)))],
    },
    Route {
        name: "own_close",
        path: "/api/chat/close",
        methods: &[(Method::POST, |rest, call, body| Box::pin(chat::own::close(rest, call, body)))],
    },
    Route {
        name: "own_rating",
        path: "/api/chat/rating",
        methods: &[(Method::POST, |rest, call, body| Box::pin(chat::own::rate(rest, call, body)))],
    },
    Route {
        name: "conversations",
        path: "/api/agent/conversations",
        methods: &[(Method::GET, |rest, call, _| {
            Box::pin(agent::conversations::inbox(rest, call))
        })],
    },
    Route {
        name: "state",
        path: "/api/agent/conversations/{id}",
        methods: &[
            (Method::GET, |rest, call, _| Box::pin(agent::conversations::one(rest, call))),
            (Method::PATCH, |rest, call, body| Box::pin(agent::change::patch(rest, call, body))),
        ],
    },
    Route {
        name: "timeline",
        path: "/api/agent/conversations/{id}/timeline",
        methods: &[(Method::GET, |rest, call, _| Box::pin(agent::timeline::page(rest, call)))],
    },
    Route {
        name: "notes",
        path: "/api/agent/conversations/{id}/notes",
        methods: &[(Method::POST, |rest, call, body| {
            Box::pin(agent::messages::note(rest, call, body))
        })],
    },
    Route {
        name: "mark",
        path: "/api/agent/conversations/{id}/mark",
        methods: &[(Method::PUT, |rest, call, body| {
            Box::pin(agent::messages::mark(rest, call, body))
        })],
    },
    Route {
        name: "profile",
        path: "/api/agent/conversations/{id}/profile",
        methods: &[(Method::PUT, |rest, call, body| {
            Box::pin(agent::change::profile(rest, call, body))
        })],
    },
    Route {
        name: "changes",
        path: "/api/agent/changes",
        methods: &[(Method::GET, |rest, call, _| Box::pin(agent::timeline::changes(rest, call)))],
    },
    Route {
        name: "desk",
        path: "/api/agent/desk",
        methods: &[(Method::GET, |rest, call, _| Box::pin(agent::desk::all(rest, call)))],
    },
    Route {
        name: "desk_thing",
        path: "/api/agent/desk/{item}/{key}",
        methods: &[
            (Method::PUT, |rest, call, body| Box::pin(agent::desk::put(rest, call, body))),
            (Method::DELETE, |rest, call, body| Box::pin(agent::desk::delete(rest, call, body))),
        ],
    },
    Route {
        name: "me",
        path: "/api/agent/me",
        methods: &[(Method::PUT, |rest, call, body| Box::pin(agent::desk::me(rest, call, body)))],
    },
    Route {
        name: "counts",
        path: "/api/agent/counts",
        methods: &[(Method::GET, |rest, call, _| {
            Box::pin(agent::conversations::counts(rest, call))
        })],
    },
    Route {
        name: "conversation",
        path: "/api/agent/conversations/{id}/messages",
        methods: &[
            (Method::GET, |rest, call, _| Box::pin(agent::messages::page(rest, call))),
            (Method::POST, |rest, call, body| Box::pin(agent::messages::post(rest, call, body))),
        ],
    },
];

/// What answers every other path.
static NOTHING: Route = Route { name: "nothing", path: "", methods: &[] };

/// The REST interface: every path of the table, and a 404 in the error's shape for any other.
///
/// To be served by [`parlor_http::serve`], which tells each request's address and id;
/// without that all requests count as one address's.
pub fn router(deps: Deps) -> Router {
    let rest = Arc::new(deps);
    let mut router = Router::new();
    for route in &ROUTES {
        let (rest, answered) = (rest.clone(), rest.metrics.answered(route.name));
        let service = any(async move |params: Params, request: Request| {
            answer(&rest, route, &answered, params.ok(), request).await
        });
        // A base address that ends in a slash, and a client that adds one, mean the same.
        router =
            router.route(route.path, service.clone()).route(&format!("{}/", route.path), service);
    }
    let answered = rest.metrics.answered(NOTHING.name);
    router.fallback(async move |request: Request| {
        answer(&rest, &NOTHING, &answered, None, request).await
    })
}

async fn answer(
    rest: &Deps,
    route: &'static Route,
    answered: &Answered,
    params: Option<RawPathParams>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut call = Call::new(route.name, parts, params, rest);
    let answer = dispatch(rest, route, &mut call, body).await;
    let response = call.finish(answer, &rest.tenants);
    answered.with(response.status());
    response
}

async fn dispatch(
    rest: &Deps,
    route: &Route,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let is_there = !route.methods.is_empty();
    // A preflight is not limited: a page whose preflight is refused can read neither why nor when
    // to come back.
    if call.method() == Method::OPTIONS && (is_there || cors::is_preflight(call.headers())) {
        call.allow = Some(route.allow());
        return Ok(cors::preflight());
    }
    rest.limits.check_request(call.address)?;
    match route.handler(call.method()) {
        Some(handler) => handler(rest, call, body).await,
        None if is_there => {
            call.allow = Some(route.allow());
            Err(Problem::new(Code::MethodNotAllowed, "not with this method"))
        }
        None => Err(Problem::not_found()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The method and path of each row of the document's table that clients use.
    fn documented() -> BTreeSet<String> {
        let text = include_str!("../../docs/PROTOCOL.md");
        let (_, section) = text.split_once("\n## REST\n").expect("the document has a table");
        let rows = section.lines().take_while(|line| !line.starts_with("## "));
        let rows = rows.filter(|line| line.starts_with("| `") && !line.contains("| operators |"));
        rows.map(|row| {
            let address = row.split('`').nth(1).expect("a row begins with its method and path");
            address.split('?').next().expect("there is a path before the parameters").to_owned()
        })
        .collect()
    }

    #[test]
    fn the_documents_table_is_the_table_of_routes() {
        let routes = ROUTES.iter().flat_map(|route| {
            route.methods.iter().map(|(method, _)| format!("{method} {}", route.path))
        });
        assert_eq!(documented(), routes.collect());
    }

    #[test]
    fn a_routes_name_tells_it_from_the_others() {
        let names = ROUTES.iter().chain([&NOTHING]).map(|route| route.name);
        assert_eq!(names.collect::<BTreeSet<_>>().len(), ROUTES.len() + 1);
    }
}
