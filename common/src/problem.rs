//! What a client is told when something is wrong: one shape for REST bodies and sockets' `error`
//! frames.
//!
//! This file maps every error to its HTTP status and close code; nothing else does.

use std::{borrow::Cow, time::Duration};

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, close::CloseCode, message::BadText};

/// Something is wrong, and the client may know this much of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What kind of thing.
    pub code: Code,
    /// A sentence for a developer; never holds a text, a token or an address.
    pub message: Cow<'static, str>,
    /// When to try again at the earliest.
    pub retry_after: Option<Duration>,
    /// The fields that are wrong.
    pub details: Vec<Detail>,
    /// The server's time, where the client's clock is the trouble.
    pub server_time: Option<Timestamp>,
}

/// A field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// Its name.
    pub field: Cow<'static, str>,
    /// What is wrong with it.
    pub code: Cow<'static, str>,
}

/// The kinds of problem. [`Code::as_str`] is on the wire, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Not JSON, or not an object.
    BadJson,
    /// A parameter or header is not what it should be.
    BadRequest,
    /// Not a cursor of this tenant.
    BadCursor,
    /// The request names no tenant.
    TenantMissing,
    /// What it names cannot be a tenant.
    TenantInvalid,
    /// No such tenant.
    TenantUnknown,
    /// No credential, or one that does not verify.
    Unauthorized,
    /// The credential does not allow this.
    Forbidden,
    /// The tenant does not allow this Origin.
    OriginRefused,
    /// No such thing, or not the asker's.
    NotFound,
    /// Not with this method.
    MethodNotAllowed,
    /// This address answers WebSocket upgrades only.
    UpgradeRequired,
    /// The state is not what the request expected.
    Conflict,
    /// The body is over the limit.
    TooLarge,
    /// A field is wrong; `details` name it.
    Invalid,
    /// The client message id lies in the future; `serverTime` tells the time.
    IdFromFuture,
    /// The client stopped in the middle of its request.
    RequestTimeout,
    /// Too many; `details` say whose limit it is.
    RateLimited,
    /// We cannot take more just now.
    Busy,
    /// Something that is needed cannot be reached just now.
    Unavailable,
    /// A defect of ours.
    Internal,
}

/// The JSON of a problem: `{"error":{…}}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong.
    pub error: ErrorObject,
}

/// What is wrong, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorObject {
    /// The kind, such as `rate_limited`.
    pub code: Cow<'static, str>,
    /// A sentence for a developer.
    pub message: Cow<'static, str>,
    /// Whether the same may succeed later.
    pub retryable: bool,
    /// When to try again at the earliest, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// By what the operator finds it in the log.
    pub request_id: String,
    /// The fields that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
    /// The server's time, where the client's clock is the trouble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_time: Option<String>,
}

// === impl Code ===

impl Code {
    /// As it is spelled on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::BadRequest => "bad_request",
            Self::BadCursor => "bad_cursor",
            Self::TenantMissing => "tenant_missing",
            Self::TenantInvalid => "tenant_invalid",
            Self::TenantUnknown => "tenant_unknown",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::OriginRefused => "origin_refused",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UpgradeRequired => "upgrade_required",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
            Self::IdFromFuture => "id_from_future",
            Self::RequestTimeout => "request_timeout",
            Self::RateLimited => "rate_limited",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadJson
            | Self::BadRequest
            | Self::BadCursor
            | Self::TenantMissing
            | Self::TenantInvalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::OriginRefused => StatusCode::FORBIDDEN,
            Self::TenantUnknown | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Invalid | Self::IdFromFuture => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the same request may succeed later.
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::RequestTimeout
                | Self::RateLimited
                | Self::Busy
                | Self::Unavailable
                | Self::Internal
        )
    }

    /// The code a socket is closed with where the problem ends it.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Unauthorized => CloseCode::BadToken,
            Self::Forbidden | Self::OriginRefused | Self::TenantUnknown | Self::NotFound => {
                CloseCode::Forbidden
            }
            Self::RateLimited
            | Self::Busy
            | Self::Unavailable
            | Self::Internal
            | Self::RequestTimeout => CloseCode::Again,
            Self::BadJson
            | Self::BadRequest
            | Self::BadCursor
            | Self::TenantMissing
            | Self::TenantInvalid
            | Self::MethodNotAllowed
            | Self::UpgradeRequired
            | Self::Conflict
            | Self::TooLarge
            | Self::Invalid
            | Self::IdFromFuture => CloseCode::BadRequest,
        }
    }
}

// === impl Problem ===

impl Problem {
    /// A problem of this kind, with a sentence for a developer.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after: None,
            details: Vec::new(),
            server_time: None,
        }
    }

    /// A field is wrong.
    pub fn field(
        field: &'static str,
        code: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Code::Invalid, message).detail(field, code)
    }

    /// We cannot take more just now.
    pub fn busy(retry_after: Duration, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Busy, message).retry_after(retry_after)
    }

    /// Something that is needed cannot be reached just now.
    pub fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Unavailable, message).retry_after(Duration::from_secs(1))
    }

    /// The same answer for what does not exist and for what is another's.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "there is no such thing here")
    }

    /// Names one more field that is wrong.
    #[must_use]
    pub fn detail(
        mut self,
        field: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.details.push(Detail { field: field.into(), code: code.into() });
        self
    }

    /// Says when to try again at the earliest.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// The JSON of it.
    pub fn body(&self, request_id: &str) -> ErrorBody {
        ErrorBody {
            error: ErrorObject {
                code: Cow::Borrowed(self.code.as_str()),
                message: self.message.clone(),
                retryable: self.code.retryable(),
                retry_after_ms: self
                    .retry_after
                    .map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
                request_id: request_id.to_owned(),
                details: self.details.clone(),
                server_time: self.server_time.map(|time| time.to_string()),
            },
        }
    }
}

impl From<BadText> for Problem {
    fn from(bad: BadText) -> Self {
        Self::field("text", bad.code(), bad.to_string())
    }
}
