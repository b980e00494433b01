//! The viewer: one socket as the hub knows it, and what it is shown.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;
use parlor_common::{
    clock::Timestamp,
    cursor::Cursors,
    event::{Audience, Event, LinkedBody},
    id::SessionId,
};

use crate::{
    dialect::{Back, Dialect, Recipient},
    feed::facts::Facts,
    session::outbox::Outbox,
};

/// One socket, as far as the hub needs to know it.
#[derive(Debug)]
pub(crate) struct Viewer {
    session: SessionId,
    dialect: &'static dyn Dialect,
    audience: Audience,
    outbox: Outbox,
    /// When the first ping was answered; [`UNANSWERED`] before.
    answered: AtomicI64,
    /// Set before the socket is open, where its page has come back.
    back: OnceLock<Back>,
    /// What the session has not been told of yet: its visitor is one with others.
    linked: Mutex<Option<LinkedBody>>,
}

/// A time at which no ping can be answered.
const UNANSWERED: i64 = i64::MAX;

// === impl Viewer ===

impl Viewer {
    pub(crate) fn new(
        session: SessionId,
        dialect: &'static dyn Dialect,
        audience: Audience,
        outbox: Outbox,
    ) -> Arc<Self> {
        let answered = AtomicI64::new(UNANSWERED);
        let back = OnceLock::new();
        let linked = Mutex::default();
        Arc::new(Self { session, dialect, audience, outbox, answered, back, linked })
    }

    pub(crate) const fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) const fn dialect(&self) -> &'static dyn Dialect {
        self.dialect
    }

    pub(crate) const fn audience(&self) -> Audience {
        self.audience
    }

    /// The frame that shows an event here; `None` where the dialect has none for it.
    pub(crate) fn frame(&self, event: &Event, cursors: &Cursors) -> Option<Bytes> {
        self.dialect.event(event, self.audience, cursors)
    }

    pub(crate) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Notes that a ping was answered now. Only the first answer counts.
    pub(crate) fn answered(&self, now: Timestamp) {
        self.answered.fetch_min(now.as_millis(), Ordering::Relaxed);
    }

    /// The page comes back: what the visitor itself had sent by then is on it already.
    pub(crate) fn comes_back(&self, back: Back) {
        self.back.get_or_init(|| back);
    }

    /// The visitor is one with others, and the session is to know.
    pub(crate) fn link(&self, linked: LinkedBody) {
        *self.linked.lock().unwrap_or_else(PoisonError::into_inner) = Some(linked);
        self.outbox.wake();
    }

    /// What [`link`](Self::link) has told last, once.
    pub(crate) fn take_link(&self) -> Option<LinkedBody> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether an event is shown here: its kind is for this audience, and the dialect shows it to
    /// this recipient.
    pub(crate) fn is_shown(&self, facts: &Facts) -> bool {
        let answered = self.answered.load(Ordering::Relaxed);
        let recipient = Recipient {
            session: self.session,
            back: self.back.get().copied(),
            answered: (answered != UNANSWERED).then(|| Timestamp::from_millis(answered)),
        };
        facts.is_for(self.audience) && self.dialect.shows(facts, &recipient)
    }
}
