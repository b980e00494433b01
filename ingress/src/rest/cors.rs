//! What a browser is told about who may read an answer.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

const HEADERS: HeaderValue = HeaderValue::from_static(
    "content-type, x-tenant-id, authorization, idempotency-key, x-request-id",
);
const EXPOSED: HeaderValue = HeaderValue::from_static("Retry-After, X-Request-Id");
/// Two hours, the most that Chromium keeps a preflight's answer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// Whether a browser asks before it lets a page's script ask.
pub(super) fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to an OPTIONS, which [`allow`] completes for an allowed Origin.
pub(super) fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Lets a page of `origin` read the answer; nobody, where there is none. The answer depends on the
/// Origin either way. A preflight's answer lists the methods that its `Allow` does.
pub(super) fn allow(headers: &mut HeaderMap, status: StatusCode, origin: Option<HeaderValue>) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    if status == StatusCode::NO_CONTENT {
        if let Some(methods) = headers.get(header::ALLOW).cloned() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    } else {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
