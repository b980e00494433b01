//! What readers are shown of the events that are no messages, by REST and on sockets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cursor::Cursors,
    event::{Audience, Body, ChangeBody, DeskBody, DeskItem, Event, ProfileBody, StatusSet},
    id::{ClientMessageId, EventId},
    message::{MessageAuthor, Sender},
    register::Status,
};

/// What agents tell each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// Unique for ever.
    pub id: EventId,
    /// As it came.
    pub text: String,
    /// Who, and what they are, and where it lies.
    #[serde(flatten)]
    pub by: Made,
    /// The client's id of it.
    pub client_message_id: ClientMessageId,
}

/// What is changed in a conversation; what is not there stayed as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Unique for ever.
    pub id: EventId,
    /// Who, and what they are, and where it lies.
    #[serde(flatten)]
    pub by: Made,
    /// The new status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// When a snoozed conversation is open again, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Who takes care of it; `null` for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Option<String>>,
    /// The team that does; `null` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Option<String>>,
    /// Labels that it has from now on, or no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
}

/// Labels that are added, and labels that are taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// Those that it has from now on.
    #[serde(default)]
    pub add: Vec<String>,
    /// Those that it no longer has.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// How far a reader has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Read {
    /// What the reader is.
    pub by: Sender,
    /// Who the reader is; visitors are not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The cursor of the last event that was read.
    pub up_to: String,
    /// When the door took it.
    pub timestamp: String,
    /// Its own position.
    pub cursor: String,
}

/// What is known of the visitor from now on; `null` for what is known no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Who, and what they are, and where it lies.
    #[serde(flatten)]
    pub by: Made,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Option<String>>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Option<String>>,
    /// The language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Option<String>>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Option<String>>,
    /// `true` where the tenant says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven: Option<bool>,
}

/// How the visitor found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    /// Unique for ever.
    pub id: EventId,
    /// Who, and what they are, and where it lies.
    #[serde(flatten)]
    pub by: Made,
    /// 1, the worst, to 5.
    pub score: u8,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A thing that the tenant's agents share, as it is from now on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Desk {
    /// Who, and what they are, and where it lies.
    #[serde(flatten)]
    pub by: Made,
    /// What kind of thing it is.
    pub item: DeskItem,
    /// Which one.
    pub key: String,
    /// A JSON object; `null` where it is gone.
    pub value: Option<Value>,
}

/// Who made an event, when, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// What the author is; visitors are told of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Sender>,
    /// Who the author is; visitors are told of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<MessageAuthor>,
    /// When the door took it: ISO 8601, UTC, milliseconds.
    pub timestamp: String,
    /// Its position, for `before`, `after` and `since`.
    pub cursor: String,
}

// === impl Made ===

impl Made {
    fn of(event: &Event, audience: Audience, cursors: &Cursors) -> Self {
        let (record, is_agents) = (&event.record, matches!(audience, Audience::Agents));
        let author = &record.author;
        Self {
            by: is_agents.then(|| Sender::of(author)),
            author: is_agents
                .then(|| MessageAuthor { id: author.id.clone(), name: author.name.clone() }),
            timestamp: record.at.to_string(),
            cursor: cursors.write(&event.conversation.tenant, event.position),
        }
    }
}

// === impl Note ===

impl Note {
    /// The note that `event` is, for agents.
    pub fn of(event: &Event, cursors: &Cursors) -> Option<Self> {
        let Body::Note(note) = &event.record.body else { return None };
        Some(Self {
            id: event.record.id,
            text: note.text.clone(),
            by: Made::of(event, Audience::Agents, cursors),
            client_message_id: note.client_message_id.clone(),
        })
    }
}

// === impl Change ===

impl Change {
    /// The change that `event` is, as `audience` is told of it: a visitor of the status alone, and
    /// of a snoozed conversation that it is open.
    pub fn of(event: &Event, audience: Audience, cursors: &Cursors) -> Option<Self> {
        let Body::Change(change) = &event.record.body else { return None };
        let ChangeBody { status, assignee, team, labels } = change;
        let told = Self {
            id: event.record.id,
            by: Made::of(event, audience, cursors),
            status: status.map(|StatusSet { is, .. }| is),
            until: None,
            assignee: None,
            team: None,
            labels: None,
        };
        Some(match audience {
            Audience::Visitor => Self {
                status: told.status.map(|is| match is {
                    Status::Open | Status::Snoozed => Status::Open,
                    Status::Closed => Status::Closed,
                }),
                ..told
            },
            Audience::Agents => Self {
                until: status.and_then(|status| status.until).map(|until| until.to_string()),
                assignee: assignee.clone(),
                team: team.clone(),
                labels: (!labels.is_empty()).then(|| Labels {
                    add: change.labels_that(true).into_iter().map(ToOwned::to_owned).collect(),
                    remove: change.labels_that(false).into_iter().map(ToOwned::to_owned).collect(),
                }),
                ..told
            },
        })
    }
}

// === impl Read ===

impl Read {
    /// The mark that `event` is, as `audience` is told of it.
    pub fn of(event: &Event, audience: Audience, cursors: &Cursors) -> Option<Self> {
        let Body::Read(read) = &event.record.body else { return None };
        let tenant = &event.conversation.tenant;
        Some(Self {
            by: Sender::of(&event.record.author),
            id: matches!(audience, Audience::Agents).then(|| event.record.author.id.clone()),
            up_to: cursors.write(tenant, read.up_to),
            timestamp: event.record.at.to_string(),
            cursor: cursors.write(tenant, event.position),
        })
    }
}

// === impl Profile ===

impl Profile {
    /// What `event` says of the visitor, for agents.
    pub fn of(event: &Event, cursors: &Cursors) -> Option<Self> {
        let Body::Profile(profile) = &event.record.body else { return None };
        let ProfileBody { name, email, locale, attributes, proven } = profile.clone();
        let by = Made::of(event, Audience::Agents, cursors);
        Some(Self { by, name, email, locale, attributes, proven: proven.then_some(true) })
    }
}

// === impl Rating ===

impl Rating {
    /// The rating that `event` is, for agents.
    pub fn of(event: &Event, cursors: &Cursors) -> Option<Self> {
        let Body::Rating(rating) = &event.record.body else { return None };
        Some(Self {
            id: event.record.id,
            by: Made::of(event, Audience::Agents, cursors),
            score: rating.score,
            comment: rating.comment.clone(),
        })
    }
}

// === impl Desk ===

impl Desk {
    /// The thing that `event` puts on the desk, for agents.
    pub fn of(event: &Event, cursors: &Cursors) -> Option<Self> {
        let Body::Desk(DeskBody { item, key, value }) = &event.record.body else { return None };
        let by = Made::of(event, Audience::Agents, cursors);
        let value = value.as_deref().and_then(|value| serde_json::from_str(value).ok());
        Some(Self { by, item: *item, key: key.clone(), value })
    }
}
