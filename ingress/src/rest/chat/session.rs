//! A visitor's session: who the visitor is, where to listen, and from which position.

use axum::{body::Body, response::Response};
use http::{HeaderMap, StatusCode, header, uri::Authority};
use parlor_auth::{Credential, Kind};
use parlor_common::{
    conversation::ConversationSet,
    event::Audience,
    frame::PROTOCOL,
    id::{ConversationId, VisitorId},
    position::Position,
    problem::Problem,
    state::{ConversationState, Status},
    tenant::TenantId,
};
use parlor_http::read_body;
use parlor_store::PageRange;
use serde::Serialize;

use super::{
    super::{
        body::{Handover, handover},
        call::{Call, json},
        conversation::{persisted, within},
        deps::Deps,
    },
    access, proof,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionBody {
    session_id: VisitorId,
    conversation_id: ConversationId,
    cursor: String,
    /// Open or closed; a visitor is told nothing of snoozing.
    status: Status,
    /// How far the team has read; `None` before it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<String>,
    socket_url: String,
    protocol: u32,
    server_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// Opens a session. The same visitor gets the same one.
pub(in super::super) async fn open(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let body = read_body(body, rest.settings.max_body, rest.settings.body_stall).await;
    let handover = body.and_then(|body| handover(&body));
    // A client that asks for a token is known by no cookie, and may be a server or an app, which
    // have no Origin.
    let asks_for_token = matches!(handover, Ok(Handover::Token | Handover::Proven(_)));
    let credential = asks_for_token.then_some(Credential::Bearer);
    let tenant = access::check(rest, call, Kind::Write, credential)?;
    let (token, is_known) = match handover? {
        Handover::Proven(identity) => {
            let (token, said) = access::by_identity(rest, call, &tenant.id, &identity).await?;
            if let Some(profile) = said {
                proof::note_in_time(rest, call, &token, &tenant.id, &profile).await;
            }
            (token, true)
        }
        handover => match (access::by_bearer(rest, call, &tenant.id)?, handover) {
            (Some(token), _) => (token, true),
            // The cookie's visitor is never handed out: the page of one tenant would get a token
            // that opens the visitor's conversations with every other tenant.
            (None, Handover::Token) => (rest.visitors.issue(), false),
            (None, _) => access::by_cookies(rest, call, &tenant.id).await,
        },
    };
    let shown = asks_for_token.then(|| rest.visitors.write(&token));
    let set = token.conversations(&tenant.id);
    let (position, state) = match is_known {
        true => tokio::join!(snapshot(rest, &set), state(rest, &set)),
        false => (persisted(rest, &tenant.id), ConversationState::default()),
    };
    let read = state.readers().map(|(_, up_to)| up_to).max();
    json(
        StatusCode::OK,
        &SessionBody {
            session_id: token.visitor(),
            conversation_id: set.primary().id,
            cursor: rest.cursors.write(&tenant.id, position),
            status: match state.status(rest.monitor.time()).0 {
                Status::Closed => Status::Closed,
                Status::Open | Status::Snoozed => Status::Open,
            },
            read: read.map(|up_to| rest.cursors.write(&tenant.id, up_to)),
            socket_url: socket_url(&rest.settings.socket_url, call.headers(), &tenant.id),
            protocol: PROTOCOL,
            server_time: rest.clock.now().to_string(),
            token: shown,
        },
    )
}

/// How far the visitor's conversations have got. While that cannot be read, what is stored will do:
/// whoever resumes from there is shown more than it must, and misses nothing.
async fn snapshot(rest: &Deps, set: &ConversationSet) -> Position {
    let newest = rest.history.page(set, Audience::Visitor, PageRange::Before(Position::MAX), 1);
    let page = within(rest.settings.read_within, newest).await;
    page.map_or_else(|_| persisted(rest, set.tenant()), |page| page.through)
}

/// What the conversation has come to. While that cannot be read, what a new one has: more is
/// offered then, and less is said.
async fn state(rest: &Deps, set: &ConversationSet) -> ConversationState {
    let state = within(rest.settings.read_within, rest.history.state(&set.primary())).await;
    state.unwrap_or_default()
}

/// Where the visitor's socket is: as the setting says, or where the request was sent to. A tenant's
/// name needs no escaping in a query.
fn socket_url(setting: &str, headers: &HeaderMap, tenant: &TenantId) -> String {
    if !setting.is_empty() {
        return format!("{setting}?tenantId={tenant}");
    }
    let host =
        headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let scheme = match headers.get("x-forwarded-proto") {
        Some(scheme) if scheme.as_bytes().eq_ignore_ascii_case(b"https") => "wss",
        _ => "ws",
    };
    match host.filter(|host| !host.as_str().contains('@')) {
        Some(host) => format!("{scheme}://{host}/ws/chat?tenantId={tenant}"),
        // A client that names no host knows where it has connected to.
        None => format!("/ws/chat?tenantId={tenant}"),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn url(setting: &str, headers: &[(&'static str, &'static str)]) -> String {
        let pairs = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        socket_url(setting, &pairs.collect(), &TenantId::parse("shop.example").unwrap())
    }

    #[test]
    fn the_sockets_address_is_the_settings_or_the_requests_own_host() {
        let host = ("host", "chat.example:8080");
        assert_eq!(
            url("wss://sockets.example/ws/chat", &[host]),
            "wss://sockets.example/ws/chat?tenantId=shop.example"
        );
        assert_eq!(url("", &[host]), "ws://chat.example:8080/ws/chat?tenantId=shop.example");
        assert_eq!(
            url("", &[host, ("x-forwarded-proto", "https")]),
            "wss://chat.example:8080/ws/chat?tenantId=shop.example"
        );
        for odd in [&[][..], &[("host", "")], &[("host", "a@b")], &[("host", "a b")]] {
            assert_eq!(url("", odd), "/ws/chat?tenantId=shop.example");
        }
    }
}
