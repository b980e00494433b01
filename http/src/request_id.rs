//! The request's id, by which a request is found in the log.

use std::{fmt, sync::Arc};

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use parlor_common::random::Random;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id by which a request is found in the log, 1 to 64 of `[A-Za-z0-9._-]`. It is in the
/// request's extensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

// === impl RequestId ===

impl RequestId {
    /// A new one: 16 hexadecimal digits.
    pub fn random(random: &Random) -> Self {
        Self(format!("{:016x}", random.number()).into())
    }

    /// The id that the client or a proxy gave the request, where it has this form.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(X_REQUEST_ID)?.to_str().ok()?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.into()))
    }

    #[cfg(test)]
    pub(crate) fn taken(text: &str) -> Self {
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

/// Names the request in its answer.
pub(crate) fn finish(mut response: Response, id: &RequestId) -> Response {
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

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
