//! Drafts without an id whose client was not told what became of them. A browser sends a POST again
//! by itself when its kept-alive connection ends before an answer, and a visitor whose text was
//! given back sends it again; the first one may have been accepted all the same.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use parlor_common::{
    action::Action,
    author::AuthorKind,
    clock::{Clock, Timestamp},
    door::Submission,
    event::{Kind, Transport},
    id::{ClientMessageId, EventId},
    random::Random,
};

/// How long after its end a request may be sent again. A browser does it at once, on a new
/// connection. An id of this age is well within the log's duplicate window.
const SENT_AGAIN_WITHIN: Duration = Duration::from_secs(10);
/// The most requests that are remembered, of about 150 bytes; the oldest is forgotten first.
const MAX_REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The ids that were made for such drafts, as far as this node knows: a request that is sent again
/// to another node is a message of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Unanswered {
    clock: Clock,
    random: Random,
    /// By conversation and text: the id, and when the request ended.
    ended: Arc<Mutex<LruCache<EventId, (ClientMessageId, Timestamp)>>>,
}

/// One request without an id. Dropped before its outcome is told, it is remembered.
#[derive(Debug)]
pub(crate) struct Attempt {
    memory: Unanswered,
    key: EventId,
    id: Option<ClientMessageId>,
}

// === impl Unanswered ===

impl Unanswered {
    pub(crate) fn new(clock: Clock, random: Random) -> Self {
        let ended = LruCache::new(MAX_REMEMBERED);
        Self { clock, random, ended: Arc::new(Mutex::new(ended)) }
    }

    /// Begins to watch a visitor's POST without an id; `None` for everything else. A request of the
    /// same text whose outcome was not told was the same one, and lends its id.
    pub(crate) fn attempt(&self, submission: &Submission) -> Option<Attempt> {
        let Submission { conversations, author, transport, action, .. } = submission;
        let (Action::Send(draft), Transport::Rest, AuthorKind::Visitor) =
            (action, transport, author.kind)
        else {
            return None;
        };
        if draft.client_message_id.is_some() {
            return None;
        }
        let conversation = conversations.primary();
        let kind = Kind::Message.as_str();
        let text = draft.text.as_str().as_bytes();
        let key = EventId::of_value(&conversation.tenant, conversation.id, kind, text);
        let now = self.clock.now();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).pop(&key);
        let same = ended.filter(|&(_, then)| now.since(then) <= SENT_AGAIN_WITHIN);
        let id = same.map_or_else(|| ClientMessageId::made(now, &self.random), |(id, _)| id);
        Some(Attempt { memory: self.clone(), key, id: Some(id) })
    }
}

// === impl Attempt ===

impl Attempt {
    /// The id of the draft.
    pub(crate) const fn id(&self) -> Option<&ClientMessageId> {
        self.id.as_ref()
    }

    /// The client is told that it is accepted, or that it never will be.
    pub(crate) fn settled(mut self) {
        self.id = None;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let now = self.memory.clock.now();
        let mut ended = self.memory.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.put(self.key, (id, now));
    }
}
