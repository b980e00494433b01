//! The viewer: who looks, and what the hub must not show them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use parlor_common::{clock::Timestamp, id::SessionId};

use crate::{
    feed::item::{Dialect, Facts},
    session::outbox::Outbox,
};

/// Who looks, as far as the hub needs to know.
#[derive(Debug)]
pub(crate) struct Viewer {
    session: SessionId,
    dialect: Dialect,
    outbox: Outbox,
    /// When the first ping was answered; [`i64::MAX`] before.
    answered: AtomicI64,
}

// === impl Viewer ===

impl Viewer {
    pub(crate) fn new(session: SessionId, dialect: Dialect, outbox: Outbox) -> Arc<Self> {
        Arc::new(Self { session, dialect, outbox, answered: AtomicI64::new(i64::MAX) })
    }

    pub(crate) const fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The first ping was answered now; later ones change nothing.
    pub(crate) fn answered(&self, now: Timestamp) {
        self.answered.fetch_min(now.as_millis(), Ordering::Relaxed);
    }

    /// The seed's widget shows by itself what it sent, and drops nothing twice: neither what came
    /// through this socket, nor a POST that its own page may have sent before the socket was open.
    /// Protocol 1 is shown everything.
    pub(crate) fn is_shown(&self, facts: &Facts) -> bool {
        match self.dialect {
            Dialect::Parlor1 => true,
            Dialect::Contract if facts.session == Some(self.session) => false,
            Dialect::Contract => {
                !facts.posted_by_visitor
                    || self.answered.load(Ordering::Relaxed) < facts.arrived.as_millis()
            }
        }
    }
}
