//! What clients are told of who is there and who types.

use std::collections::BTreeMap;

use parlor_common::{
    author::{Author, AuthorKind},
    frame::Person,
    id::ConversationId,
};
use tokio::time::Instant;

use super::{
    Effect, Effects, Presence,
    seats::{Part, SeatId, Told},
};
use crate::signals::notice::Notice;

impl Presence {
    /// Tells everybody what has changed for them.
    pub(super) fn settle(&mut self, now: Instant, out: &mut Effects) {
        for id in std::mem::take(&mut self.changed) {
            if self.seats.is_watched(id) {
                for seat in self.seats.of(id) {
                    self.tell_of(id, seat, now, out);
                }
                // Somebody else may answer yet.
                if self.is_visitor_online(id, now).is_none() {
                    self.undecided.insert(id);
                }
            }
        }
        if !std::mem::take(&mut self.rosters_changed) {
            return;
        }
        let here = self.is_somebody_here(now);
        if self.here != here {
            self.here = here;
            for seat in self.seats.live_visitors() {
                self.tell_here(seat, out);
            }
        }
    }

    /// Tells those again who were not told because their outboxes were too full.
    pub(super) fn tell_again(&mut self, out: &mut Effects) {
        for seat in self.seats.take_untold() {
            self.tell_here(seat, out);
            if let Some(Part::Agent { looks, .. }) = self.seats.get(seat).map(|seat| &seat.part) {
                self.changed.extend(looks.keys());
            }
        }
    }

    /// Tells a visitor whether somebody is here, where it does not know.
    pub(super) fn tell_here(&mut self, id: SeatId, out: &mut Effects) {
        let here = self.here;
        if let Some(seat) = self.seats.tellable(id)
            && let Part::Visitor { is_live: true, told, .. } = &mut seat.part
            && *told != Some(here)
        {
            *told = Some(here);
            out.push(Effect::Tell(id, Notice::Here(here)));
        }
    }

    /// Tells those on the other side, and agents who look at it, that somebody types.
    pub(super) fn tell_typing(
        &mut self,
        conversation: ConversationId,
        by: &Author,
        on: bool,
        out: &mut Effects,
    ) {
        for id in self.seats.of(conversation) {
            let Some(seat) = self.seats.tellable(id) else { continue };
            let is_own = seat.author.kind == by.kind && seat.author.id == by.id;
            let author = match &seat.part {
                _ if is_own => continue,
                Part::Visitor { is_live: false, .. } => continue,
                // Whoever is of the same side is the same visitor.
                Part::Visitor { .. } if by.kind == AuthorKind::Visitor => continue,
                Part::Visitor { .. } => Person { id: None, name: by.name.clone() },
                Part::Agent { .. } => person(by),
            };
            out.push(Effect::Tell(id, Notice::Typing { conversation, by: by.kind, author, on }));
        }
    }

    /// Tells an agent of a conversation that it looks at, where it does not know.
    fn tell_of(&mut self, id: ConversationId, seat: SeatId, now: Instant, out: &mut Effects) {
        let Some(Part::Agent { open, .. }) = self.seats.get(seat).map(|seat| &seat.part) else {
            return;
        };
        let has_open = *open == Some(id);
        let online = self.is_visitor_online(id, now);
        let agents = if has_open { self.others_with_open(id, seat) } else { Vec::new() };
        let Some(seat_to_tell) = self.seats.tellable(seat) else { return };
        let Part::Agent { looks, .. } = &mut seat_to_tell.part else { return };
        let Some(told) = looks.get_mut(&id) else { return };
        let Told { online: told_online, agents: told_agents } = told;
        if let Some(online) = online
            && *told_online != Some(online)
        {
            *told_online = Some(online);
            out.push(Effect::Tell(seat, Notice::Visitor { conversation: id, online }));
        }
        if *told_agents != agents {
            *told_agents = agents.clone();
            if has_open {
                out.push(Effect::Tell(seat, Notice::Agents { conversation: id, agents }));
            }
        }
    }

    /// Whether the conversation's visitor is online; `None` while that is not known.
    pub(super) fn is_visitor_online(&self, id: ConversationId, now: Instant) -> Option<bool> {
        if self.seats.has_visitor(id) || self.others.has_visitor(id) {
            return Some(true);
        }
        let since = self.seats.watched_since(id)?.max(self.hears_since?);
        (now >= since + self.settings.roll_call).then_some(false)
    }

    /// Whether somebody of the team is online; `None` while that is not known.
    fn is_somebody_here(&self, now: Instant) -> Option<bool> {
        if self.seats.has_agent() || self.others.has_agent() {
            return Some(true);
        }
        let since = self.hears_since.filter(|_| self.called)?;
        (now >= since + self.settings.roll_call).then_some(false)
    }

    /// Who has a conversation open but the agent of this session, each once.
    fn others_with_open(&self, id: ConversationId, seat: SeatId) -> Vec<Person> {
        let own = self.seats.get(seat).map(|seat| seat.author.id.as_str());
        let there = self
            .said
            .values()
            .filter(|there| there.open.as_ref().is_some_and(|open| open.contains(&id)));
        let all = there.map(|there| &there.author).chain(self.others.with_open(id));
        let others = all.filter(|author| Some(author.id.as_str()) != own);
        let by_id: BTreeMap<_, _> = others.map(|author| (&author.id, person(author))).collect();
        by_id.into_values().collect()
    }
}

fn person(author: &Author) -> Person {
    Person { id: Some(author.id.clone()), name: author.name.clone() }
}
