//! Frames of the sockets: protocol 1, the seed's widget, close codes. Text frames of JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    id::{ConversationId, EventId, SessionId},
    message::{Message, Sender},
    problem::{ErrorBody, ErrorObject},
};

/// The WebSocket subprotocol of protocol 1.
pub const SUBPROTOCOL: &str = "parlor.1";
/// The version a hello names.
pub const PROTOCOL: u32 = 1;
/// The most bytes of a message on any socket, its fragments counted together.
pub const MAX_MESSAGE_BYTES: usize = 65_536;

/// What a client of protocol 1 sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ClientFrame {
    /// First, within 10 s.
    Hello {
        /// Must be 1.
        protocol: u32,
        /// An agent's JWT, or a visitor's token where no cookie tells who it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        /// Name and version, for the log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client: Option<String>,
    },
    /// Asks for everything after `since`, then all that follows.
    Subscribe {
        /// A cursor; without it the subscription starts now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<String>,
    },
    /// A draft.
    #[serde(rename_all = "camelCase")]
    Message {
        /// A UUIDv7 of the server's time, or any other id of 1 to 64 of `[A-Za-z0-9_-]`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_message_id: Option<String>,
        /// What to say.
        text: String,
    },
}

/// What a client of protocol 1 is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ServerFrame<'a> {
    /// The answer to a hello, with every number the client needs.
    #[serde(rename_all = "camelCase")]
    Hello {
        /// 1.
        protocol: u32,
        /// This session.
        session: SessionId,
        /// How often the server pings.
        ping_interval_ms: u64,
        /// The most bytes of a message.
        max_message_bytes: usize,
        /// The server's time, ISO 8601.
        server_time: String,
    },
    /// The replay is over and the subscription is live.
    Subscribed {
        /// Whether everything after `since` was replayed.
        recovered: bool,
        /// The position it is live from.
        cursor: String,
        /// How many messages were replayed.
        replayed: u64,
    },
    /// A message of the subscription.
    #[serde(rename_all = "camelCase")]
    Message {
        /// Where it was said.
        conversation_id: ConversationId,
        /// What was said.
        message: Cow<'a, Message>,
    },
    /// A draft was accepted.
    #[serde(rename_all = "camelCase")]
    Accepted {
        /// The client's id of it, or the one made for it.
        client_message_id: String,
        /// The message's id.
        id: EventId,
        /// When the door took it.
        timestamp: String,
        /// Whether it had been accepted before.
        duplicate: bool,
    },
    /// Something is wrong.
    #[serde(rename_all = "camelCase")]
    Error {
        /// The draft it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_message_id: Option<String>,
        /// What is wrong.
        error: ErrorObject,
    },
    /// A close follows; come back then.
    #[serde(rename_all = "camelCase")]
    Reconnect {
        /// How long to wait.
        after_ms: u64,
        /// The close code that follows.
        code: u16,
    },
}

/// What the seed's widget sends; other fields are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContractDraft {
    /// `message`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What to say.
    pub text: String,
}

/// What the seed's widget is sent.
#[derive(Clone, Debug, Serialize)]
pub struct ContractFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: ContractMessage<'a>,
}

#[derive(Clone, Debug, Serialize)]
struct ContractMessage<'a> {
    id: EventId,
    text: &'a str,
    sender: Sender,
    timestamp: &'a str,
}

/// Close codes. Their range tells the client what to do: 4000–4499 come back, 4500–4999 do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 1000: the client asked for it.
    Normal,
    /// 1001: the server goes away (to the seed's widget).
    GoingAway,
    /// 1002: the frame is none of RFC 6455's.
    ProtocolError,
    /// 1003: a binary frame.
    Unsupported,
    /// 1007: a text that is not UTF-8.
    BadPayload,
    /// 1008: too many control frames.
    Policy,
    /// 1009: over 64 KiB.
    TooBig,
    /// 1011: what was sent could not be taken (to the seed's widget).
    Failed,
    /// 1012: come back (to the seed's widget).
    Restart,
    /// 4000: come back now.
    Again,
    /// 4001: the node is draining.
    Draining,
    /// 4002: the reader is slower than what it is sent.
    Slow,
    /// 4003: the token ended.
    TokenEnded,
    /// 4004: over a rate.
    RateLimited,
    /// 4005: the cursor is not known.
    CursorUnknown,
    /// 4500: the token does not verify.
    BadToken,
    /// 4501: not what the protocol says.
    BadRequest,
    /// 4502: no hello in time.
    NoHello,
    /// 4503: not allowed.
    Forbidden,
    /// 4504: the tenant is suspended.
    TenantSuspended,
    /// 4505: too many connections.
    TooManyConnections,
    /// 4506: the protocol is not spoken here.
    ProtocolNotSpoken,
}

// === impl ServerFrame ===

impl ServerFrame<'_> {
    /// As JSON.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a frame has string keys and no fallible field")
    }

    /// An `error` frame, about the draft with this id where it is about one.
    pub fn error(client_message_id: Option<String>, body: ErrorBody) -> Self {
        Self::Error { client_message_id, error: body.error }
    }
}

// === impl ContractFrame ===

impl<'a> ContractFrame<'a> {
    /// The frame that shows `message` to the seed's widget.
    pub fn of(message: &'a Message) -> Self {
        let Message { id, text, sender, timestamp, .. } = message;
        Self {
            kind: "message",
            message: ContractMessage { id: *id, text, sender: *sender, timestamp },
        }
    }

    /// As JSON.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a frame has string keys and no fallible field")
    }
}

// === impl CloseCode ===

impl CloseCode {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::ProtocolError => 1002,
            Self::Unsupported => 1003,
            Self::BadPayload => 1007,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::Failed => 1011,
            Self::Restart => 1012,
            Self::Again => 4000,
            Self::Draining => 4001,
            Self::Slow => 4002,
            Self::TokenEnded => 4003,
            Self::RateLimited => 4004,
            Self::CursorUnknown => 4005,
            Self::BadToken => 4500,
            Self::BadRequest => 4501,
            Self::NoHello => 4502,
            Self::Forbidden => 4503,
            Self::TenantSuspended => 4504,
            Self::TooManyConnections => 4505,
            Self::ProtocolNotSpoken => 4506,
        }
    }

    /// A word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::GoingAway => "going_away",
            Self::ProtocolError => "protocol_error",
            Self::Unsupported => "unsupported",
            Self::BadPayload => "bad_payload",
            Self::Policy => "policy",
            Self::TooBig => "too_big",
            Self::Failed => "failed",
            Self::Restart => "restart",
            Self::Again => "again",
            Self::Draining => "draining",
            Self::Slow => "slow",
            Self::TokenEnded => "token_ended",
            Self::RateLimited => "rate_limited",
            Self::CursorUnknown => "cursor_unknown",
            Self::BadToken => "bad_token",
            Self::BadRequest => "bad_request",
            Self::NoHello => "no_hello",
            Self::Forbidden => "forbidden",
            Self::TenantSuspended => "tenant_suspended",
            Self::TooManyConnections => "too_many_connections",
            Self::ProtocolNotSpoken => "protocol_not_spoken",
        }
    }
}
