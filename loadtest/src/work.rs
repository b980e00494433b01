//! The book of agents who work: what each of them asked for and was told, what agents' sockets were
//! shown of it, and what a conversation must have come to by the documented rules.
//!
//! A note says in its text which one it is, and a change in the name of its team, so that both are
//! known wherever they are shown.

mod deed;
mod event;
mod fold;
mod judge;
mod listener;
mod reading;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use parlor_common::{
    clock::Timestamp,
    id::{ConversationId, EventId},
};
use tokio::time::Instant;

use self::listener::Listener;
pub(crate) use self::{
    deed::{Asked, Deed, DeedId, Kind, Outcome, Tags},
    event::{Change, Event, What},
    fold::{Fold, View},
    judge::WorkScore,
    reading::{List, ListReading, Readings, StateReading},
};
use crate::ledger::{Client, Conversation, Fault, FaultKind, History, Verdict};

/// The labels that workers give and take away.
pub(crate) const LABELS: [&str; 5] = ["billing", "bug", "later", "praise", "vip"];

/// The book. One lock, held for a map access each time.
#[derive(Debug)]
pub(crate) struct Work {
    tags: Tags,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    workers: Vec<Worker>,
    deeds: Vec<Deed>,
    /// The furthest mark that each was answered with, by worker and conversation.
    marks: HashMap<(usize, Conversation), String>,
    /// Agents' sockets.
    listeners: HashMap<Client, Listener>,
    /// The server's ids of the run's conversations.
    ids: HashMap<ConversationId, Conversation>,
    /// Faults seen while the run goes on.
    faults: Vec<Fault>,
    retries: u64,
}

/// An agent who works.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) tenant: u32,
    /// The `sub` of its tokens.
    pub(crate) name: String,
}

// === impl Work ===

impl Work {
    /// An empty book of the run with this number.
    pub(crate) fn new(run: u32) -> Self {
        Self { tags: Tags::new(run), book: Mutex::default() }
    }

    /// Writes and reads what tells deeds apart.
    pub(crate) const fn tags(&self) -> Tags {
        self.tags
    }

    /// An agent who is going to work; gives its number.
    pub(crate) fn worker(&self, worker: Worker) -> usize {
        let workers = &mut self.book().workers;
        workers.push(worker);
        workers.len() - 1
    }

    /// A socket of an agent of this tenant, `name` for the report.
    pub(crate) fn listener(&self, client: Client, tenant: u32, name: String) {
        self.book().listeners.insert(client, Listener::new(tenant, name));
    }

    // === what workers do ===

    /// Notes what is about to be asked for; gives its number, by which it is told apart.
    pub(crate) fn begins(&self, worker: usize, conversation: Conversation, kind: Kind) -> DeedId {
        let deeds = &mut self.book().deeds;
        deeds.push(Deed::new(worker, conversation, kind));
        DeedId::of(deeds.len() - 1)
    }

    /// Notes what became of it.
    pub(crate) fn answered(&self, id: DeedId, outcome: Outcome) {
        if let Some(deed) = self.book().deeds.get_mut(id.index()) {
            deed.outcome = outcome;
            deed.answered = Some(Instant::now());
        }
    }

    /// Notes that it was asked for again.
    pub(crate) fn tried_again(&self) {
        self.book().retries += 1;
    }

    /// Notes how far an answer says that the worker has read.
    pub(crate) fn marked(&self, worker: usize, conversation: Conversation, read: String) {
        self.book().marks.insert((worker, conversation), read);
    }

    /// Notes an answer that contradicts what the worker knows of the conversation.
    pub(crate) fn contradicted(&self, worker: usize, conversation: Conversation, detail: &str) {
        let mut book = self.book();
        let place = book.workers.get(worker).map(|of| of.name.clone()).unwrap_or_default();
        let detail = format!("{detail} ({conversation})");
        book.fault(Fault { kind: FaultKind::States, place, tag: None, detail });
    }

    // === what agents are shown ===

    /// A socket is subscribed. After a gap that the server has told of, it is promised nothing that
    /// was done before, and what it knows of conversations no longer counts.
    pub(crate) fn subscribed(&self, client: Client, recovered: bool) {
        let mut guard = self.book();
        let book = &mut *guard;
        let done = book.deeds.len();
        if let Some(listener) = book.listeners.get_mut(&client) {
            listener.subscribed(recovered, done);
        }
    }

    /// A socket was shown an event of the conversation that the server calls `id`.
    pub(crate) fn shown(&self, client: Client, id: ConversationId, event: &Event) {
        let mut guard = self.book();
        let book = &mut *guard;
        let Some(listener) = book.listeners.get_mut(&client) else { return };
        if let What::Message { tag: Some(tag), .. } = &event.what {
            book.ids.entry(id).or_insert(tag.conversation);
        }
        // What another run left behind is not this one's.
        let Some(conversation) = book.ids.get(&id) else { return };
        if let Some(fault) = listener.shown(*conversation, event, self.tags) {
            book.fault(fault);
        }
    }

    /// The run's conversation that the server calls so.
    pub(crate) fn conversation(&self, id: ConversationId) -> Option<Conversation> {
        self.book().ids.get(&id).copied()
    }

    // === at the end ===

    /// How many answers, and showings to agents' sockets, are still on their way.
    pub(crate) fn awaited(&self) -> u64 {
        let book = self.book();
        let pending = book.deeds.iter().filter(|deed| deed.outcome == Outcome::Pending);
        let mut awaited = pending.count() as u64;
        for listener in book.listeners.values() {
            let deeds = book.deeds.iter().enumerate();
            awaited += deeds.filter(|(at, deed)| listener.lacks(*at, deed)).count() as u64;
        }
        awaited
    }

    /// The workers, in order of their numbers.
    pub(crate) fn workers(&self) -> Vec<Worker> {
        self.book().workers.clone()
    }

    /// What the conversation has come to at `now`, by what the sockets of agents were shown; `None`
    /// where none of them was shown all of it.
    pub(crate) fn expected(&self, conversation: Conversation, now: Timestamp) -> Option<View> {
        self.book().fold(conversation).map(|fold| fold.view(now))
    }

    /// Judges everything, with what was read back at the end; adds what is wrong to `verdict`.
    pub(crate) fn judge(
        &self,
        readings: &Readings,
        histories: &HashMap<Conversation, History>,
        verdict: &mut Verdict,
    ) -> Option<WorkScore> {
        let book = self.book();
        (!book.workers.is_empty())
            .then(|| judge::judge(&book, self.tags, readings, histories, verdict))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Book ===

impl Book {
    fn fault(&mut self, fault: Fault) {
        const MOST: usize = 1000;
        if self.faults.len() < MOST {
            self.faults.push(fault);
        }
    }

    /// What a socket that was shown everything made of a conversation: of several the first one.
    /// That the others made the same of it is judged.
    fn fold(&self, conversation: Conversation) -> Option<&Fold> {
        let whole = self.whole(conversation.tenant);
        whole.min_by_key(|(client, _)| client.number())?.1.fold(conversation)
    }

    /// The sockets of a tenant's agents that had no gap.
    fn whole(&self, tenant: u32) -> impl Iterator<Item = (&Client, &Listener)> {
        let is_whole = move |listener: &Listener| listener.tenant == tenant && listener.is_whole();
        self.listeners.iter().filter(move |(_, listener)| is_whole(listener))
    }
}

/// Makes the same of an event's id in each report.
fn called(id: Option<EventId>) -> String {
    id.map_or_else(|| "without an id".to_owned(), |id| id.to_string())
}
