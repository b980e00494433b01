//! What the kinds of events hold besides who made them and when.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    clock::Timestamp,
    conversation::ConversationSet,
    id::{ClientMessageId, ConversationId, SessionId, VisitorId},
    position::Position,
    register::{Reader, Status},
};

/// An accepted draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageBody {
    /// The text as it came.
    pub text: String,
    /// The client's id of the draft, or the one the door made.
    pub client_message_id: ClientMessageId,
}

/// How far a reader's clients have received the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveredBody {
    /// Whose clients.
    pub reader: Reader,
    /// They have everything up to and including this position.
    pub up_to: Position,
    /// Whose mark it is, where one socket answered for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<MarkedSocket>,
}

/// The socket that a mark tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkedSocket {
    /// Its session.
    pub session: SessionId,
    /// What has become of it.
    pub is: SocketIs,
}

/// What has become of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SocketIs {
    /// It is open.
    Open,
    /// It is open, and its page has come back: it had another socket before.
    Back,
    /// It has ended, and its page did not end it: the page may come back.
    Lost,
    /// Its page has closed it, and does not come back.
    Closed,
}

/// Several cookies of one browser turned out to be one visitor's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkedBody {
    /// The visitor that they are now; new messages go to its conversation.
    pub visitor: VisitorId,
    /// The visitors that it stands for besides, at least one.
    pub absorbed: Vec<VisitorId>,
    /// Whether the visitor was proven by the tenant. Then those that it stands for follow nothing
    /// more than before: their cookies may be the next user's of the same browser.
    #[serde(default, skip_serializing_if = "is_false")]
    pub proven: bool,
}

/// What agents tell each other about a conversation; its visitor never sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteBody {
    /// The text as it came.
    pub text: String,
    /// The client's id of it, or the one the door made.
    pub client_message_id: ClientMessageId,
}

/// What is changed in a conversation; what is not there stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeBody {
    /// The new status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusSet>,
    /// Who takes care of it, by the `sub` of an agent's token; an inner `None` for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub assignee: Option<Option<String>>,
    /// The team that takes care of it; an inner `None` for none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub team: Option<Option<String>>,
    /// Labels that it has from now on (`true`), or no longer (`false`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, bool>,
}

/// A status as it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusSet {
    /// Which.
    pub is: Status,
    /// When a snoozed conversation is open again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// How far a reader has read the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadBody {
    /// The agent who has read, by the `sub` of the token; `None` for the visitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Everything up to and including this position.
    pub up_to: Position,
}

/// What is said of a conversation's visitor; what is not there stays as it is, and an inner `None`
/// removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileBody {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub name: Option<Option<String>>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub email: Option<Option<String>>,
    /// The language, such as `pt-BR`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub locale: Option<Option<String>>,
    /// Anything else, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Option<String>>,
    /// Whether the tenant says it, and not somebody who writes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub proven: bool,
}

/// How a visitor found the conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RatingBody {
    /// 1, the worst, to 5.
    pub score: u8,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A thing that the tenant's agents share: a canned reply, a team, a label, the widget's look, an
/// agent. It is an event of the tenant's desk, a conversation of nobody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskBody {
    /// What kind of thing it is.
    pub item: DeskItem,
    /// Which one.
    pub key: String,
    /// What it is from now on, as a JSON object; `None` where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The kinds of things on a desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeskItem {
    /// A canned reply.
    Reply,
    /// A team.
    Team,
    /// A label.
    Label,
    /// How the widget looks and what it asks.
    Widget,
    /// What an agent is called, and whether the agent is away; the key is the token's `sub`.
    Agent,
}

// === impl DeskItem ===

impl DeskItem {
    /// As records, addresses and frames spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Team => "team",
            Self::Label => "label",
            Self::Widget => "widget",
            Self::Agent => "agent",
        }
    }

    /// Reads what [`as_str`](Self::as_str) wrote.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Reply, Self::Team, Self::Label, Self::Widget, Self::Agent]
            .into_iter()
            .find(|item| item.as_str() == name)
    }
}

// === impl DeliveredBody ===

impl DeliveredBody {
    /// A mark that no socket has answered for.
    pub const fn of(reader: Reader, up_to: Position) -> Self {
        Self { reader, up_to, socket: None }
    }
}

// === impl ChangeBody ===

impl ChangeBody {
    /// One that sets the status and nothing else.
    pub fn status(is: Status) -> Self {
        Self { status: Some(StatusSet { is, until: None }), ..Self::default() }
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The labels that it adds (`true`), or removes.
    pub fn labels_that(&self, are_added: bool) -> BTreeSet<&str> {
        let wanted = self.labels.iter().filter(|(_, added)| **added == are_added);
        wanted.map(|(label, _)| label.as_str()).collect()
    }
}

// === impl ProfileBody ===

impl ProfileBody {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self { proven: self.proven, ..Self::default() }
    }
}

// === impl LinkedBody ===

impl LinkedBody {
    /// Whether who follows these conversations follows the others of the link too. Nobody becomes
    /// a proven visitor by it, and a proven one becomes nobody else.
    pub fn extends(&self, set: &ConversationSet) -> bool {
        let own = ConversationId::derive(set.tenant(), self.visitor);
        set.primary().id == own || !(self.proven || set.is_proven())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_false(is: &bool) -> bool {
    !*is
}

/// A field that is there, be it `null`, is something else than one that is not.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}
