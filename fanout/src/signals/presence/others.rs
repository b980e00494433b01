//! What the other nodes have said of a tenant, until it fades.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    time::Duration,
};

use parlor_common::{
    author::{Author, AuthorKind},
    id::ConversationId,
};
use tokio::time::Instant;

use crate::signals::said::{AgentThere, NodeId};

/// How long a node is known to have agents that look at a conversation.
const LOOKS_FOR: Duration = Duration::from_secs(45);
/// The most that is kept of each; what is beyond is not known.
const MOST: usize = 10_000;

/// What the other nodes have said.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// By node and agent; `None` for one that has left, so that what comes late is known.
    agents: HashMap<(NodeId, String), Known<AgentThere>>,
    /// Of the conversations that are looked at here.
    visitors: HashMap<ConversationId, HashMap<NodeId, Known<bool>>>,
    /// Conversations that other nodes' agents look at, and until when.
    looks: HashMap<ConversationId, Instant>,
}

#[derive(Debug)]
struct Known<T> {
    stamp: u64,
    until: Instant,
    value: T,
}

/// What was not said again.
#[derive(Debug, Default)]
pub(super) struct Faded {
    /// Whether agents were among it.
    pub(super) agents: bool,
    /// What agents had open, and where visitors were online.
    pub(super) conversations: Vec<ConversationId>,
}

/// Which node has said it, and when by its own count.
pub(super) type From = (NodeId, u64);

// === impl Others ===

impl Others {
    /// How things stand with an agent; gives the conversations that it had open or has.
    pub(super) fn agent(
        &mut self,
        (node, stamp): From,
        there: AgentThere,
        until: Instant,
    ) -> Vec<ConversationId> {
        let is_full = self.agents.len() >= MOST;
        match self.agents.entry((node, there.author.id.clone())) {
            Slot::Occupied(mut slot) if slot.get().stamp < stamp => {
                let open = there.open.clone();
                let before = slot.insert(Known { stamp, until, value: there }).value.open;
                before.into_iter().chain(open).flatten().collect()
            }
            Slot::Vacant(slot) if !is_full => {
                let open = there.open.clone();
                slot.insert(Known { stamp, until, value: there });
                open.unwrap_or_default()
            }
            Slot::Occupied(_) | Slot::Vacant(_) => Vec::new(),
        }
    }

    /// Whether a node has the visitor of a conversation that is looked at here.
    pub(super) fn visitor(
        &mut self,
        (node, stamp): From,
        id: ConversationId,
        online: bool,
        until: Instant,
    ) {
        let nodes = self.visitors.entry(id).or_default();
        let known = nodes.entry(node).or_insert(Known { stamp: 0, until, value: online });
        if known.stamp < stamp {
            *known = Known { stamp, until, value: online };
        }
    }

    /// Agents of another node look at these.
    pub(super) fn look(&mut self, ids: &[ConversationId], now: Instant) {
        for id in ids {
            if self.looks.len() < MOST || self.looks.contains_key(id) {
                self.looks.insert(*id, now + LOOKS_FOR);
            }
        }
    }

    pub(super) fn looks_at(&self, id: ConversationId, now: Instant) -> bool {
        self.looks.get(&id).is_some_and(|until| now < *until)
    }

    /// Whether some node has the conversation's visitor.
    pub(super) fn has_visitor(&self, id: ConversationId) -> bool {
        self.visitors.get(&id).is_some_and(|nodes| nodes.values().any(|known| known.value))
    }

    /// Nobody here looks at it any more.
    pub(super) fn forget(&mut self, id: ConversationId) {
        self.visitors.remove(&id);
    }

    /// The agents that have a conversation open.
    pub(super) fn with_open(&self, id: ConversationId) -> impl Iterator<Item = &Author> {
        let there = self.agents.values().map(|known| &known.value);
        there
            .filter(move |there| there.open.as_ref().is_some_and(|open| open.contains(&id)))
            .map(|there| &there.author)
    }

    /// Whether somebody of the team is there who is no program.
    pub(super) fn has_agent(&self) -> bool {
        let mut there = self.agents.values().map(|known| &known.value);
        there.any(|there| there.open.is_some() && there.author.kind == AuthorKind::Agent)
    }

    /// Nothing fades before `until`.
    pub(super) fn renew(&mut self, until: Instant) {
        for known in self.agents.values_mut() {
            known.until = known.until.max(until);
        }
        for known in self.visitors.values_mut().flat_map(HashMap::values_mut) {
            known.until = known.until.max(until);
        }
    }

    /// Lets go of what was not said again.
    pub(super) fn fade(&mut self, now: Instant) -> Faded {
        let mut faded = Faded::default();
        self.agents.retain(|_, known| {
            let stays = now < known.until;
            if !stays && let Some(open) = &known.value.open {
                faded.agents = true;
                faded.conversations.extend(open);
            }
            stays
        });
        self.visitors.retain(|id, nodes| {
            let before = nodes.len();
            nodes.retain(|_, known| now < known.until);
            if nodes.len() < before {
                faded.conversations.push(*id);
            }
            !nodes.is_empty()
        });
        self.looks.retain(|_, until| now < *until);
        faded
    }
}
