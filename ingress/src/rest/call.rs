//! A call: one request while it is answered, and what becomes known of it on the way.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Instant,
};

use axum::{
    extract::RawPathParams,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use parlor_auth::{AllowedOrigin, Credential, Kind, Tenant, Tenants, visit};
use parlor_common::{
    clock::Timestamp,
    problem::{Code, ErrorBody, Problem},
};
use parlor_http::{ClientAddr, RequestId, problem_response};
use serde::Serialize;
use tracing::{debug, warn};

use super::{cors, deps::Deps};

/// One request while it is answered.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) address: IpAddr,
    /// When the request's head had arrived.
    pub(super) arrived: Timestamp,
    /// To be set whatever the answer is.
    pub(super) cookies: Vec<HeaderValue>,
    /// The methods that the route has, where the answer is to list them.
    pub(super) allow: Option<HeaderValue>,
    route: &'static str,
    params: Option<RawPathParams>,
    id: RequestId,
    parts: Parts,
    readers: Readers,
    started: Instant,
}

/// Which page may read the answer.
#[derive(Debug)]
enum Readers {
    /// The tenant is not known: any tenant's.
    OfAnyTenant,
    /// The tenant has decided.
    Decided(Option<AllowedOrigin>),
}

// === impl Call ===

impl Call {
    pub(super) fn new(
        route: &'static str,
        parts: Parts,
        params: Option<RawPathParams>,
        rest: &Deps,
    ) -> Self {
        let address = parts
            .extensions
            .get()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |&ClientAddr(address)| address);
        let id = parts.extensions.get::<RequestId>().cloned();
        Self {
            address,
            arrived: rest.clock.now(),
            cookies: Vec::new(),
            allow: None,
            route,
            params,
            id: id.unwrap_or_else(|| RequestId::random(&rest.random)),
            parts,
            readers: Readers::OfAnyTenant,
            started: Instant::now(),
        }
    }

    pub(super) const fn method(&self) -> &Method {
        &self.parts.method
    }

    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.parts.uri.query()
    }

    /// What stands in the path where the route says `{name}`.
    ///
    /// # Errors
    /// `NotFound` where it is not UTF-8, since no thing of ours has such a name.
    pub(super) fn param(&self, name: &str) -> Result<&str, Problem> {
        let mut params = self.params.iter().flatten();
        let found = params.find(|(known, _)| *known == name);
        found.map(|(_, value)| value).ok_or_else(Problem::not_found)
    }

    /// Whether a page of the request's Origin may do this with `tenant`; the answer is for that
    /// page from now on.
    pub(super) fn check_origin(
        &mut self,
        tenant: &Arc<Tenant>,
        kind: Kind,
        credential: Credential,
    ) -> Result<(), Problem> {
        let checked = visit::check_origin(tenant, self.headers(), kind, credential);
        let (readers, outcome) = match checked {
            Ok(allowed) => (allowed, Ok(())),
            Err(problem) => (None, Err(problem)),
        };
        self.readers = Readers::Decided(readers);
        outcome
    }

    /// The answer, with all that the call has come to know.
    pub(super) fn finish(self, answer: Result<Response, Problem>, tenants: &Tenants) -> Response {
        let mut response = answer.unwrap_or_else(|problem| self.refuse(&problem));
        let status = response.status();
        let headers = response.headers_mut();
        for cookie in self.cookies {
            headers.append(header::SET_COOKIE, cookie);
        }
        if let Some(methods) = self.allow {
            headers.insert(header::ALLOW, methods);
        }
        let origin = match self.readers {
            Readers::OfAnyTenant => visit::any_allowed_origin(tenants, &self.parts.headers),
            Readers::Decided(allowed) => allowed.map(AllowedOrigin::into_header),
        };
        cors::allow(headers, status, origin);
        debug!(
            request.id = %self.id,
            route = self.route,
            method = %self.parts.method,
            status = status.as_u16(),
            duration_ms = self.started.elapsed().as_millis(),
            "answered"
        );
        response
    }

    /// What is said of a problem with this request.
    pub(super) fn problem_body(&self, problem: &Problem) -> ErrorBody {
        problem.body(&self.id.to_string())
    }

    fn refuse(&self, problem: &Problem) -> Response {
        if problem.code.status().is_server_error() {
            let code = problem.code.as_str();
            warn!(request.id = %self.id, route = self.route, code, %problem, "a request failed");
        }
        let mut response = problem_response(problem, &self.id);
        if problem.code == Code::Unauthorized {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// An answer of JSON that no cache keeps.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(body).map_err(|error| {
        warn!(%error, "an answer could not be encoded");
        Problem::new(Code::Internal, "the answer could not be written")
    })?;
    Ok(of_json(status, body))
}

/// The same of what is written already.
pub(super) fn of_json(status: StatusCode, body: Vec<u8>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}
