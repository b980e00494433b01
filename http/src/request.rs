//! What every request gets before a handler sees it: an id, the client's address, one leading
//! slash.

use std::net::IpAddr;

use axum::{body::Body, extract::Request, response::Response};
use http::{Uri, uri::PathAndQuery};
use hyper::body::Incoming;

use parlor_common::{
    address::Network,
    problem::{Code, Problem},
    random::Random,
};

use crate::{
    address::client,
    metrics::Metrics,
    reply::problem_response,
    request_id::{RequestId, finish},
};

/// Prepares requests. Holds what that needs.
#[derive(Debug)]
pub(crate) struct Preparation {
    trusted: Vec<Network>,
    random: Random,
    metrics: Metrics,
}

// === impl Preparation ===

impl Preparation {
    pub(crate) const fn new(trusted: Vec<Network>, random: Random, metrics: Metrics) -> Self {
        Self { trusted, random, metrics }
    }

    /// Whether `peer` is a proxy whose word counts.
    pub(crate) fn is_trusted(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(peer))
    }

    /// A new request's id.
    pub(crate) fn request_id(&self) -> RequestId {
        RequestId::random(&self.random)
    }

    /// Makes the request ready for a handler, or answers it where its framing is `ambiguous`.
    pub(crate) fn prepare(
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
}
