//! The sessions of one tenant at one node, and what each of them looks at.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use parlor_common::{
    author::{Author, AuthorKind},
    frame::Person,
    id::ConversationId,
};
use tokio::time::Instant;

use super::TooMuch;
use crate::signals::notice::Look;

/// How often a client may say that it types.
const TYPING_EVERY: Duration = Duration::from_secs(1);
/// How often an agent may look at something else in the long run, and how many times at once.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOKS_AT_ONCE: u32 = 3;

/// A session, as presence knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SeatId(pub(crate) u64);

/// Whose session begins.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// A visitor's, with its conversations, the own first. It is told of signals, or is a client of
    /// another kind, which is only seen.
    Visitor { author: Author, conversations: Vec<ConversationId>, is_told: bool },
    /// An agent's, or a program's of the team.
    Agent(Author),
}

/// The sessions of a tenant.
#[derive(Debug, Default)]
pub(super) struct Seats {
    seats: HashMap<SeatId, Seat>,
    /// Those of agents.
    agents: BTreeSet<SeatId>,
    /// Those of a conversation's visitor, and those that look at it.
    of: HashMap<ConversationId, BTreeSet<SeatId>>,
    /// Since when each conversation is looked at.
    watched: HashMap<ConversationId, Instant>,
    /// Of these, something was not told that is to be told again.
    untold: BTreeSet<SeatId>,
    lingering: BTreeSet<(Instant, SeatId)>,
    pending: BTreeSet<SeatId>,
}

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) author: Author,
    pub(super) part: Part,
    /// It has ended, is not told anything, and counts until then.
    lingers: Option<Instant>,
    typing: Option<Typing>,
}

#[derive(Debug)]
pub(super) enum Part {
    Visitor {
        conversations: Vec<ConversationId>,
        is_told: bool,
        /// It may be told from now on.
        is_live: bool,
        /// Whether somebody is here, as it was told last.
        told: Option<Option<bool>>,
    },
    Agent {
        open: Option<ConversationId>,
        looks: HashMap<ConversationId, Told>,
        /// When looks that came at [`LOOK_EVERY`] would have got to here.
        looked: Instant,
        pending: Option<Look>,
    },
}

/// What an agent was told last of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) online: Option<bool>,
    pub(super) agents: Vec<Person>,
}

#[derive(Clone, Copy, Debug)]
struct Typing {
    conversation: ConversationId,
    at: Instant,
    on: bool,
}

/// A session that is no more.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) author: Author,
    pub(super) is_agent: bool,
    /// The visitor's, or those that were looked at.
    pub(super) conversations: Vec<ConversationId>,
}

/// What a session looks at from now on, and did not before.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) came: Vec<ConversationId>,
    /// Those of them that nobody here looked at.
    pub(super) new: Vec<ConversationId>,
    pub(super) left: Vec<ConversationId>,
}

// === impl Who ===

impl Who {
    /// Whether its client is told who is there.
    pub(super) const fn wants_to_know(&self) -> bool {
        matches!(self, Self::Visitor { is_told: true, .. } | Self::Agent(_))
    }
}

// === impl Seats ===

impl Seats {
    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    pub(super) fn get(&self, seat: SeatId) -> Option<&Seat> {
        self.seats.get(&seat)
    }

    /// One that may be told something.
    pub(super) fn tellable(&mut self, seat: SeatId) -> Option<&mut Seat> {
        self.seats.get_mut(&seat).filter(|seat| seat.lingers.is_none())
    }

    pub(super) fn insert(&mut self, id: SeatId, who: Who, now: Instant) {
        let (author, part) = match who {
            Who::Visitor { author, conversations, is_told } => {
                for conversation in &conversations {
                    self.of.entry(*conversation).or_default().insert(id);
                }
                (author, Part::Visitor { conversations, is_told, is_live: false, told: None })
            }
            Who::Agent(author) => {
                self.agents.insert(id);
                let looks = HashMap::new();
                (author, Part::Agent { open: None, looks, looked: now, pending: None })
            }
        };
        self.seats.insert(id, Seat { author, part, lingers: None, typing: None });
    }

    pub(super) fn live(&mut self, seat: SeatId) {
        if let Some(Seat { part: Part::Visitor { is_live, is_told, .. }, .. }) =
            self.seats.get_mut(&seat)
        {
            *is_live = *is_told;
        }
    }

    /// Gives the conversations that the visitor did not have before.
    pub(super) fn relink(
        &mut self,
        id: SeatId,
        by: Author,
        now_has: Vec<ConversationId>,
    ) -> Vec<ConversationId> {
        let Some(Seat { author, part: Part::Visitor { conversations, .. }, .. }) =
            self.seats.get_mut(&id)
        else {
            return Vec::new();
        };
        let before = std::mem::replace(conversations, now_has.clone());
        *author = by;
        for gone in before.iter().filter(|gone| !now_has.contains(gone)) {
            self.drop_from(*gone, id);
        }
        for came in &now_has {
            self.of.entry(*came).or_default().insert(id);
        }
        now_has.into_iter().filter(|came| !before.contains(came)).collect()
    }

    /// It has ended, and counts until then.
    pub(super) fn linger(&mut self, id: SeatId, until: Instant) {
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.lingers = Some(until);
            self.lingering.insert((until, id));
        }
    }

    /// Those that have lingered until now.
    pub(super) fn gone(&self, now: Instant) -> Vec<SeatId> {
        let gone = self.lingering.iter().take_while(|(until, _)| *until <= now);
        gone.map(|(_, id)| *id).collect()
    }

    pub(super) fn remove(&mut self, id: SeatId) -> Option<Removed> {
        let Seat { author, part, lingers, .. } = self.seats.remove(&id)?;
        if let Some(until) = lingers {
            self.lingering.remove(&(until, id));
        }
        self.agents.remove(&id);
        self.untold.remove(&id);
        self.pending.remove(&id);
        let (is_agent, conversations) = match part {
            Part::Visitor { conversations, .. } => (false, conversations),
            Part::Agent { looks, .. } => (true, looks.into_keys().collect()),
        };
        for conversation in &conversations {
            self.drop_from(*conversation, id);
        }
        Some(Removed { author, is_agent, conversations })
    }

    /// Those of the conversations whose visitor has no other session here.
    pub(super) fn first_of(&self, ids: &[ConversationId]) -> Vec<ConversationId> {
        ids.iter().copied().filter(|id| self.visitors_of(*id).count() == 1).collect()
    }

    pub(super) fn has_visitor(&self, id: ConversationId) -> bool {
        self.visitors_of(id).next().is_some()
    }

    /// Whether an agent here looks at it.
    pub(super) fn is_watched(&self, id: ConversationId) -> bool {
        self.watched.contains_key(&id)
    }

    /// Since when an agent here has looked at it.
    pub(super) fn watched_since(&self, id: ConversationId) -> Option<Instant> {
        self.watched.get(&id).copied()
    }

    /// What agents here look at.
    pub(super) fn watched(&self) -> Vec<ConversationId> {
        self.watched.keys().copied().collect()
    }

    /// The sessions of its visitor, and those that look at it.
    pub(super) fn of(&self, id: ConversationId) -> Vec<SeatId> {
        self.of.get(&id).into_iter().flatten().copied().collect()
    }

    /// What an agent has open in all its sessions; `None` where it has none.
    pub(super) fn open_of(&self, agent: &str) -> Option<Vec<ConversationId>> {
        let mut open = BTreeSet::new();
        let mut is_there = false;
        for seat in self.of_agents().filter(|seat| seat.author.id == agent) {
            if let Part::Agent { open: now_open, .. } = &seat.part {
                is_there = true;
                open.extend(*now_open);
            }
        }
        is_there.then(|| open.into_iter().collect())
    }

    /// Whether somebody of the team is here who is no program.
    pub(super) fn has_agent(&self) -> bool {
        self.of_agents().any(|seat| seat.author.kind == AuthorKind::Agent)
    }

    /// Visitors' sessions that may be told.
    pub(super) fn live_visitors(&self) -> Vec<SeatId> {
        let live = self.seats.iter().filter(|(_, seat)| {
            seat.lingers.is_none() && matches!(seat.part, Part::Visitor { is_live: true, .. })
        });
        live.map(|(id, _)| *id).collect()
    }

    /// The look, where it is not too soon after others; else it waits, and replaces what waited.
    pub(super) fn may_look(&mut self, id: SeatId, look: Look, now: Instant) -> Option<Look> {
        let Part::Agent { looked, pending, .. } = &mut self.seats.get_mut(&id)?.part else {
            return None;
        };
        if *looked > now + LOOK_EVERY * (LOOKS_AT_ONCE - 1) {
            *pending = Some(look);
            self.pending.insert(id);
            return None;
        }
        *looked = (*looked).max(now) + LOOK_EVERY;
        *pending = None;
        self.pending.remove(&id);
        Some(look)
    }

    /// Looks that have waited for long enough.
    pub(super) fn due_looks(&mut self, now: Instant) -> Vec<(SeatId, Look)> {
        let mut due = Vec::new();
        for id in self.pending.clone() {
            let Some(Seat { part: Part::Agent { pending, .. }, .. }) = self.seats.get_mut(&id)
            else {
                continue;
            };
            if let Some(look) = pending.take()
                && let Some(look) = self.may_look(id, look, now)
            {
                due.push((id, look));
            }
        }
        due
    }

    /// Notes what an agent looks at from now on.
    pub(super) fn looks(&mut self, id: SeatId, look: &Look, now: Instant) -> Option<Changed> {
        let Part::Agent { open, looks, .. } = &mut self.seats.get_mut(&id)?.part else {
            return None;
        };
        *open = look.open;
        let wanted: BTreeSet<_> = look.open.iter().chain(&look.visible).copied().collect();
        let mut changed = Changed::default();
        changed.left.extend(looks.keys().filter(|id| !wanted.contains(id)));
        for gone in &changed.left {
            looks.remove(gone);
        }
        for came in &wanted {
            looks.entry(*came).or_insert_with(|| {
                changed.came.push(*came);
                Told::default()
            });
        }
        // Who else has it open is told of what is open.
        let closed = looks.iter_mut().filter(|(id, _)| Some(**id) != look.open);
        closed.for_each(|(_, told)| told.agents.clear());
        changed.came.extend(look.open.filter(|open| !changed.came.contains(open)));
        for gone in changed.left.clone() {
            self.drop_from(gone, id);
        }
        for came in &changed.came {
            self.of.entry(*came).or_default().insert(id);
            if !self.watched.contains_key(came) {
                self.watched.insert(*came, now);
                changed.new.push(*came);
            }
        }
        Some(changed)
    }

    /// Where the client may say now that it types, or does no more, and who it is; `None` where
    /// that says nothing new.
    pub(super) fn may_type(
        &mut self,
        id: SeatId,
        conversation: Option<ConversationId>,
        on: bool,
        now: Instant,
    ) -> Result<Option<(ConversationId, Author)>, TooMuch> {
        let Some(seat) = self.seats.get_mut(&id) else { return Ok(None) };
        let conversation = match &seat.part {
            Part::Visitor { conversations, .. } => conversations.first().copied(),
            Part::Agent { .. } => conversation,
        };
        let Some(conversation) = conversation else { return Ok(None) };
        match &mut seat.typing {
            Some(typing) if on && now < typing.at + TYPING_EVERY => return Err(TooMuch),
            // An end is never too much: there is one for each beginning.
            Some(typing) if !on && typing.on && typing.conversation == conversation => {
                typing.on = false;
            }
            _ if !on => return Ok(None),
            typing => *typing = Some(Typing { conversation, at: now, on }),
        }
        Ok(Some((conversation, seat.author.clone())))
    }

    /// What this session was told is told again.
    pub(super) fn forget_told(&mut self, id: SeatId) {
        let Some(seat) = self.seats.get_mut(&id) else { return };
        match &mut seat.part {
            Part::Visitor { told, .. } => *told = None,
            Part::Agent { looks, .. } => {
                // Who else has it open is told as an empty list too, where it was not empty.
                looks.values_mut().for_each(|told| told.online = None);
                looks.values_mut().for_each(|told| told.agents = vec![Person::default()]);
            }
        }
        self.untold.insert(id);
    }

    /// Those that something is to be told again.
    pub(super) fn take_untold(&mut self) -> BTreeSet<SeatId> {
        std::mem::take(&mut self.untold)
    }

    fn of_agents(&self) -> impl Iterator<Item = &Seat> {
        self.agents.iter().filter_map(|id| self.seats.get(id))
    }

    fn visitors_of(&self, id: ConversationId) -> impl Iterator<Item = &Seat> {
        let seats = self.of.get(&id).into_iter().flatten();
        seats
            .filter_map(|seat| self.seats.get(seat))
            .filter(|seat| matches!(seat.part, Part::Visitor { .. }))
    }

    /// The session has nothing to do with the conversation any more.
    fn drop_from(&mut self, conversation: ConversationId, id: SeatId) {
        let Some(seats) = self.of.get_mut(&conversation) else { return };
        seats.remove(&id);
        if seats.is_disjoint(&self.agents) {
            self.watched.remove(&conversation);
        }
        if seats.is_empty() {
            self.of.remove(&conversation);
        }
    }
}
