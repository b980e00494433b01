//! The upgrade: everything is checked before the 101, and refused by status; nobody is accepted to
//! be closed.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, Request, Version, header};
use parlor_auth::{Agents, CookieVisitor, Tenant, VisitorTokens, visit};
use parlor_common::{
    frame::SUBPROTOCOL,
    problem::{Code, Problem},
};
use parlor_history::Scope;
use parlor_http::{ClientAddr, RequestId, problem_response};
use tokio::time::timeout;
use tracing::{Instrument, debug, info_span};

use crate::{
    entrance::{AgentEntrance, Entrance},
    following::Following,
    item::Dialect,
    node::{Node, Seat},
    session::{Session, Speaks, contract::Contract, parlor1::Parlor1},
    socket::Socket,
};

/// How long a connection may take from its 101 to being a socket.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);
/// When to come back where every place is taken, or the node stops.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Whose sockets end here.
#[derive(Clone, Debug)]
pub(crate) enum Doorway {
    /// Visitors', known by the tokens.
    Visitors(VisitorTokens),
    /// Agents'.
    Agents(Agents),
}

/// What a request at our address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// For a socket of ours.
    Socket,
    /// For something else at a socket's address.
    Other,
    /// For nothing of ours.
    Elsewhere,
}

// === impl Doorway ===

impl Doorway {
    /// What `request` asks for.
    pub(crate) fn asks<B>(&self, request: &Request<B>) -> Asks {
        let upgrade = contains(request.headers(), &header::UPGRADE, "websocket");
        let here = match (self, request.uri().path()) {
            (Self::Visitors(_), "/ws/chat" | "/ws/chat/")
            | (Self::Agents(_), "/ws/agent" | "/ws/agent/") => true,
            // A base without a path; what else is served there is not for us.
            (Self::Visitors(_), "/") => upgrade && tenant_query(request.uri().query()).is_some(),
            _ => false,
        };
        match (here, upgrade) {
            (true, true) => Asks::Socket,
            (true, false) => Asks::Other,
            (false, _) => Asks::Elsewhere,
        }
    }

    /// Answers an upgrade, and starts the session where the answer is a 101.
    pub(crate) async fn answer(&self, node: &Arc<Node>, request: Request<Body>) -> Response {
        let id = request_id(node, &request);
        let allowed = visit::any_allowed_origin(&node.tenants, request.headers());
        match self.upgrade(node, request).await {
            Ok(response) => response,
            Err(problem) => {
                node.metrics.refused.inc();
                debug!(code = problem.code.as_str(), "an upgrade is refused");
                refusal(&problem, &id, allowed)
            }
        }
    }

    async fn upgrade(
        &self,
        node: &Arc<Node>,
        mut request: Request<Body>,
    ) -> Result<Response, Problem> {
        check_handshake(&request)?;
        if node.drain.is_draining() {
            return Err(Problem::busy(RETRY_AFTER, "this node is about to stop"));
        }
        let full = || Problem::busy(RETRY_AFTER, "this node has as many sockets as it may");
        let seat = node.seat().ok_or_else(full)?;
        if let Some(ClientAddr(address)) = request.extensions().get::<ClientAddr>() {
            node.limits.check_upgrade(*address)?;
        }
        let parlor1 = speaks_parlor1(request.headers())?;
        match self {
            Self::Visitors(tokens) => {
                let tenant = visit::tenant_of_query(
                    &node.tenants,
                    tenant_query(request.uri().query()).as_deref(),
                )?;
                if parlor1 {
                    Self::visitor(node, &mut request, seat, tokens, &tenant)
                } else {
                    Self::contract(node, &mut request, seat, tokens, &tenant).await
                }
            }
            Self::Agents(agents) => Self::agent(node, &mut request, seat, agents, parlor1),
        }
    }

    fn visitor(
        node: &Arc<Node>,
        request: &mut Request<Body>,
        seat: Seat,
        tokens: &VisitorTokens,
        tenant: &Tenant,
    ) -> Result<Response, Problem> {
        let headers = request.headers();
        // A cookie needs an Origin. Without one it may still be known by its hello, which comes
        // after the upgrade.
        let known = tokens.from_cookies(headers);
        let credential =
            if known.is_some() { visit::Credential::Cookie } else { visit::Credential::Bearer };
        let origin = visit::check_origin(tenant, headers, visit::Kind::Upgrade, credential)?;
        let visitor = known.or_else(|| origin.is_some().then(|| tokens.introduce()));
        let (cookie, set) =
            visitor.map_or((None, Vec::new()), |visitor| (Some(visitor.token), visitor.set));
        let entrance =
            Entrance::Visitor { tokens: tokens.clone(), tenant: tenant.id.clone(), cookie };
        let session = Session::new(node.clone(), Dialect::Parlor1, seat);
        let speaks = Parlor1::new(entrance, node.settings.hello_within);
        let mut response = start(node, request, session, speaks, &tenant.id.to_string())?;
        speak_parlor1(&mut response);
        set_cookies(&mut response, set);
        Ok(response)
    }

    async fn contract(
        node: &Arc<Node>,
        request: &mut Request<Body>,
        seat: Seat,
        tokens: &VisitorTokens,
        tenant: &Tenant,
    ) -> Result<Response, Problem> {
        visit::check_origin(
            tenant,
            request.headers(),
            visit::Kind::Upgrade,
            visit::Credential::Cookie,
        )?;
        let known = tokens.from_cookies(request.headers());
        let CookieVisitor { token: visitor, set } = known.unwrap_or_else(|| tokens.introduce());
        let conversations = visitor.conversations(&tenant.id);

        // The page asks for nothing that it missed: it must be attached before it is told that it
        // is open.
        let mut session = Session::new(node.clone(), Dialect::Contract, seat);
        let mut following = Following::of(node, Scope::Conversations(conversations.clone()));
        let live = node.feeds.live(node.hub.shard_of(&tenant.id)).await;
        if !live || !following.attach_now(node, &session.viewer) {
            return Err(Problem::unavailable("the log cannot be followed just now"));
        }
        session.following = Some(Box::new(following));
        let speaks = Contract::new(conversations, visitor.author());
        let mut response = start(node, request, session, speaks, &tenant.id.to_string())?;
        set_cookies(&mut response, set);
        Ok(response)
    }

    fn agent(
        node: &Arc<Node>,
        request: &mut Request<Body>,
        seat: Seat,
        agents: &Agents,
        asked_parlor1: bool,
    ) -> Result<Response, Problem> {
        let headers = request.headers();
        let refused = || Problem::new(Code::OriginRefused, "no tenant allows this Origin");
        let hint = match visit::tenant_of_query(
            &node.tenants,
            tenant_query(request.uri().query()).as_deref(),
        ) {
            Ok(tenant) => {
                visit::check_origin(
                    &tenant,
                    headers,
                    visit::Kind::Upgrade,
                    visit::Credential::Bearer,
                )?;
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
        let origins = headers
            .get_all(header::ORIGIN)
            .iter()
            .map(|origin| (header::ORIGIN, origin.clone()))
            .collect();
        let shown = hint.as_ref().map(ToString::to_string).unwrap_or_default();
        let entrance =
            AgentEntrance { agents: agents.clone(), tenants: node.tenants.clone(), hint, origins };
        let session = Session::new(node.clone(), Dialect::Parlor1, seat);
        let speaks = Parlor1::new(Entrance::Agent(Box::new(entrance)), node.settings.hello_within);
        let mut response = start(node, request, session, speaks, &shown)?;
        if asked_parlor1 {
            speak_parlor1(&mut response);
        }
        Ok(response)
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
    refusal(&problem, &id, visit::any_allowed_origin(&node.tenants, request.headers()))
}

/// The 101, and the session that begins once it has been sent.
fn start(
    node: &Arc<Node>,
    request: &mut Request<Body>,
    session: Session,
    speaks: impl Speaks + 'static,
    tenant: &str,
) -> Result<Response, Problem> {
    let (response, socket) = Socket::accept(request)
        .ok_or_else(|| Problem::new(Code::BadRequest, "not a WebSocket upgrade"))?;
    let span = info_span!(parent: None, "session", session = %session.viewer.session(), tenant.id = tenant);
    let session = async move {
        match timeout(UPGRADE_WITHIN, socket).await {
            Ok(Some(socket)) => session.run(speaks, socket).await,
            Ok(None) | Err(_) => debug!("a connection was gone before its upgrade"),
        }
    };
    node.drain.spawn(session.instrument(span));
    Ok(response)
}

/// What RFC 6455 §4.2.1 asks of a request.
fn check_handshake<B>(request: &Request<B>) -> Result<(), Problem> {
    let bad = |sentence: &'static str| Err(Problem::new(Code::BadRequest, sentence));
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Problem::new(Code::MethodNotAllowed, "a WebSocket upgrade is a GET"));
    }
    if request.version() != Version::HTTP_11 || !contains(headers, &header::CONNECTION, "upgrade") {
        return bad("not a WebSocket upgrade");
    }
    if one(headers, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Problem::new(Code::UpgradeRequired, "version 13 of WebSocket is spoken"));
    }
    let key = one(headers, &header::SEC_WEBSOCKET_KEY)
        .and_then(|key| STANDARD.decode(key.as_bytes()).ok());
    if key.is_some_and(|key| key.len() == 16) {
        Ok(())
    } else {
        bad("Sec-WebSocket-Key is not 16 bytes of base64")
    }
}

/// Whether the client asks for protocol 1; asking for others alone is refused, since no client
/// takes an answer it did not ask for.
fn speaks_parlor1(headers: &HeaderMap) -> Result<bool, Problem> {
    if !headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        Ok(false)
    } else if contains(headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        Ok(true)
    } else {
        Err(Problem::new(Code::BadRequest, "none of the subprotocols is spoken; parlor.1 is"))
    }
}

fn speak_parlor1(response: &mut Response) {
    response
        .headers_mut()
        .insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
}

fn set_cookies(response: &mut Response, set: Vec<HeaderValue>) {
    for cookie in set {
        response.headers_mut().append(header::SET_COOKIE, cookie);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The answer that refuses; with the allow headers where a tenant allows the Origin, unless that is
/// what is refused.
fn refusal(problem: &Problem, id: &RequestId, allowed: Option<HeaderValue>) -> Response {
    let mut response = problem_response(problem, id);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed.filter(|_| problem.code != Code::OriginRefused) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    match problem.code {
        Code::UpgradeRequired => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        Code::MethodNotAllowed => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        _ => {}
    }
    response
}

fn request_id<B>(node: &Node, request: &Request<B>) -> RequestId {
    let id = request.extensions().get::<RequestId>().cloned();
    id.unwrap_or_else(|| RequestId::random(&node.random))
}

/// The query with the tenant's parameter under its first name: the page takes `tenantId`, else
/// `tenant`, from its own. `None` where neither names anything.
fn tenant_query(query: Option<&str>) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let named = |wanted: &'static str| {
        pairs.clone().filter(move |(name, value)| *name == wanted && !value.is_empty())
    };
    let wanted = if named(visit::TENANT_PARAMETER).next().is_some() {
        visit::TENANT_PARAMETER
    } else {
        "tenant"
    };
    let tenants: Vec<_> =
        named(wanted).map(|(_, value)| format!("{}={value}", visit::TENANT_PARAMETER)).collect();
    (!tenants.is_empty()).then(|| tenants.join("&"))
}

/// The header's value, where there is exactly one.
fn one<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    Some(value)
}

/// Whether the header's comma-separated list has this word, in any case.
fn contains(headers: &HeaderMap, name: &header::HeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_is_named_by_tenant_id_else_by_tenant() {
        assert_eq!(tenant_query(Some("a=b&tenantId=x&tenant=y")).as_deref(), Some("tenantId=x"));
        assert_eq!(tenant_query(Some("tenantId=&tenant=y%20")).as_deref(), Some("tenantId=y%20"));
        assert_eq!(
            tenant_query(Some("tenantId=x&tenantId=y")).as_deref(),
            Some("tenantId=x&tenantId=y")
        );
        for query in
            [None, Some(""), Some("tenantId"), Some("tenantId=&tenant="), Some("TENANTID=x")]
        {
            assert_eq!(tenant_query(query), None, "{query:?}");
        }
    }
}
