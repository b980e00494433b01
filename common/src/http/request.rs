//! What every request gets before a handler sees it: an id, the client's address, one leading
//! slash.

use std::{fmt, net::IpAddr, sync::Arc};

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::PathAndQuery};
use hyper::body::Incoming;

use super::{
    address::{Network, client},
    metrics::Metrics,
    reply::problem_response,
};
use crate::{
    problem::{Code, Problem},
    random::Random,
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// By what a request is found in the log; in the request's extensions. 1 to 64 of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

/// Prepares requests. Holds what that needs.
#[derive(Debug)]
pub(super) struct Preparation {
    trusted: Vec<Network>,
    random: Random,
    metrics: Metrics,
}

// === impl RequestId ===

impl RequestId {
    /// A new one: 16 hexadecimal digits.
    pub fn random(random: &Random) -> Self {
        Self(format!("{:016x}", random.number()).into())
    }

    /// The client's or proxy's own, where it is sane.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(X_REQUEST_ID)?.to_str().ok()?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.into()))
    }

    #[cfg(test)]
    pub(super) fn taken(text: &str) -> Self {
        Self(text.into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Preparation ===

impl Preparation {
    pub(super) const fn new(trusted: Vec<Network>, random: Random, metrics: Metrics) -> Self {
        Self { trusted, random, metrics }
    }

    /// Whether `peer` is a proxy whose word counts.
    pub(super) fn is_trusted(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(peer))
    }

    /// A new request's id.
    pub(super) fn request_id(&self) -> RequestId {
        RequestId::random(&self.random)
    }

    /// Makes the request ready for a handler, or answers it where its framing is `ambiguous`.
    pub(super) fn prepare(
        &self,
        request: http::Request<Incoming>,
        peer: IpAddr,
        ambiguous: bool,
    ) -> Result<(Request, RequestId), Box<Response>> {
        let id = RequestId::of(request.headers()).unwrap_or_else(|| self.request_id());
        if ambiguous {
            self.metrics.ambiguous.inc();
            let problem =
                Problem::new(Code::BadRequest, "both Content-Length and Transfer-Encoding");
            return Err(Box::new(finish(problem_response(&problem, &id), &id)));
        }
        let mut request = request.map(Body::new);
        if let Some(uri) = without_leading_slashes(request.uri()) {
            *request.uri_mut() = uri;
        }
        let client = client(peer, request.headers(), &self.trusted);
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(id.clone());
        Ok((request, id))
    }
}

/// Names the request in its answer.
pub(super) fn finish(mut response: Response, id: &RequestId) -> Response {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// The address with one leading slash; `None` where it has no more than one. A base address that
/// ends in a slash gives `//api/chat/messages`, and a browser follows no redirect on an upgrade.
fn without_leading_slashes(uri: &Uri) -> Option<Uri> {
    let written = uri.path_and_query()?.as_str();
    let rest = written.trim_start_matches('/');
    if written.len() - rest.len() < 2 {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("/{rest}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_slashes_are_one() {
        let collapsed = |text: &'static str| {
            without_leading_slashes(&Uri::from_static(text)).map(|uri| uri.to_string())
        };
        assert_eq!(
            collapsed("//api/chat/messages?a=//b"),
            Some("/api/chat/messages?a=//b".to_owned())
        );
        assert_eq!(collapsed("///"), Some("/".to_owned()));
        assert_eq!(collapsed("//?tenantId=a"), Some("/?tenantId=a".to_owned()));
        assert_eq!(collapsed("/api//chat"), None);
        assert_eq!(collapsed("*"), None);
    }

    #[test]
    fn a_sane_request_id_is_kept() {
        let of = |value: &str| {
            RequestId::of(&HeaderMap::from_iter([(X_REQUEST_ID, value.parse().unwrap())]))
        };
        assert_eq!(of("a-B_7.x"), Some(RequestId::taken("a-B_7.x")));
        for value in ["", "a b", "a\"b", &"x".repeat(65)] {
            assert_eq!(of(value), None, "{value}");
        }
        assert_eq!(RequestId::random(&Random::seeded(1)).as_str().len(), 16);
    }
}
