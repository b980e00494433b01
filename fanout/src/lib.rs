//! Sockets: feed, hub, session, outbox, resume.
//!
//! ```text
//! log's tail ──► feed ──► hub ──► outboxes of the sessions ──► socket
//! socket ──► dialect: what a frame means ──► session ──► drafts ──► door
//! ```
//!
//! This crate owns the sockets of visitors and of agents, and never appends.

mod dialect;
mod feed;
mod login;
mod metrics;
mod node;
mod session;
mod settings;
mod signals;
mod socket;

use std::sync::Arc;

use axum::{Router, extract::Request, middleware::Next, response::Response};
use parlor_auth::{Agents, VisitorTokens};
use parlor_common::door::Door;

pub use self::{
    feed::{FeedNotWell, FeedParts, Feeds, hub::Hub},
    metrics::Metrics,
    node::Parts,
    settings::{DrainSettings, FeedSettings, ResumeSettings, SignalSettings, SocketSettings},
    signals::{Switchboard, SwitchboardParts},
};

use self::{
    node::Node,
    socket::endpoint::{Asks, Endpoint, only_sockets},
};

/// The sockets of one kind on this node. Cheap to clone; clones are the same sockets.
///
/// Each session is a task of the [`Parts`]' drain. When that begins, upgrades are refused with 503
/// and the sessions are told in batches; when it has finished, all of them have ended and what they
/// took has gone to the door.
#[derive(Clone, Debug)]
pub struct Sockets {
    node: Arc<Node>,
    endpoint: Endpoint,
}

// === impl Sockets ===

impl Sockets {
    /// Visitors' sockets, on `/ws/chat` and, with a tenant in the query, on `/`. What they say goes
    /// to `door`.
    pub fn visitors(parts: Parts, door: Arc<dyn Door>, tokens: VisitorTokens) -> Self {
        Self { node: Node::new(parts, Some(door)), endpoint: Endpoint::Visitors(tokens) }
    }

    /// Agents' sockets, on `/ws/agent`. They only listen.
    pub fn agents(parts: Parts, agents: Agents) -> Self {
        Self { node: Node::new(parts, None), endpoint: Endpoint::Agents(agents) }
    }

    /// `router`, with upgrades at the addresses of these sockets answered here; everything else is
    /// the router's. Wraps of both kinds compose. The connections must come from
    /// [`parlor_http::serve`].
    pub fn wrap(&self, router: Router) -> Router {
        let sockets = self.clone();
        router.layer(axum::middleware::from_fn(move |request: Request, next: Next| {
            let sockets = sockets.clone();
            async move { sockets.answer(request, next).await }
        }))
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.node.open()
    }

    async fn answer(&self, request: Request, next: Next) -> Response {
        match self.endpoint.asks(&request) {
            Asks::Socket => self.endpoint.answer(&self.node, request).await,
            Asks::Other => only_sockets(&self.node, &request),
            Asks::Elsewhere => next.run(request).await,
        }
    }
}
