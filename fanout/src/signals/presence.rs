//! Presence: who of a tenant is where, as one node knows it, and who is told of it. It has no
//! clock, no sockets and no network: what happens comes in as a call, and what is to be done about
//! it goes out as [`Effect`]s.
//!
//! - A node says which **agents** have a session at it, and what each has open: its roster, when
//!   that changes and again each [`roster_every`](SignalSettings::roster_every). What is not said
//!   again fades after [`roster_for`](SignalSettings::roster_for).
//! - A node whose agents look at a conversation says so, as often. A node that has the
//!   conversation's **visitor** answers, and says when that changes. Its answers fade as rosters
//!   do.
//! - Somebody whose socket broke is there for another [`grace`](SignalSettings::grace); whoever
//!   closed it is gone at once.
//! - A node that is new, or was deaf, calls the roll: every other says its roster and what its
//!   agents look at. After [`roll_call`](SignalSettings::roll_call) the node knows who is not
//!   there. Until then it says neither.

mod others;
mod seats;
mod telling;

use std::collections::{HashMap, HashSet};

use parlor_common::{author::Author, id::ConversationId};
use tokio::time::Instant;

use self::{
    others::Others,
    seats::{Part, Seats},
};
use crate::{
    SignalSettings,
    signals::{
        notice::{Look, Notice},
        said::{AgentThere, NodeId, Said, What},
    },
};
pub(crate) use seats::{SeatId, Who};

/// Who of a tenant is where, as one node knows it.
#[derive(Debug)]
pub(crate) struct Presence {
    node: NodeId,
    settings: SignalSettings,
    /// The stamp of what was said last.
    stamp: u64,
    /// The sessions of this node.
    seats: Seats,
    /// What this node has said of each of its agents.
    said: HashMap<String, AgentThere>,
    others: Others,
    /// Since when this node hears the others; `None` while it is deaf.
    hears_since: Option<Instant>,
    /// Whether somebody here is told who is there.
    is_wanted: bool,
    /// Whether it has called the roll since it hears.
    called: bool,
    /// When it says its roster and what its agents look at again.
    again_at: Instant,
    /// When it has last said all of that, and whether somebody has asked for it since.
    said_all: Option<Instant>,
    owes_all: bool,
    /// Whether somebody of the team is online, as its visitors have been told.
    here: Option<bool>,
    /// Of these, agents may have to be told something.
    changed: HashSet<ConversationId>,
    rosters_changed: bool,
    /// Of these it is not known yet that nobody has their visitor.
    undecided: HashSet<ConversationId>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The other nodes are told, about a conversation or the tenant as a whole.
    Say(Option<ConversationId>, Said),
    /// A session's client is told.
    Tell(SeatId, Notice),
}

/// A session says too much, and is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

/// Everything that a call has brought about, in order.
pub(crate) type Effects = Vec<Effect>;

// === impl Presence ===

impl Presence {
    /// Of a tenant nobody of whom is known; `hears` says whether the node hears the others.
    pub(crate) fn new(node: NodeId, settings: SignalSettings, hears: bool, now: Instant) -> Self {
        Self {
            node,
            again_at: now + settings.roster_every,
            settings,
            stamp: 0,
            seats: Seats::default(),
            said: HashMap::new(),
            others: Others::default(),
            hears_since: hears.then_some(now),
            is_wanted: false,
            called: false,
            said_all: None,
            owes_all: false,
            here: None,
            changed: HashSet::new(),
            rosters_changed: false,
            undecided: HashSet::new(),
        }
    }

    /// Whether nobody is there, so that there is nothing to know.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// A session begins.
    pub(crate) fn enter(&mut self, seat: SeatId, who: Who, now: Instant, out: &mut Effects) {
        self.is_wanted |= who.wants_to_know();
        self.seats.insert(seat, who, now);
        self.call(now, out);
        self.seat_changed(seat, now, out);
        self.settle(now, out);
    }

    /// A session shows its client what happens now: from here on the client may be told.
    pub(crate) fn live(&mut self, seat: SeatId, now: Instant, out: &mut Effects) {
        self.seats.live(seat);
        self.settle(now, out);
        self.tell_here(seat, out);
    }

    /// A visitor turned out to be one with others, and has these conversations now.
    pub(crate) fn link(
        &mut self,
        seat: SeatId,
        author: Author,
        conversations: Vec<ConversationId>,
        now: Instant,
        out: &mut Effects,
    ) {
        let came = self.seats.relink(seat, author, conversations);
        let came = self.seats.first_of(&came);
        self.visitors_changed(&came, true, now, out);
        self.settle(now, out);
    }

    /// A session has ended: its client has closed it, or it broke.
    pub(crate) fn leave(&mut self, seat: SeatId, closed: bool, now: Instant, out: &mut Effects) {
        if closed {
            self.remove(seat, now, out);
            self.settle(now, out);
        } else {
            self.seats.linger(seat, now + self.settings.grace);
        }
    }

    /// An agent looks at something else. Too many in a short time are put together.
    pub(crate) fn look(&mut self, seat: SeatId, look: Look, now: Instant, out: &mut Effects) {
        if let Some(look) = self.seats.may_look(seat, look, now) {
            self.looks(seat, &look, now, out);
            self.settle(now, out);
        }
    }

    /// A session's client types, or does no more: in this conversation, or in the own.
    ///
    /// # Errors
    /// [`TooMuch`] where it says so too often.
    pub(crate) fn types(
        &mut self,
        seat: SeatId,
        conversation: Option<ConversationId>,
        on: bool,
        now: Instant,
        out: &mut Effects,
    ) -> Result<(), TooMuch> {
        let Some((conversation, author)) = self.seats.may_type(seat, conversation, on, now)? else {
            return Ok(());
        };
        let what = What::typing(&author, on);
        self.say(Some(conversation), what, out);
        self.tell_typing(conversation, &author, on, out);
        Ok(())
    }

    /// The node hears the others from now on.
    pub(crate) fn hears(&mut self, now: Instant, out: &mut Effects) {
        // What was known is known for as long as it takes to be said again.
        self.others.renew(now + self.settings.roll_call);
        (self.hears_since, self.called) = (Some(now), false);
        self.call(now, out);
        self.say_all(now, out);
        self.rosters_changed = true;
        self.undecided.extend(self.seats.watched());
        self.settle(now, out);
    }

    /// Silence tells nothing from now on.
    pub(crate) fn deaf(&mut self, now: Instant, out: &mut Effects) {
        self.hears_since = None;
        self.rosters_changed = true;
        self.settle(now, out);
    }

    /// Another node has said something, about a conversation or the tenant as a whole.
    pub(crate) fn heard(
        &mut self,
        conversation: Option<ConversationId>,
        said: Said,
        now: Instant,
        out: &mut Effects,
    ) {
        if said.node == self.node {
            return;
        }
        let (from, until) = ((said.node, said.stamp), now + self.settings.roster_for);
        match said.what {
            What::Typing { author, on } => {
                if let Some(conversation) = conversation {
                    self.tell_typing(conversation, &author, on, out);
                }
            }
            What::Look(conversations) => {
                self.others.look(&conversations, now);
                let online = conversations.into_iter().filter(|id| self.seats.has_visitor(*id));
                let online: Vec<_> = online.collect();
                self.say_visitors(&online, true, out);
            }
            What::Visitors { on, off } => {
                for (conversations, online) in [(on, true), (off, false)] {
                    let watched = conversations.into_iter().filter(|id| self.seats.is_watched(*id));
                    for id in watched {
                        self.others.visitor(from, id, online, until);
                        self.changed.insert(id);
                    }
                }
            }
            What::Roster(agents) => {
                for agent in agents {
                    self.changed.extend(self.others.agent(from, agent, until));
                }
                self.rosters_changed = true;
            }
            What::Call => {
                let lately = |at: Instant| now < at + self.settings.roll_call / 2;
                if self.said_all.is_some_and(lately) {
                    self.owes_all = true;
                } else {
                    self.say_all(now, out);
                }
            }
        }
        self.settle(now, out);
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant, out: &mut Effects) {
        for (seat, look) in self.seats.due_looks(now) {
            self.looks(seat, &look, now, out);
        }
        for seat in self.seats.gone(now) {
            self.remove(seat, now, out);
        }
        if self.hears_since.is_some() {
            let faded = self.others.fade(now);
            self.rosters_changed |= faded.agents;
            self.changed.extend(faded.conversations);
        }
        self.decide(now);
        if now >= self.again_at || self.owes_all {
            self.say_all(now, out);
        }
        self.rosters_changed |= self.here.is_none();
        self.tell_again(out);
        self.settle(now, out);
    }

    /// What a client was to be told was dropped: it is told again.
    pub(crate) fn untold(&mut self, seat: SeatId) {
        self.seats.forget_told(seat);
    }

    fn remove(&mut self, seat: SeatId, now: Instant, out: &mut Effects) {
        let Some(removed) = self.seats.remove(seat) else { return };
        if removed.is_agent {
            self.left(&removed.conversations);
            self.agent_changed(&removed.author, out);
        } else {
            let gone = removed.conversations.iter().copied();
            let gone: Vec<_> = gone.filter(|id| !self.seats.has_visitor(*id)).collect();
            self.visitors_changed(&gone, false, now, out);
        }
    }

    fn seat_changed(&mut self, seat: SeatId, now: Instant, out: &mut Effects) {
        let Some(seat) = self.seats.get(seat) else { return };
        match &seat.part {
            Part::Visitor { conversations, .. } => {
                let came = self.seats.first_of(conversations);
                self.visitors_changed(&came, true, now, out);
            }
            Part::Agent { .. } => {
                let author = seat.author.clone();
                self.agent_changed(&author, out);
            }
        }
    }

    /// An agent looks at this from now on.
    fn looks(&mut self, seat: SeatId, look: &Look, now: Instant, out: &mut Effects) {
        let Some(changed) = self.seats.looks(seat, look, now) else { return };
        self.left(&changed.left);
        self.changed.extend(changed.came);
        // What others have answered to another session here is known.
        self.undecided.extend(changed.new.iter().copied());
        for what in What::looks(&changed.new) {
            self.say(None, what, out);
        }
        if let Some(author) = self.seats.get(seat).map(|seat| seat.author.clone()) {
            self.agent_changed(&author, out);
        }
    }

    /// A session looks at these no more.
    fn left(&mut self, conversations: &[ConversationId]) {
        for id in conversations.iter().filter(|id| !self.seats.is_watched(**id)) {
            self.others.forget(*id);
            self.undecided.remove(id);
        }
    }

    /// Where nobody has answered for so long, the visitor is not online.
    fn decide(&mut self, now: Instant) {
        let undecided = std::mem::take(&mut self.undecided);
        for id in undecided {
            if self.is_visitor_online(id, now).is_some() {
                self.changed.insert(id);
            } else {
                self.undecided.insert(id);
            }
        }
    }

    /// Visitors of these conversations came or went: whoever looks at them is told.
    fn visitors_changed(
        &mut self,
        ids: &[ConversationId],
        online: bool,
        now: Instant,
        out: &mut Effects,
    ) {
        self.changed.extend(ids.iter().copied());
        let looked_at = ids.iter().copied().filter(|id| self.others.looks_at(*id, now));
        let looked_at: Vec<_> = looked_at.collect();
        self.say_visitors(&looked_at, online, out);
    }

    /// An agent came, went, or has something else open: the other nodes are told.
    fn agent_changed(&mut self, author: &Author, out: &mut Effects) {
        let open = self.seats.open_of(&author.id);
        let there = AgentThere::new(author, open);
        if self.said.get(&author.id) == Some(&there) {
            return;
        }
        let before = self.said.remove(&author.id).and_then(|there| there.open);
        self.changed.extend(before.into_iter().chain(there.open.clone()).flatten());
        self.rosters_changed = true;
        for what in What::rosters([there.clone()]) {
            self.say(None, what, out);
        }
        if there.open.is_some() {
            self.said.insert(author.id.clone(), there);
        }
    }

    /// Calls the roll, where somebody here wants to know who is there.
    fn call(&mut self, now: Instant, out: &mut Effects) {
        if self.called || self.hears_since.is_none() || !self.is_wanted {
            return;
        }
        (self.hears_since, self.called) = (Some(now), true);
        self.say(None, What::Call, out);
    }

    /// Says what the agents here look at, and the roster: whoever has heard that has heard all.
    fn say_all(&mut self, now: Instant, out: &mut Effects) {
        self.again_at = now + self.settings.roster_every;
        (self.said_all, self.owes_all) = (Some(now), false);
        for what in What::looks(&self.seats.watched()) {
            self.say(None, what, out);
        }
        for what in What::rosters(self.said.values().cloned()) {
            self.say(None, what, out);
        }
    }

    fn say_visitors(&mut self, ids: &[ConversationId], online: bool, out: &mut Effects) {
        for what in What::visitors(ids, online) {
            self.say(None, what, out);
        }
    }

    fn say(&mut self, conversation: Option<ConversationId>, what: What, out: &mut Effects) {
        self.stamp += 1;
        let said = Said { node: self.node, stamp: self.stamp, what };
        out.push(Effect::Say(conversation, said));
    }
}

#[cfg(test)]
mod tests;
