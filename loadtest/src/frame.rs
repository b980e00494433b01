//! What servers say, read as a stranger would: by the written protocol alone, every field optional.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use parlor_common::{
    clock::Timestamp,
    id::{ConversationId, EventId},
};
use serde::{Deserialize, Deserializer};

use crate::{
    http::Answer,
    ledger::Texts,
    work::{Change, Event, View, What},
};

/// A frame of a socket, of either protocol.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) message: Option<Shown<'a>>,
    pub(crate) conversation_id: Option<ConversationId>,
    note: Option<Noted>,
    change: Option<Changed>,
    read: Option<Marked>,
    profile: Option<Placed>,
    rating: Option<Placed>,
    desk: Option<Placed>,
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
    sender: Option<Cow<'a, str>>,
    author: Option<By>,
}

/// Who made an event.
#[derive(Debug, Deserialize)]
struct By {
    id: Option<String>,
}

/// A note.
#[derive(Debug, Deserialize)]
struct Noted {
    id: EventId,
    text: String,
    author: Option<By>,
    cursor: String,
}

/// What was changed in a conversation.
#[derive(Debug, Deserialize)]
struct Changed {
    id: EventId,
    author: Option<By>,
    cursor: String,
    status: Option<String>,
    until: Option<String>,
    #[serde(default, deserialize_with = "there")]
    assignee: Option<Option<String>>,
    #[serde(default, deserialize_with = "there")]
    team: Option<Option<String>>,
    #[serde(default)]
    labels: Labels,
}

#[derive(Debug, Default, Deserialize)]
struct Labels {
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    remove: Vec<String>,
}

/// How far somebody has read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marked {
    by: Option<String>,
    id: Option<String>,
    up_to: String,
    cursor: String,
}

/// An event of which the place alone matters.
#[derive(Debug, Deserialize)]
struct Placed {
    cursor: String,
}

/// What is wrong.
#[derive(Debug, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) code: String,
    pub(crate) retryable: bool,
    #[serde(rename = "retryAfterMs")]
    pub(crate) retry_after_ms: Option<u64>,
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

/// A page of a conversation with all that agents are shown of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimelineAnswer<'a> {
    #[serde(borrow)]
    pub(crate) events: Vec<Frame<'a>>,
    pub(crate) has_more: bool,
    #[serde(default)]
    pub(crate) incomplete: bool,
}

/// A page of a list of conversations.
#[derive(Debug, Deserialize)]
pub(crate) struct InboxAnswer {
    pub(crate) conversations: Vec<Listed>,
    pub(crate) next: Option<String>,
}

/// A conversation as agents are told of it, by itself and in a refusal.
#[derive(Debug, Deserialize)]
pub(crate) struct ConversationAnswer {
    pub(crate) conversation: Listed,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Listed {
    pub(crate) id: ConversationId,
    status: String,
    until: Option<String>,
    waiting: Option<String>,
    pub(crate) assignee: Option<String>,
    team: Option<String>,
    labels: BTreeSet<String>,
    unread: bool,
    read: ReadUpTo,
}

#[derive(Debug, Deserialize)]
struct ReadUpTo {
    visitor: Option<String>,
    agents: BTreeMap<String, String>,
}

/// The answer to a POST of a note.
#[derive(Debug, Deserialize)]
pub(crate) struct NoteAnswer {
    note: Noted,
}

/// The answer to a mark.
#[derive(Debug, Deserialize)]
pub(crate) struct MarkAnswer {
    pub(crate) read: String,
}

// === impl Trouble ===

impl Trouble {
    /// What an answer that is no success says; where it says nothing, its status does.
    pub(crate) fn of(answer: &Answer) -> Self {
        let said = serde_json::from_slice::<TroubleAnswer>(&answer.body);
        said.map(|said| said.error).unwrap_or_else(|_| Self {
            code: format!("status_{}", answer.status),
            retryable: answer.status >= 500,
            retry_after_ms: None,
        })
    }
}

// === impl Listed ===

impl Listed {
    /// What is compared of it.
    pub(crate) fn view(self) -> View {
        let ReadUpTo { visitor, agents } = self.read;
        let agents = agents.into_iter().map(|(agent, cursor)| (Some(agent), cursor));
        View {
            status: self.status,
            until: self.until.as_deref().and_then(Timestamp::parse),
            waiting: self.waiting,
            assignee: self.assignee,
            team: self.team,
            labels: self.labels,
            unread: self.unread,
            reads: agents.chain(visitor.map(|cursor| (None, cursor))).collect(),
        }
    }
}

// === impl Frame ===

impl Frame<'_> {
    /// The event that it shows, where it shows one: only those have a cursor inside.
    pub(crate) fn event(&self, texts: Texts) -> Option<Event> {
        let of = |id, by: &Option<By>, cursor: &String, what| Event {
            id,
            author: by.as_ref().and_then(|by| by.id.clone()),
            cursor: cursor.clone(),
            what,
        };
        if let Some(message) = &self.message {
            let is_visitors = message.sender.as_deref() == Some("user");
            let what = What::Message { tag: texts.read(&message.text), is_visitors };
            return Some(of(Some(message.id), &message.author, message.cursor.as_ref()?, what));
        }
        if let Some(Noted { id, text, author, cursor }) = &self.note {
            return Some(of(Some(*id), author, cursor, What::Note(text.clone())));
        }
        if let Some(change) = &self.change {
            let what = What::Change(change.content());
            return Some(of(Some(change.id), &change.author, &change.cursor, what));
        }
        if let Some(Marked { by, id, up_to, cursor }) = &self.read {
            let agent = id.clone().filter(|_| by.as_deref() != Some("user"));
            return Some(of(None, &None, cursor, What::Read { agent, up_to: up_to.clone() }));
        }
        let placed = self.profile.as_ref().or(self.rating.as_ref()).or(self.desk.as_ref())?;
        Some(of(None, &None, &placed.cursor, What::Other))
    }
}

impl Changed {
    fn content(&self) -> Change {
        Change {
            status: self.status.clone(),
            until: self.until.clone(),
            assignee: self.assignee.clone(),
            team: self.team.clone(),
            add: self.labels.add.clone(),
            remove: self.labels.remove.clone(),
        }
    }
}

impl NoteAnswer {
    pub(crate) const fn id(&self) -> EventId {
        self.note.id
    }
}

/// A field that is there, also where it is `null`.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}
