//! The handshake of an upgrade: what RFC 6455 asks of the request, and how it is refused.

use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, Method, Request, Version, header};
use parlor_common::problem::{Code, Problem};
use parlor_http::{RequestId, problem_response};

use crate::socket::headers;

/// What RFC 6455 §4.2.1 asks of a request.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Problem> {
    let bad = |sentence: &'static str| Err(Problem::new(Code::BadRequest, sentence));
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Problem::new(Code::MethodNotAllowed, "a WebSocket upgrade is a GET"));
    }
    if request.version() != Version::HTTP_11
        || !headers::has_word(headers, &header::CONNECTION, "upgrade")
    {
        return bad("not a WebSocket upgrade");
    }
    if headers::only(headers, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13")
    {
        return Err(Problem::new(Code::UpgradeRequired, "version 13 of WebSocket is spoken"));
    }
    let key = headers::only(headers, &header::SEC_WEBSOCKET_KEY)
        .and_then(|key| STANDARD.decode(key.as_bytes()).ok());
    if key.is_some_and(|key| key.len() == 16) {
        Ok(())
    } else {
        bad("Sec-WebSocket-Key is not 16 bytes of base64")
    }
}

/// Gives the client its cookie, where it has none yet or several.
pub(crate) fn set_cookies(response: &mut Response, cookies: Vec<HeaderValue>) {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The answer that refuses; with the allow headers where a tenant allows the Origin, unless that is
/// what is refused.
pub(crate) fn refusal(problem: &Problem, id: &RequestId, allowed: Option<HeaderValue>) -> Response {
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
