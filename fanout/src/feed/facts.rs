//! Facts: what decides who is shown an event, without the event itself.

use parlor_common::{
    author::AuthorKind,
    clock::Timestamp,
    event::{Audience, Event, Transport},
    id::SessionId,
};

/// What decides who is shown an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// The session it came through.
    pub(crate) session: Option<SessionId>,
    /// Whether its visitor sent it by a POST.
    pub(crate) posted_by_visitor: bool,
    /// When it arrived at the door.
    pub(crate) arrived: Timestamp,
    for_visitor: bool,
    for_agents: bool,
}

// === impl Facts ===

impl Facts {
    pub(crate) fn of(event: &Event) -> Self {
        let record = &event.record;
        Self {
            session: record.session,
            posted_by_visitor: record.transport == Transport::Rest
                && record.author.kind == AuthorKind::Visitor,
            arrived: record.arrived,
            for_visitor: record.body.on_sockets(Audience::Visitor),
            for_agents: record.body.on_sockets(Audience::Agents),
        }
    }

    /// Whether the event's kind is shown to sockets of this audience.
    pub(crate) const fn is_for(&self, audience: Audience) -> bool {
        match audience {
            Audience::Visitor => self.for_visitor,
            Audience::Agents => self.for_agents,
        }
    }
}
