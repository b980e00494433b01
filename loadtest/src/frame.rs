//! What servers say, read as a stranger would: by the written protocol alone, every field optional.

use std::borrow::Cow;

use parlor_common::id::{ConversationId, EventId};
use serde::Deserialize;

/// A frame of a socket, of either protocol.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) message: Option<Shown<'a>>,
    pub(crate) client_message_id: Option<String>,
    pub(crate) id: Option<EventId>,
    pub(crate) recovered: Option<bool>,
    pub(crate) cursor: Option<String>,
    pub(crate) replayed: Option<u64>,
    pub(crate) server_time: Option<String>,
    pub(crate) after_ms: Option<u64>,
    pub(crate) error: Option<Trouble>,
    pub(crate) duplicate: Option<bool>,
}

/// A message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown<'a> {
    pub(crate) id: EventId,
    pub(crate) conversation_id: Option<ConversationId>,
    #[serde(borrow)]
    pub(crate) text: Cow<'a, str>,
    pub(crate) cursor: Option<String>,
}

/// What is wrong.
#[derive(Debug, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) code: String,
    pub(crate) retryable: bool,
}

/// A REST answer that is an error.
#[derive(Debug, Deserialize)]
pub(crate) struct TroubleAnswer {
    pub(crate) error: Trouble,
}

/// The answer to a POST of a message.
#[derive(Debug, Deserialize)]
pub(crate) struct Posted<'a> {
    #[serde(borrow)]
    pub(crate) message: Shown<'a>,
    #[serde(default)]
    pub(crate) duplicate: bool,
}

/// The answer to `POST /api/chat/session`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionAnswer {
    pub(crate) conversation_id: ConversationId,
    pub(crate) server_time: String,
    pub(crate) token: String,
}

/// A page of history.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageAnswer<'a> {
    #[serde(borrow)]
    pub(crate) messages: Vec<Shown<'a>>,
    pub(crate) has_more: bool,
    #[serde(default)]
    pub(crate) incomplete: bool,
}

/// The answer of a development mode's `/demo/agent-token`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenAnswer {
    pub(crate) token: String,
    pub(crate) expires_at: String,
}
