//! A conversation as agents are shown it in lists and by itself.

use std::collections::BTreeMap;

use parlor_auth::Agent;
use parlor_common::{
    clock::Timestamp,
    cursor::Cursors,
    id::{ConversationId, VisitorId},
    message::Sender,
    position::Position,
    state::{ConversationState, LastMessage, Register, Status, Waiting},
};
use serde::Serialize;

use super::super::deps::Deps;

/// What a conversation has come to, for one agent at one moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Conversation {
    id: ConversationId,
    last_message: Option<Preview>,
    last_activity: Option<String>,
    visitor: Option<Visitor>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    waiting: Option<Waiting>,
    assignee: Option<String>,
    team: Option<String>,
    labels: Vec<String>,
    rating: Option<u8>,
    unread: bool,
    unread_by_me: bool,
    read: ReadUpTo,
}

#[derive(Debug, Serialize)]
struct Preview {
    text: String,
    sender: Sender,
    timestamp: String,
}

#[derive(Debug, Serialize)]
struct Visitor {
    /// Known once the visitor has written.
    id: Option<VisitorId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
    /// What of it is the tenant's word.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    proven: Vec<String>,
}

/// The cursors up to which it was read.
#[derive(Debug, Serialize)]
struct ReadUpTo {
    visitor: Option<String>,
    agents: BTreeMap<String, String>,
}

// === impl Conversation ===

impl Conversation {
    /// `state` as `agent` is shown it now.
    pub(super) fn of(
        id: ConversationId,
        state: &ConversationState,
        agent: &Agent,
        rest: &Deps,
    ) -> Self {
        let (now, text) = (now(rest), |register| state.value(&register).map(ToOwned::to_owned));
        let cursor = |position| cursor(&rest.cursors, agent, position);
        let (status, until) = state.status(now);
        let last_message = state.last.as_ref().map(Preview::of);
        let agents = state.readers();
        Self {
            id,
            last_activity: last_message.as_ref().map(|last| last.timestamp.clone()),
            last_message,
            visitor: Visitor::of(state),
            status,
            until: until.map(|until| until.to_string()),
            waiting: state.waiting(),
            assignee: text(Register::Assignee),
            team: text(Register::Team),
            labels: state.labels().map(ToOwned::to_owned).collect(),
            rating: text(Register::Score).and_then(|score| score.parse().ok()),
            unread: state.is_unread(),
            unread_by_me: state.is_unread_by(&agent.id),
            read: ReadUpTo {
                visitor: cursor(state.read_by_visitor()),
                agents: agents
                    .filter_map(|(agent, up_to)| Some((agent.to_owned(), cursor(up_to)?)))
                    .collect(),
            },
        }
    }
}

impl Preview {
    fn of(last: &LastMessage) -> Self {
        let LastMessage { at, preview, sender, .. } = last;
        Self { text: preview.clone(), sender: *sender, timestamp: at.to_string() }
    }
}

impl Visitor {
    /// `None` where nothing at all is known.
    fn of(state: &ConversationState) -> Option<Self> {
        let text = |register| state.value(&register).map(ToOwned::to_owned);
        let attributes = state.attributes();
        let named = ["name", "email", "locale"].into_iter().map(ToOwned::to_owned);
        let named = named.zip([Register::Name, Register::Email, Register::Locale]);
        let others = attributes
            .keys()
            .map(|name| (format!("attributes.{name}"), Register::Attribute((*name).to_owned())));
        let proven = named.chain(others).filter(|(_, register)| state.is_proven(register));
        let visitor = Self {
            proven: proven.map(|(name, _)| name).collect(),
            id: state.of_visitor.map(|last| last.visitor),
            name: text(Register::Name),
            email: text(Register::Email),
            locale: text(Register::Locale),
            attributes: attributes
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        };
        let is_known = visitor.id.is_some()
            || visitor.name.is_some()
            || visitor.email.is_some()
            || visitor.locale.is_some()
            || !visitor.attributes.is_empty();
        is_known.then_some(visitor)
    }
}

/// The moment at which statuses are judged: the log's time, as events are stamped.
pub(super) fn now(rest: &Deps) -> Timestamp {
    rest.monitor.time()
}

fn cursor(cursors: &Cursors, agent: &Agent, position: Position) -> Option<String> {
    (position > Position::ZERO).then(|| cursors.write(&agent.tenant, position))
}
