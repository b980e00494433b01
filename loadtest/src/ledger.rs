//! The ledger: what was sent, what was answered, what each client was shown; and what is wrong with
//! that.
//!
//! It knows texts and ids alone: every draft's text is a tag that names its tenant, conversation
//! and number, so that a client without ids (the widget) can be judged like any other.

mod judge;
mod seen;
mod tag;
mod verdict;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use parlor_common::id::{ConversationId, EventId};
use tokio::time::Instant;

use self::seen::Seen;
pub(crate) use self::{
    tag::{Tag, Texts},
    verdict::{Counts, Fault, FaultKind, Split, Verdict},
};

/// One conversation of the run. Tenants are counted from 1; conversations from 0, through the whole
/// run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Conversation {
    pub(crate) tenant: u32,
    pub(crate) number: u32,
}

/// A client that writes or is shown messages: one widget, dashboard or server over all its
/// reconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Client(u32);

/// What a client may expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expects {
    /// Protocol 1 on a conversation: everything from its subscription on, once, in order.
    Conversation(Conversation),
    /// Protocol 1 on a tenant: the same for all of the tenant's conversations.
    Tenant(u32),
    /// The widget: live messages of others, once and in order. History has what it missed.
    Widget(Conversation),
    /// It writes by REST and is shown nothing.
    Nothing,
}

/// How a draft is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// A frame of protocol 1, or a POST with an id: sent again with the same id until it is
    /// answered.
    Identified,
    /// A frame of the widget, which is never answered.
    Frame,
    /// A POST without an id, sent once.
    Post,
}

/// What became of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No answer came, or the transport has none: it may be there or not, but never twice.
    Unknown,
    /// The server said that it was accepted, under this id.
    Accepted(Option<EventId>),
    /// The server said that it was not, and never will be.
    Refused,
    /// The server said that it could not tell or could not do it just now: as unknown, but counted
    /// as failed.
    Failed,
}

/// A draft that is about to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sending {
    pub(crate) author: Client,
    pub(crate) conversation: Conversation,
    pub(crate) transport: Transport,
    /// Drafts of one author and session keep their order.
    pub(crate) session: u32,
    /// When it should have been sent.
    pub(crate) intended: Instant,
}

/// A client was rightly shown a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Showing {
    pub(crate) tag: Tag,
    /// When it should have been sent.
    pub(crate) intended: Instant,
    /// Whether the client itself is the author.
    pub(crate) is_own: bool,
}

#[derive(Debug)]
struct Draft {
    author: Client,
    session: u32,
    transport: Transport,
    intended: Instant,
    outcome: Outcome,
    /// Whether any client was shown it, which proves that it was accepted.
    seen: bool,
}

/// A message as history, or the database, holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What its text says it is; `None` where nobody sent that text.
    pub(crate) tag: Option<Tag>,
    pub(crate) id: EventId,
}

/// A conversation as it was read back at the end.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) id: Option<ConversationId>,
    /// What REST says, oldest first; or why it could not be read.
    pub(crate) entries: Result<Vec<Entry>, String>,
    /// What the database holds, in its order, where it was asked.
    pub(crate) rows: Option<Result<Vec<Entry>, String>>,
}

/// The book. One lock, held for a map access each time.
#[derive(Debug)]
pub(crate) struct Ledger {
    texts: Texts,
    started: Instant,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    drafts: HashMap<Conversation, Vec<Draft>>,
    clients: Vec<Seen>,
    /// Faults seen while the run goes on.
    faults: Vec<Fault>,
}

// === impl Ledger ===

impl Ledger {
    /// An empty book of a run that starts at `started`.
    pub(crate) fn new(texts: Texts, started: Instant) -> Self {
        Self { texts, started, book: Mutex::default() }
    }

    /// Reads tags out of texts, and writes the texts of tags.
    pub(crate) const fn texts(&self) -> &Texts {
        &self.texts
    }

    /// A client of the run; `tab` tells it from others that expect the same.
    pub(crate) fn client(&self, expects: Expects, tab: u32) -> Client {
        let mut book = self.book();
        let client = Client(u32::try_from(book.clients.len()).unwrap_or(u32::MAX));
        book.clients.push(Seen::new(expects, tab));
        client
    }

    /// Notes that the client is subscribed. The first time, and after a gap that the server has
    /// told of, it is promised nothing that was sent before.
    pub(crate) fn subscribed(&self, client: Client, recovered: bool) {
        let mut guard = self.book();
        let book = &mut *guard;
        let Some(seen) = book.clients.get_mut(client.index()) else { return };
        let expects = seen.expects;
        seen.subscribed(recovered, || {
            let drafts =
                book.drafts.iter().filter(|(conversation, _)| expects.covers(**conversation));
            drafts.map(|(&conversation, drafts)| (conversation, length(drafts))).collect()
        });
    }

    /// Notes that the client has lost its connection; returns how many it has lost so far.
    pub(crate) fn lost(&self, client: Client) -> u32 {
        self.book().clients.get_mut(client.index()).map_or(0, Seen::lost)
    }

    /// Notes a draft that is about to be sent; returns its tag, from which its text is made.
    pub(crate) fn sends(&self, sending: Sending) -> Tag {
        let Sending { author, conversation, transport, session, intended } = sending;
        let mut book = self.book();
        let drafts = book.drafts.entry(conversation).or_default();
        let tag = Tag { conversation, number: length(drafts) };
        drafts.push(Draft {
            author,
            session,
            transport,
            intended,
            outcome: Outcome::Unknown,
            seen: false,
        });
        tag
    }

    /// Notes what became of a draft. What was accepted once stays so, whatever is said of it when
    /// it is sent again; another id for it is a second acceptance.
    pub(crate) fn answered(&self, tag: Tag, outcome: Outcome) {
        let mut book = self.book();
        let Some(draft) = book.draft(tag) else { return };
        match (draft.outcome, outcome) {
            (Outcome::Accepted(Some(first)), Outcome::Accepted(Some(id))) if first != id => {
                let detail = format!("was told that it was accepted as {first} and as {id}");
                let place = "its author".to_owned();
                book.fault(Fault::at_client(FaultKind::Doubled, place, Some(tag), detail));
            }
            (Outcome::Accepted(_), _) => {}
            _ => draft.outcome = outcome,
        }
    }

    /// Whether a draft was accepted, or refused for good.
    pub(crate) fn is_answered(&self, tag: Tag) -> bool {
        let is =
            |draft: &mut Draft| matches!(draft.outcome, Outcome::Accepted(_) | Outcome::Refused);
        self.book().draft(tag).is_some_and(is)
    }

    /// Notes a text that a client was shown. A repeat, a foreign or an unknown text is a fault at
    /// once; of a draft that is rightly shown for the first time, its showing is returned.
    pub(crate) fn shown(&self, client: Client, text: &str) -> Option<Showing> {
        let tag = self.texts.read(text);
        let mut guard = self.book();
        let book = &mut *guard;
        let seen = book.clients.get_mut(client.index())?;
        let draft =
            tag.and_then(|tag| book.drafts.get_mut(&tag.conversation)?.get_mut(tag.index()));
        let (Some(tag), Some(draft)) = (tag, draft) else {
            let fault = Fault::at_client(
                FaultKind::Invented,
                seen.name(),
                tag,
                "was shown a text that nobody sent",
            );
            book.fault(fault);
            return None;
        };
        draft.seen = true;
        let showing = Showing { tag, intended: draft.intended, is_own: draft.author == client };
        let trouble = seen.shown(client, tag, draft.author);
        match trouble {
            None => Some(showing),
            Some((kind, detail)) => {
                let fault = Fault::at_client(kind, seen.name(), Some(tag), detail);
                book.fault(fault);
                None
            }
        }
    }

    /// How many of each there are.
    pub(crate) fn counts(&self) -> Counts {
        let book = self.book();
        let mut counts = Counts { faults: book.faults.len() as u64, ..Counts::default() };
        for draft in book.drafts.values().flatten() {
            counts.sent += 1;
            counts.seen += u64::from(draft.seen);
            match draft.outcome {
                Outcome::Accepted(_) => counts.accepted += 1,
                Outcome::Refused => counts.refused += 1,
                Outcome::Failed => counts.failed += 1,
                Outcome::Unknown if draft.seen => counts.accepted += 1,
                Outcome::Unknown => counts.unknown += 1,
            }
        }
        for seen in &book.clients {
            counts.shown += seen.count();
            counts.repeats += seen.repeats();
            counts.gaps += seen.gaps();
        }
        counts
    }

    /// How many answers and messages are still on their way: unanswered drafts, and what a client
    /// that is promised everything has not been shown.
    pub(crate) fn awaited(&self) -> u64 {
        let book = self.book();
        let mut awaited = 0;
        for (conversation, drafts) in &book.drafts {
            let is_unknown = |draft: &&Draft| draft.outcome == Outcome::Unknown && !draft.seen;
            awaited += drafts.iter().filter(is_unknown).count() as u64;
            for seen in book.clients.iter().filter(|seen| seen.is_promised(*conversation)) {
                let missing = |&(number, draft): &(usize, &Draft)| {
                    draft.is_accepted()
                        && !seen.has(*conversation, index(number))
                        && !seen.is_excused(*conversation, index(number))
                };
                awaited += drafts.iter().enumerate().filter(missing).count() as u64;
            }
        }
        awaited
    }

    /// Judges everything, with what was read back at the end. Only what was seen on the wire
    /// counts.
    pub(crate) fn judge(&self, histories: &HashMap<Conversation, History>) -> Verdict {
        let book = self.book();
        judge::judge(&book, self.started, histories)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Book ===

impl Book {
    fn draft(&mut self, tag: Tag) -> Option<&mut Draft> {
        self.drafts.get_mut(&tag.conversation)?.get_mut(tag.index())
    }

    /// Notes a fault, up to [`verdict::MOST_FAULTS`] of them: a fault that occurs a million times
    /// is not kept a million times.
    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < verdict::MOST_FAULTS {
            self.faults.push(fault);
        }
    }
}

// === impl Draft ===

impl Draft {
    const fn is_accepted(&self) -> bool {
        self.seen || matches!(self.outcome, Outcome::Accepted(_))
    }
}

// === impl Client ===

impl Client {
    const fn index(self) -> usize {
        self.0 as usize
    }

    /// Clients are counted from 0.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    #[cfg(test)]
    pub(crate) const fn of(number: u32) -> Self {
        Self(number)
    }
}

// === impl Expects ===

impl Expects {
    pub(crate) const fn covers(self, of: Conversation) -> bool {
        match self {
            Self::Conversation(own) | Self::Widget(own) => {
                own.tenant == of.tenant && own.number == of.number
            }
            Self::Tenant(tenant) => tenant == of.tenant,
            Self::Nothing => false,
        }
    }
}

impl fmt::Display for Expects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conversation(of) => write!(f, "parlor.1 client of {of}"),
            Self::Widget(of) => write!(f, "widget of {of}"),
            Self::Tenant(tenant) => write!(f, "agent of tenant {tenant}"),
            Self::Nothing => f.write_str("REST client"),
        }
    }
}

impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tenant {} conversation {}", self.tenant, self.number)
    }
}

fn length(drafts: &[Draft]) -> u32 {
    index(drafts.len())
}

/// A place in a list of drafts as a tag holds it: a run has fewer than 2³² drafts.
fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
