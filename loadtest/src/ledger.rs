//! The ledger: what was sent, what was answered, what each client was shown; and what is wrong with that.
//!
//! It knows texts and ids alone: every draft's text is a tag that names its tenant, conversation and number, so that a
//! client without ids (the seed's widget) can be judged like any other.

mod tag;
mod verdict;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub(crate) use self::{
    tag::Tag,
    verdict::{Fault, FaultKind, Verdict},
};

/// One conversation of the run, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Conversation {
    pub(crate) tenant: u32,
    pub(crate) number: u32,
}

/// A client that is shown messages: one widget or dashboard over all its reconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client(pub(crate) u32);

/// What a client may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    /// Protocol 1 on a conversation: everything from its subscription on, once, in order.
    Conversation(Conversation),
    /// Protocol 1 on a tenant: the same for all of the tenant's conversations.
    Tenant(u32),
    /// The seed's widget: live messages of others, once and in order; what it missed is in history.
    Widget(Conversation),
}

/// What became of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No answer came, or the way has none.
    Unknown,
    /// The server said that it was accepted.
    Accepted,
    /// The server said that it was not.
    Refused,
}

#[derive(Debug)]
struct Draft {
    outcome: Outcome,
    /// Whether the order in which its author sent is promised: one session, one append in flight.
    author: Client,
}

#[derive(Debug)]
struct Seen {
    expects: Expects,
    /// Tags in the order they were shown.
    shown: Vec<Tag>,
    /// Drafts accepted before this many were sent need not be shown: the subscription started later.
    from: HashMap<Conversation, u32>,
}

/// The book. One lock, held for a map access each time.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    drafts: HashMap<Conversation, Vec<Draft>>,
    clients: HashMap<Client, Seen>,
    /// Faults seen while the run goes on.
    faults: Vec<Fault>,
}

/// What the run came to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
    pub(crate) shown: u64,
    pub(crate) faults: u64,
}

// === impl Ledger ===

impl Ledger {
    /// A client starts to listen; what was sent before this is not promised to it.
    pub(crate) fn listens(&self, client: Client, expects: Expects) {
        let mut book = self.book();
        let from = book.drafts.iter().map(|(&conversation, drafts)| (conversation, length(drafts))).collect();
        book.clients.insert(client, Seen { expects, shown: Vec::new(), from });
    }

    /// A draft is about to be sent: its tag, which is its text.
    pub(crate) fn sends(&self, author: Client, conversation: Conversation) -> Tag {
        let mut book = self.book();
        let drafts = book.drafts.entry(conversation).or_default();
        let tag = Tag { conversation, number: length(drafts) };
        drafts.push(Draft { outcome: Outcome::Unknown, author });
        tag
    }

    /// An answer came.
    pub(crate) fn answered(&self, tag: Tag, outcome: Outcome) {
        let mut book = self.book();
        if let Some(draft) = book.drafts.get_mut(&tag.conversation).and_then(|drafts| drafts.get_mut(tag.index())) {
            draft.outcome = outcome;
        }
    }

    /// A client was shown a text. Repeats and foreign texts are noticed at once.
    pub(crate) fn shown(&self, client: Client, text: &str) {
        let mut guard = self.book();
        let book = &mut *guard;
        let Some(seen) = book.clients.get_mut(&client) else { return };
        let Some(tag) = Tag::parse(text) else {
            book.faults.push(Fault::of(FaultKind::Invented, client, None, "a text nobody sent"));
            return;
        };
        if !seen.expects.covers(tag.conversation) {
            book.faults.push(Fault::of(FaultKind::Foreign, client, Some(tag), "another's message"));
        } else if seen.shown.contains(&tag) {
            book.faults.push(Fault::of(FaultKind::Doubled, client, Some(tag), "shown twice to one client"));
        }
        seen.shown.push(tag);
    }

    /// How many of each there are.
    pub(crate) fn counts(&self) -> Counts {
        let book = self.book();
        let outcomes = |wanted| {
            let drafts = book.drafts.values().flatten();
            drafts.filter(|draft| draft.outcome == wanted).count() as u64
        };
        Counts {
            sent: book.drafts.values().map(|drafts| drafts.len() as u64).sum(),
            accepted: outcomes(Outcome::Accepted),
            refused: outcomes(Outcome::Refused),
            unknown: outcomes(Outcome::Unknown),
            shown: book.clients.values().map(|seen| seen.shown.len() as u64).sum(),
            faults: book.faults.len() as u64,
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Expects {
    const fn covers(self, of: Conversation) -> bool {
        match self {
            Self::Conversation(own) | Self::Widget(own) => own.tenant == of.tenant && own.number == of.number,
            Self::Tenant(tenant) => tenant == of.tenant,
        }
    }
}

fn length(drafts: &[Draft]) -> u32 {
    u32::try_from(drafts.len()).unwrap_or(u32::MAX)
}
