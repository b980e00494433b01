//! The seat: a session's place at the switchboard.

use std::sync::Arc;

use parlor_common::{
    author::Author, conversation::ConversationSet, id::ConversationId, tenant::TenantId,
};
use parlor_history::Scope;

use super::{
    Switchboard,
    notice::{Notice, Saying},
    presence::{SeatId, Who},
};
use crate::session::viewer::Viewer;

/// A session's place. Dropping it means that the connection broke.
#[derive(Debug)]
pub(crate) struct Seat {
    board: Switchboard,
    tenant: TenantId,
    id: SeatId,
    is_live: bool,
    types: bool,
    has_left: bool,
}

// === impl Seat ===

impl Seat {
    /// Takes one for a client that is known.
    pub(crate) fn take(
        board: &Switchboard,
        scope: &Scope,
        author: Author,
        viewer: &Arc<Viewer>,
    ) -> Self {
        let who = match scope {
            Scope::Conversations(set) => Who::Visitor {
                author,
                conversations: ids(set),
                is_told: viewer.dialect().signal(&Notice::Here(None)).is_some(),
            },
            Scope::Tenant(_) => Who::Agent(author),
        };
        board.enter(scope.tenant(), who, viewer)
    }

    pub(super) const fn new(board: Switchboard, tenant: TenantId, id: SeatId) -> Self {
        Self { board, tenant, id, is_live: false, types: false, has_left: false }
    }

    /// The client is shown what happens now, and may be told of signals.
    pub(crate) fn live(&mut self) {
        if !std::mem::replace(&mut self.is_live, true) {
            self.board.with(&self.tenant, |presence, now, out| presence.live(self.id, now, out));
        }
    }

    /// The client says something.
    pub(crate) fn say(&mut self, saying: Saying) {
        match saying {
            Saying::Typing { conversation, on } => {
                self.types = on;
                self.board.types(&self.tenant, |presence, now, out| {
                    presence.types(self.id, conversation, on, now, out)
                });
            }
            Saying::Look(look) => self
                .board
                .with(&self.tenant, |presence, now, out| presence.look(self.id, look, now, out)),
        }
    }

    /// A visitor has sent what it has typed.
    pub(crate) fn has_sent(&mut self) {
        if self.types {
            self.say(Saying::Typing { conversation: None, on: false });
        }
    }

    /// The visitor is one with others.
    pub(crate) fn link(&self, set: &ConversationSet, author: &Author) {
        self.board.with(&self.tenant, |presence, now, out| {
            presence.link(self.id, author.clone(), ids(set), now, out);
        });
    }

    /// The session has ended: its client has closed it, or it broke.
    pub(crate) fn leave(&mut self, closed: bool) {
        if std::mem::replace(&mut self.has_left, true) {
            return;
        }
        self.board.hang_up(&self.tenant, self.id);
        self.board
            .with(&self.tenant, |presence, now, out| presence.leave(self.id, closed, now, out));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave(false);
    }
}

fn ids(set: &ConversationSet) -> Vec<ConversationId> {
    set.keys().map(|key| key.id).collect()
}
