//! The endpoint: upgrades at the addresses of one kind of sockets. Everything is checked before the
//! 101, and what is wrong is refused by status: a client that was let in and then closed would come
//! back at once.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use http::{HeaderValue, Method, Request, header};
use parlor_auth::{Agents, VisitorToken, VisitorTokens, visit};
use parlor_common::{
    action::Action,
    deadline::in_time,
    door::Submission,
    event::{Audience, Transport},
    problem::{Code, Problem},
    tenant::TenantId,
};
use parlor_history::{HistoryError, LeftOff};
use parlor_http::page_loads::{PageKey, PageOpening};
use parlor_http::{ClientAddr, RequestId};
use tokio::time::timeout;
use tracing::{Instrument, debug, info_span};

use crate::{
    SocketSettings,
    dialect::{Dialect, Identity, Speaker, all, offer::Offer},
    login::{AgentLogin, Known, Login},
    node::{Node, OpenSocket},
    session::{Session, dialogue::Dialogue},
    socket::{Socket, handshake},
};

/// How long a connection may take from its 101 to being a socket.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);
/// How long the read of a delivered mark may hold the handshake of a page that comes back. Without
/// it the page is shown nothing of what it missed, so that a storm must not run into it; a store
/// that does not answer has been given up before (`history.store_deadline`).
const MARK_WITHIN: Duration = Duration::from_millis(2_500);
/// How long a handshake waits until it is noted that its cookies are one visitor's.
const LINK_WITHIN: Duration = Duration::from_secs(2);
/// When to come back to a node that has as many sockets as it may, or is about to stop.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Whose sockets are opened here.
#[derive(Clone, Debug)]
pub(crate) enum Endpoint {
    /// Visitors' sockets. The tokens tell who they are.
    Visitors(VisitorTokens),
    /// Agents' sockets.
    Agents(Agents),
}

/// A client that asks for a socket, and the dialect that it speaks.
struct Client<'a> {
    node: &'a Arc<Node>,
    dialect: &'static dyn Dialect,
    audience: Audience,
    open: OpenSocket,
    tenant_query: Option<String>,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// A socket of this endpoint.
    Socket,
    /// Something else at a socket's address.
    Other,
    /// Nothing of this endpoint.
    Elsewhere,
}

// === impl Endpoint ===

impl Endpoint {
    /// What `request` asks for.
    pub(crate) fn asks<B>(&self, request: &Request<B>) -> Asks {
        let offer = Offer::of(request, self.audience());
        if offer.is_upgrade() && (offer.at_endpoint() || all::claiming(&offer).is_some()) {
            Asks::Socket
        } else if offer.at_endpoint() && offer.path() != "/" {
            Asks::Other
        } else {
            Asks::Elsewhere
        }
    }

    const fn audience(&self) -> Audience {
        match self {
            Self::Visitors(_) => Audience::Visitor,
            Self::Agents(_) => Audience::Agents,
        }
    }

    /// Answers an upgrade, and starts the session where the answer is a 101.
    pub(crate) async fn answer(&self, node: &Arc<Node>, request: Request<Body>) -> Response {
        let id = request_id(node, &request);
        let allowed = visit::any_allowed_origin(&node.tenants, request.headers());
        match self.upgrade(node, request).await {
            Ok(response) => response,
            Err(problem) => {
                node.metrics.refused(problem.code);
                debug!(code = problem.code.as_str(), "an upgrade is refused");
                handshake::refusal(&problem, &id, allowed)
            }
        }
    }

    async fn upgrade(
        &self,
        node: &Arc<Node>,
        mut request: Request<Body>,
    ) -> Result<Response, Problem> {
        handshake::check(&request)?;
        if node.drain.is_draining() {
            return Err(Problem::busy(RETRY_AFTER, "this node is about to stop"));
        }
        let full = || Problem::busy(RETRY_AFTER, "this node has as many sockets as it may");
        let open = node.one_more().ok_or_else(full)?;
        if let Some(ClientAddr(address)) = request.extensions().get::<ClientAddr>() {
            node.limits.check_upgrade(*address)?;
        }
        let offer = Offer::of(&request, self.audience());
        // No client takes an answer that it did not ask for.
        let dialect = all::claiming(&offer).ok_or_else(|| {
            Problem::new(Code::BadRequest, "none of the subprotocols is spoken; parlor.1 is")
        })?;
        let subprotocol = dialect.subprotocol().filter(|subprotocol| offer.asks_for(subprotocol));
        let tenant_query = offer.tenant_query();
        let client = Client { node, dialect, audience: offer.audience, open, tenant_query };
        let mut response = match self {
            Self::Visitors(tokens) => client.visitor(&mut request, tokens).await?,
            Self::Agents(agents) => client.agent(&mut request, agents)?,
        };
        if let Some(subprotocol) = subprotocol {
            let name = HeaderValue::from_static(subprotocol);
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        }
        Ok(response)
    }
}

// === impl Client ===

impl Client<'_> {
    async fn visitor(
        self,
        request: &mut Request<Body>,
        tokens: &VisitorTokens,
    ) -> Result<Response, Problem> {
        let node = self.node;
        let tenant = visit::tenant_of_query(&node.tenants, self.tenant_query.as_deref())?;
        let headers = request.headers();
        let identity = self.dialect.identity();
        let known = tokens.from_cookies(headers);
        // A cookie needs an Origin. Without one a client may still be known by a frame, which comes
        // after the upgrade.
        let credential = match (&identity, &known) {
            (Identity::Frame(_), None) => visit::Credential::Bearer,
            (Identity::Frame(_), Some(_)) | (Identity::Upgrade(_), _) => visit::Credential::Cookie,
        };
        let origin = visit::check_origin(&tenant, headers, visit::Kind::Upgrade, credential)?;
        let came_with_cookie = known.is_some();
        let visitor = known.or_else(|| origin.is_some().then(|| tokens.introduce()));
        let merged = visitor.as_ref().filter(|visitor| visitor.merged);
        let linked = self.link(&tenant.id, merged.map(|visitor| &visitor.token));
        let (visitor, cookies) =
            visitor.map_or((None, Vec::new()), |visitor| (Some(visitor.token), visitor.set));
        let (linked, dialogue) = match identity {
            Identity::Frame(speaker) => {
                let (tokens, tenant) = (tokens.clone(), tenant.id.clone());
                let login = Login::Visitor { tokens, tenant, cookie: visitor };
                (linked.await, self.dialogue(speaker(login, &node.settings)))
            }
            Identity::Upgrade(speaker) => {
                let nobody = || Problem::unavailable("no visitor could be made");
                let visitor = visitor.ok_or_else(nobody)?;
                let opening = self.opening(request, &tenant.id, &visitor, came_with_cookie);
                let mut dialogue = self.dialogue(speaker());
                dialogue.enter(Known::visitor(&visitor, &tenant.id));
                // The client asks for nothing that it missed: the socket must be live before the
                // client is told that it is open.
                let unavailable = || Problem::unavailable("the log cannot be followed just now");
                let ((opening, left_off), followed, linked) =
                    tokio::join!(opening, dialogue.followed(), linked);
                if !followed {
                    return Err(unavailable());
                }
                dialogue.open(opening, left_off).map_err(|_| unavailable())?;
                (linked, dialogue)
            }
        };
        let mut response = start(request, dialogue, tenant.id.as_str())?;
        if linked {
            handshake::set_cookies(&mut response, cookies);
        }
        Ok(response)
    }

    /// Notes, where a visitor has `merged`, that several cookies are one visitor's; tells whether
    /// the browser may have its one cookie. Else it keeps those that it has, and its next request
    /// tries again.
    fn link(
        &self,
        tenant: &TenantId,
        merged: Option<&VisitorToken>,
    ) -> impl Future<Output = bool> + Send + use<> {
        let submission = merged.map(|visitor| Submission {
            conversations: visitor.conversations(tenant),
            author: visitor.author(),
            session: None,
            transport: Transport::Socket,
            arrived: self.node.clock.now(),
            action: Action::Link(visitor.link()),
        });
        let door = self.node.door.clone();
        async move {
            let (Some(submission), Some(door)) = (submission, door) else { return true };
            let late = |_| Problem::unavailable("the link was not noted in time");
            let noted = in_time(LINK_WITHIN, late, door.accept(submission)).await;
            noted.inspect_err(|problem| debug!(%problem, "cookies are not made one")).is_ok()
        }
    }

    /// Waits for the GET of the same page. Where there is none, reads how far the page that comes
    /// back has got. Nothing has been said yet to one that came without a
    /// cookie.
    ///
    /// The mark is read after the wait, because the GET may have been sent to another node: then
    /// that node has noted meanwhile what it has shown.
    fn opening(
        &self,
        request: &Request<Body>,
        tenant: &TenantId,
        visitor: &VisitorToken,
        came_with_cookie: bool,
    ) -> impl Future<Output = (PageOpening, Option<LeftOff>)> + Send + use<> {
        let node = self.node.clone();
        let address = match request.extensions().get::<ClientAddr>() {
            Some(ClientAddr(address)) => *address,
            None => Ipv4Addr::UNSPECIFIED.into(),
        };
        let who = came_with_cookie.then(|| visitor.visitor());
        let key = PageKey::new(tenant.clone(), who, address, request.headers());
        let conversations = visitor.conversations(tenant);
        async move {
            let SocketSettings { load_within, load_ahead, .. } = node.settings;
            let opening = node.page_loads.opening(&key, load_within, load_ahead).await;
            if !came_with_cookie || opening != PageOpening::ComesBack {
                return (opening, None);
            }
            let open = node.hub.sessions(&conversations);
            let is_open = |session| open.contains(&session);
            let now = node.clock.now();
            // Larger than what every other upgrade needs.
            let left_off = Box::pin(node.history.comes_back_at(&conversations, now, is_open));
            let left_off = in_time(MARK_WITHIN, HistoryError::Unavailable, left_off).await;
            let told = |error: &_| debug!(%error, "how far a page has got cannot be read");
            (opening, left_off.inspect_err(told).ok())
        }
    }

    fn agent(self, request: &mut Request<Body>, agents: &Agents) -> Result<Response, Problem> {
        let node = self.node;
        let headers = request.headers();
        let refused = || Problem::new(Code::OriginRefused, "no tenant allows this Origin");
        let hint = match visit::tenant_of_query(&node.tenants, self.tenant_query.as_deref()) {
            Ok(tenant) => {
                let credential = visit::Credential::Bearer;
                visit::check_origin(&tenant, headers, visit::Kind::Upgrade, credential)?;
                Some(tenant.id.clone())
            }
            Err(problem) if problem.code == Code::TenantMissing => {
                if headers.contains_key(header::ORIGIN) {
                    visit::any_allowed_origin(&node.tenants, headers).ok_or_else(refused)?;
                }
                None
            }
            Err(problem) => return Err(problem),
        };
        let Identity::Frame(speaker) = self.dialect.identity() else {
            return Err(Problem::new(Code::BadRequest, "an agent is known by its hello"));
        };
        let origins = headers
            .get_all(header::ORIGIN)
            .iter()
            .map(|origin| (header::ORIGIN, origin.clone()))
            .collect();
        let shown = hint.as_ref().map(ToString::to_string).unwrap_or_default();
        let login =
            AgentLogin { agents: agents.clone(), tenants: node.tenants.clone(), hint, origins };
        let speaker = speaker(Login::Agent(Box::new(login)), &node.settings);
        start(request, self.dialogue(speaker), &shown)
    }

    fn dialogue(self, speaker: Box<dyn Speaker>) -> Dialogue {
        let Self { node, dialect, audience, open, .. } = self;
        Dialogue::new(node.clone(), dialect, audience, speaker, open)
    }
}

/// The answer to what is no upgrade at a socket's address.
pub(crate) fn only_sockets<B>(node: &Node, request: &Request<B>) -> Response {
    let id = request_id(node, request);
    let problem = if request.method() == Method::GET {
        Problem::new(Code::UpgradeRequired, "this address answers WebSocket upgrades only")
    } else {
        Problem::new(Code::MethodNotAllowed, "this address answers WebSocket upgrades only")
    };
    handshake::refusal(&problem, &id, visit::any_allowed_origin(&node.tenants, request.headers()))
}

/// The 101, and the session that begins once it has been sent.
fn start(
    request: &mut Request<Body>,
    dialogue: Dialogue,
    tenant: &str,
) -> Result<Response, Problem> {
    let (response, socket) = Socket::accept(request)
        .ok_or_else(|| Problem::new(Code::BadRequest, "not a WebSocket upgrade"))?;
    let id = dialogue.viewer.session();
    let span = info_span!(parent: None, "session", session = %id, tenant.id = tenant);
    let drain = dialogue.node.drain.clone();
    let session = Box::new(Session::new(dialogue));
    let session = async move {
        match timeout(UPGRADE_WITHIN, socket).await {
            Ok(Some(socket)) => session.run(socket).await,
            Ok(None) | Err(_) => debug!("a connection was gone before its upgrade"),
        }
    };
    drain.spawn(session.instrument(span));
    Ok(response)
}

fn request_id<B>(node: &Node, request: &Request<B>) -> RequestId {
    let id = request.extensions().get::<RequestId>().cloned();
    id.unwrap_or_else(|| RequestId::random(&node.random))
}
