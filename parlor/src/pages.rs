//! The product's pages: the chat widget that other sites embed, the agents' dashboard, and what
//! both are made of.
//!
//! They are files inside the binary and know nothing of log and store: a page that is looked at
//! changes neither. The two documents name their files under the version of all of them, so that a
//! browser keeps those for good and asks for the document alone.

mod files;
mod policy;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use parlor_auth::Tenants;
use parlor_common::tenant::TenantId;
use serde::Deserialize;

pub(crate) use self::files::kind;
use self::{files::File, policy::Policy};

/// How long a browser uses the loader without asking: a new one is on every site soon after.
const LOADER_LIFE: &str = "public, max-age=300";
/// An address with the version of all files in it means the same content for ever.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// Kept, and asked for each time: the answer is mostly that it is the same.
const ASK: &str = "no-cache";

/// What the pages are made from.
struct Pages {
    tenants: Tenants,
    policy: Policy,
    /// A hash of every file there is.
    version: String,
    /// The frame's document, with the addresses of its files.
    frame: String,
    /// The dashboard's document, the same.
    dashboard: String,
}

#[derive(Deserialize)]
struct FrameQuery {
    tenant: Option<String>,
}

/// The pages, for every node that visitors reach. `socket_url` is where the visitors' socket is, if
/// that is not where the pages are; otherwise it is empty.
pub(crate) fn pages(tenants: Tenants, socket_url: &str) -> Router {
    let version = files::version();
    let pages = Arc::new(Pages {
        tenants,
        policy: Policy::new(socket_url),
        frame: files::linked("widget/frame.html", &version),
        dashboard: files::linked("dashboard/index.html", &version),
        version,
    });
    let mut router = Router::new()
        .route("/widget.js", get(loader))
        .route("/widget/frame", get(frame))
        .route("/dashboard", get(dashboard))
        .route("/dashboard/", get(dashboard))
        .route("/v/{version}/{*file}", get(versioned));
    for folder in files::FOLDERS {
        router = router.route(
            &format!("/{folder}/{{*file}}"),
            get(async move |State(pages): State<Arc<Pages>>, Path(name): Path<String>, headers| {
                pages.file(&format!("{folder}/{name}"), &headers, ASK)
            }),
        );
    }
    router.with_state(pages)
}

/// The one script that other sites load. A module of another origin is fetched with CORS, and this
/// one is for everybody.
async fn loader(State(pages): State<Arc<Pages>>, headers: HeaderMap) -> Response {
    let mut response = pages.file("widget/loader.js", &headers, LOADER_LIFE);
    let more = response.headers_mut();
    more.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    more.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    response
}

/// The widget's document. Only the pages of its tenant may have it in a frame: a snippet that
/// somebody else copied stays blank.
async fn frame(State(pages): State<Arc<Pages>>, Query(query): Query<FrameQuery>) -> Response {
    let named = query.tenant.as_deref().and_then(|name| TenantId::parse(name).ok());
    let tenant = named.and_then(|id| pages.tenants.get(&id)).filter(|tenant| !tenant.suspended);
    let Some(tenant) = tenant else { return nothing("there is no such tenant\n") };
    // Not kept at all: who may show it follows from the registry of tenants, which changes.
    document(&pages.frame, &pages.policy.framed_by(&tenant.origins))
}

async fn dashboard(State(pages): State<Arc<Pages>>) -> Response {
    document(&pages.dashboard, &pages.policy.framed_by(&[]))
}

async fn versioned(
    State(pages): State<Arc<Pages>>,
    Path((version, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    // While nodes are replaced, a document of one version may ask a node of another one for its
    // files. It gets what there is, and nobody keeps that under the wrong version.
    let keep = if version == pages.version { FOR_GOOD } else { "no-store" };
    pages.file(&name, &headers, keep)
}

// === impl Pages ===

impl Pages {
    fn file(&self, address: &str, asked: &HeaderMap, keep: &'static str) -> Response {
        let Some(File { text, tag, .. }) = files::find(address) else {
            return nothing("there is no such page\n");
        };
        let has = asked.get_all(header::IF_NONE_MATCH).iter().any(|tags| is_among(tags, tag));
        let mut response = if has {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            guarded(Body::from(*text), kind(address), self.policy.of_files())
        };
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        if let Ok(tag) = HeaderValue::from_str(tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

/// Whether a list of tags names this one, strong or weak.
fn is_among(tags: &HeaderValue, tag: &str) -> bool {
    let tags = tags.to_str().unwrap_or_default().split(',');
    tags.map(str::trim).any(|named| named.strip_prefix("W/").unwrap_or(named) == tag)
}

fn document(html: &str, policy: &HeaderValue) -> Response {
    let mut response = guarded(Body::from(html.to_owned()), kind(".html"), policy);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What every page and file is answered with.
fn guarded(body: Body, kind: &'static str, policy: &HeaderValue) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, policy.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, body).into_response()
}

fn nothing(sentence: &'static str) -> Response {
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (StatusCode::NOT_FOUND, headers, sentence).into_response()
}
