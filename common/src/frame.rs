//! Frames of protocol 1: texts of JSON.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    conversation::ConversationSet,
    cursor::Cursors,
    event::{Audience, Body, Event},
    id::{ConversationId, EventId, SessionId, VisitorId},
    message::Message,
    problem::{ErrorBody, ErrorObject},
    shown::{Change, Desk, Note, Profile, Rating, Read},
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
    /// How far the visitor has read.
    Mark {
        /// The cursor of the last event that was read.
        read: String,
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
    /// Several visitors turned out to be one; an agent is told.
    #[serde(rename_all = "camelCase")]
    Linked {
        /// The visitor that they are now.
        visitor_id: VisitorId,
        /// Their conversations. The first is where the visitor writes from now on.
        conversation_ids: Vec<ConversationId>,
    },
    /// An agent told the others something.
    #[serde(rename_all = "camelCase")]
    Note {
        /// Of which conversation.
        conversation_id: ConversationId,
        /// What.
        note: Note,
    },
    /// Status, assignee, team or labels are others now.
    #[serde(rename_all = "camelCase")]
    Change {
        /// Of which conversation.
        conversation_id: ConversationId,
        /// What is changed.
        change: Change,
    },
    /// Somebody has read.
    #[serde(rename_all = "camelCase")]
    Read {
        /// Which conversation.
        conversation_id: ConversationId,
        /// Who, and how far.
        read: Read,
    },
    /// Something is known of the visitor.
    #[serde(rename_all = "camelCase")]
    Profile {
        /// Whose conversation it is.
        conversation_id: ConversationId,
        /// What.
        profile: Profile,
    },
    /// The visitor has said how it was.
    #[serde(rename_all = "camelCase")]
    Rating {
        /// Which conversation.
        conversation_id: ConversationId,
        /// How.
        rating: Rating,
    },
    /// A thing that the tenant's agents share is another now.
    Desk {
        /// Which, and what it is.
        desk: Desk,
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

// === impl ServerFrame ===

impl ServerFrame<'_> {
    /// The frame that shows `event` to `audience`; `None` where it is shown to none of them.
    pub fn of(event: &Event, audience: Audience, cursors: &Cursors) -> Option<Self> {
        if !event.record.body.on_sockets(audience) {
            return None;
        }
        let conversation_id = event.conversation.id;
        Some(match &event.record.body {
            Body::Message(_) => {
                let message = Cow::Owned(Message::of(event, cursors)?);
                Self::Message { conversation_id, message }
            }
            Body::Note(_) => Self::Note { conversation_id, note: Note::of(event, cursors)? },
            Body::Change(_) => {
                Self::Change { conversation_id, change: Change::of(event, audience, cursors)? }
            }
            Body::Read(_) => {
                Self::Read { conversation_id, read: Read::of(event, audience, cursors)? }
            }
            Body::Profile(_) => {
                Self::Profile { conversation_id, profile: Profile::of(event, cursors)? }
            }
            Body::Rating(_) => {
                Self::Rating { conversation_id, rating: Rating::of(event, cursors)? }
            }
            Body::Desk(_) => Self::Desk { desk: Desk::of(event, cursors)? },
            Body::Linked(linked) => {
                let tenant = &event.conversation.tenant;
                let set = ConversationSet::of_visitor(tenant, linked.visitor, &linked.absorbed);
                // Each of the conversations has the link; it is shown once, as the primary's.
                if set.primary() != event.conversation {
                    return None;
                }
                let conversation_ids = set.keys().map(|key| key.id).collect();
                Self::Linked { visitor_id: linked.visitor, conversation_ids }
            }
            Body::Delivered(_) | Body::Unknown => return None,
        })
    }

    /// As JSON.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a frame has string keys and no fallible field")
    }

    /// An `error` frame, about the draft with this id where it is about one.
    pub fn error(client_message_id: Option<String>, body: ErrorBody) -> Self {
        Self::Error { client_message_id, error: body.error }
    }
}
