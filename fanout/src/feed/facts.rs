//! Facts: what decides who is shown an event, without the event itself.

use parlor_common::{
    author::AuthorKind,
    clock::Timestamp,
    event::{Audience, Event, Transport},
    id::SessionId,
    position::Position,
};

/// What decides who is shown an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// The session it came through.
    pub(crate) session: Option<SessionId>,
    pub(crate) position: Position,
    /// Whether its visitor sent it.
    pub(crate) by_visitor: bool,
    /// How it was sent.
    pub(crate) transport: Transport,
    /// When it arrived at the door.
    pub(crate) arrived: Timestamp,
    /// Whether it makes several visitors one.
    pub(crate) links: bool,
    /// Whether it is said to visitors in another way than to agents.
    pub(crate) differs_by_audience: bool,
    for_visitor: bool,
    for_agents: bool,
}

// === impl Facts ===

impl Facts {
    pub(crate) fn of(event: &Event) -> Self {
        let record = &event.record;
        Self {
            session: record.session,
            position: event.position,
            by_visitor: record.author.kind == AuthorKind::Visitor,
            transport: record.transport,
            arrived: record.arrived,
            links: record.body.linked().is_some(),
            differs_by_audience: record.body.differs_by_audience(),
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
