//! The demo pages: a visitor and an agent side by side, in development mode only.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use parlor_auth::{Agents, Role};
use parlor_common::tenant::TenantId;
use serde::{Deserialize, Serialize};

/// How long a minted token lasts: a working day.
pub(crate) const TOKEN_LIFE: Duration = Duration::from_secs(12 * 3600);
/// The most characters of an agent's id.
const MAX_AGENT: usize = 128;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' \
    data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A table of files of `web/`, each with its address and its text.
macro_rules! files {
    ($($file:literal,)*) => {
        &[$(($file, include_str!(concat!("../../web/", $file)))),*]
    };
}

/// What the pages are made of, each said here alone.
const FILES: &[(&str, &str)] = files![
    "demo/agent-panel.js",
    "demo/composer.js",
    "demo/demo.css",
    "demo/demo.js",
    "demo/find.js",
    "demo/icon.svg",
    "demo/inbox.js",
    "demo/index.html",
    "demo/message-log.js",
    "demo/state-line.js",
    "demo/visitor-panel.js",
    "client/agent-client.js",
    "client/agent.js",
    "client/backoff.js",
    "client/client.js",
    "client/clock.js",
    "client/coalesce.js",
    "client/connection.js",
    "client/drafts.js",
    "client/errors.js",
    "client/identity.js",
    "client/item-list.js",
    "client/items.js",
    "client/link.js",
    "client/marks.js",
    "client/parlor.js",
    "client/poller.js",
    "client/polling.js",
    "client/profile.js",
    "client/rest.js",
    "client/sender.js",
    "client/timeline.js",
    "client/timelines.js",
    "client/typing.js",
    "client/uuid7.js",
    "client/visitor-client.js",
    "client/wake.js",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenQuery {
    tenant_id: String,
    /// Whose token, where several agents are tried out.
    agent: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenAnswer {
    token: String,
    expires_at: String,
}

/// The pages, and the agent's token they need.
pub(crate) fn pages(agents: Agents) -> Router {
    let files = Router::new()
        .route("/", get(async || file("demo/index.html")))
        .route("/demo/{file}", get(async |Path(name): Path<String>| file(&format!("demo/{name}"))))
        .route(
            "/client/{file}",
            get(async |Path(name): Path<String>| file(&format!("client/{name}"))),
        );
    Router::new().route("/demo/agent-token", get(agent_token)).with_state(agents).merge(files)
}

fn file(address: &str) -> Response {
    let Some((_, text)) = FILES.iter().find(|(name, _)| *name == address) else {
        return (StatusCode::NOT_FOUND, "there is no such page\n").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind(address))),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer")),
    ];
    (headers, *text).into_response()
}

/// The type of a file, by the end of its name.
fn kind(address: &str) -> &'static str {
    match address.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    }
}

/// The page's agent token. A page of another site that has its own name point here must not get
/// one: the Host is checked, and so is where a browser says the request comes from.
async fn agent_token(
    State(agents): State<Agents>,
    headers: HeaderMap,
    Query(query): Query<TokenQuery>,
) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let from = headers.get("sec-fetch-site").and_then(|from| from.to_str().ok());
    if !is_loopback(host) || !matches!(from, None | Some("same-origin" | "none")) {
        return (StatusCode::FORBIDDEN, "only for the page on localhost\n").into_response();
    }
    let Ok(tenant) = TenantId::parse(&query.tenant_id) else {
        return (StatusCode::BAD_REQUEST, "tenantId is no tenant's name\n").into_response();
    };
    let agent = query.agent.as_deref().unwrap_or("demo-agent");
    if !(1..=MAX_AGENT).contains(&agent.chars().count()) {
        return (StatusCode::BAD_REQUEST, "agent is no agent's id\n").into_response();
    }
    match agents.mint_development(&tenant, agent, Some("Demo agent"), Role::Agent, TOKEN_LIFE) {
        Ok((token, expires)) => {
            let answer = TokenAnswer { token, expires_at: expires.to_string() };
            ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
        }
        Err(refused) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{refused}\n")).into_response(),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    matches!(name, "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_pages_and_their_client_is_served() {
        let web = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
        let mut there = Vec::new();
        for folder in ["client", "demo"] {
            for file in std::fs::read_dir(web.join(folder)).unwrap() {
                let name = file.unwrap().file_name().into_string().unwrap();
                // Types and what describes the package are for editors and registries, and no
                // browser asks for them.
                if ![".d.ts", ".md", "package.json"].iter().any(|end| name.ends_with(end)) {
                    there.push(format!("{folder}/{name}"));
                }
            }
        }
        let mut served: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        there.sort();
        served.sort();
        assert_eq!(served, there);
    }

    #[test]
    fn only_a_loopback_name_is_a_loopback_host() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:80", "[::1]:8080"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "example.com", "localhost.example.com", "127.0.0.1.example.com", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
