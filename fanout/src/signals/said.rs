//! What nodes tell each other, as JSON within the bound of a signal.

use bytes::Bytes;
use parlor_common::{author::Author, id::ConversationId};
use parlor_signals::{Class, MAX_BODY_BYTES};
use serde::{Deserialize, Serialize};

/// A node of the installation, for as long as its process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct NodeId(pub(crate) u64);

/// What a node tells the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    #[serde(rename = "n")]
    pub(crate) node: NodeId,
    /// Rises with everything that the node says, so that what comes late is known.
    #[serde(rename = "s")]
    pub(crate) stamp: u64,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// Somebody types in the conversation that the signal is about, or does no more.
    Typing { author: Author, on: bool },
    /// The node has sessions of agents that look at these conversations: whoever has their visitors
    /// says so, now and when it changes.
    Look(Vec<ConversationId>),
    /// Which of the visitors are online at the node, and which are no more.
    Visitors { on: Vec<ConversationId>, off: Vec<ConversationId> },
    /// How things stand with some of the agents at the node.
    Roster(Vec<AgentThere>),
    /// The node is new: every other says its roster, and what its agents look at.
    Call,
}

/// An agent at a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AgentThere {
    pub(crate) author: Author,
    /// What the agent has open; `None` where it is there no more.
    pub(crate) open: Option<Vec<ConversationId>>,
}

/// Conversations of one signal: each takes 35 bytes.
const CONVERSATIONS: usize = 24;
/// The most conversations that one agent is told to have open, in however many tabs.
const MAX_OPEN: usize = 8;
/// The most characters of a name that are told.
const NAME_CHARS: usize = 48;
/// Besides what is said: the node, the stamp, and names of fields.
const FRAME_BYTES: usize = 96;

// === impl Said ===

impl Said {
    pub(crate) fn encode(&self) -> Bytes {
        serde_json::to_vec(self).map(Bytes::from).unwrap_or_default()
    }

    /// Reads back what [`encode`](Self::encode) wrote; `None` where it is anything else, or what a
    /// later version says.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

// === impl What ===

impl What {
    /// How soon it is shed.
    pub(crate) const fn class(&self) -> Class {
        match self {
            Self::Typing { .. } => Class::Typing,
            Self::Look(_) | Self::Visitors { .. } => Class::Visitor,
            Self::Roster(_) | Self::Call => Class::Roster,
        }
    }

    pub(crate) fn typing(author: &Author, on: bool) -> Self {
        Self::Typing { author: told(author), on }
    }

    /// As many as these need.
    pub(crate) fn looks(conversations: &[ConversationId]) -> impl Iterator<Item = Self> {
        conversations.chunks(CONVERSATIONS).map(|some| Self::Look(some.to_vec()))
    }

    /// As many as these need.
    pub(crate) fn visitors(
        conversations: &[ConversationId],
        online: bool,
    ) -> impl Iterator<Item = Self> {
        conversations.chunks(CONVERSATIONS).map(move |some| match online {
            true => Self::Visitors { on: some.to_vec(), off: Vec::new() },
            false => Self::Visitors { on: Vec::new(), off: some.to_vec() },
        })
    }

    /// As many as these need.
    pub(crate) fn rosters(agents: impl IntoIterator<Item = AgentThere>) -> Vec<Self> {
        let (mut rosters, mut roster, mut bytes) = (Vec::new(), Vec::new(), FRAME_BYTES);
        for mut agent in agents {
            let takes = agent.shorten();
            if bytes + takes > MAX_BODY_BYTES {
                rosters.push(Self::Roster(std::mem::take(&mut roster)));
                bytes = FRAME_BYTES;
            }
            bytes += takes;
            roster.push(agent);
        }
        if !roster.is_empty() {
            rosters.push(Self::Roster(roster));
        }
        rosters
    }
}

// === impl AgentThere ===

impl AgentThere {
    pub(crate) fn new(author: &Author, open: Option<Vec<ConversationId>>) -> Self {
        let open = open.map(|mut open| {
            open.truncate(MAX_OPEN);
            open
        });
        Self { author: told(author), open }
    }

    /// Leaves out what does not fit into a signal, for an id of 128 characters of four bytes each;
    /// tells how many bytes it takes.
    fn shorten(&mut self) -> usize {
        loop {
            let takes = serde_json::to_vec(self).map_or(0, |json| json.len() + 1);
            let fits = FRAME_BYTES + takes <= MAX_BODY_BYTES;
            if fits || self.author.name.take().is_none() && !self.forget_one() {
                return takes;
            }
        }
    }

    fn forget_one(&mut self) -> bool {
        self.open.as_mut().is_some_and(|open| open.pop().is_some())
    }
}

/// An author whose name is not too long for a signal.
fn told(author: &Author) -> Author {
    let name = author.name.as_ref().map(|name| name.chars().take(NAME_CHARS).collect());
    Author { name, ..author.clone() }
}

#[cfg(test)]
mod tests {
    use parlor_common::author::AuthorKind;

    use super::*;

    fn said(what: What) -> Said {
        Said { node: NodeId(u64::MAX), stamp: u64::MAX, what }
    }

    fn conversations(count: u8) -> Vec<ConversationId> {
        (0..count).map(|byte| ConversationId::from_bytes([byte; 16])).collect()
    }

    fn agent(id: &str, name: &str) -> Author {
        Author { kind: AuthorKind::Agent, id: id.to_owned(), name: Some(name.to_owned()) }
    }

    fn all_within_the_bound(whats: impl IntoIterator<Item = What>) -> usize {
        let bodies = whats.into_iter().map(|what| {
            let said = said(what);
            let body = said.encode();
            assert!(body.len() <= MAX_BODY_BYTES, "{}", body.len());
            assert_eq!(Said::decode(&body), Some(said));
        });
        bodies.count()
    }

    #[test]
    fn everything_that_is_said_fits_a_signal_and_reads_back() {
        let long = agent(&"é".repeat(128), &"\u{1F600}".repeat(200));
        all_within_the_bound([What::typing(&long, true), What::Call]);
        assert_eq!(all_within_the_bound(What::looks(&conversations(65))), 3);
        assert_eq!(all_within_the_bound(What::visitors(&conversations(24), false)), 1);
        let longest = agent(&"\u{1F600}".repeat(128), &"\u{1F600}".repeat(200));
        let longest = AgentThere::new(&longest, Some(conversations(20)));
        assert_eq!(all_within_the_bound(What::rosters([longest])), 1);
        let here = AgentThere::new(&long, Some(conversations(20)));
        let gone = AgentThere::new(&agent("bob", "Bob"), None);
        assert_eq!(all_within_the_bound(What::rosters([here.clone(), gone, here])), 2);
        let many = (0..100).map(|n| AgentThere::new(&agent(&n.to_string(), "Ann"), Some(vec![])));
        assert!(all_within_the_bound(What::rosters(many)) < 12);
    }

    #[test]
    fn what_nobody_of_ours_says_is_none() {
        for body in ["", "{}", r#"{"n":1,"s":1}"#, r#"{"n":1,"s":1,"dance":true}"#, "[]"] {
            assert_eq!(Said::decode(body.as_bytes()), None, "{body}");
        }
    }
}
