//! The inbox: who waits for which answer. An entry lives as long as somebody waits.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_nats::Message;
use parlor_common::random::Random;
use tokio::sync::{mpsc, oneshot};

/// The token of the echo, by which a connection proves that it stands.
const ECHO: &str = "echo";

/// Answers by the last token of their subject. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Inbox(Arc<Waiting>);

#[derive(Debug)]
struct Waiting {
    prefix: String,
    next: AtomicU64,
    answers: Mutex<HashMap<u64, Waiter>>,
    gauge: Gauge,
}

type Gauge = super::super::metrics::WaitingGauge;

#[derive(Debug)]
enum Waiter {
    One(oneshot::Sender<Message>),
    Many(mpsc::Sender<Message>),
}

/// The answer to one question. Dropping it forgets the question.
#[derive(Debug)]
pub(super) struct One {
    answer: oneshot::Receiver<Message>,
    _entry: Entry,
}

/// The answers to one question. Dropping it forgets the question.
#[derive(Debug)]
pub(in super::super) struct Many {
    answers: mpsc::Receiver<Message>,
    _entry: Entry,
}

#[derive(Debug)]
struct Entry {
    token: u64,
    waiting: Arc<Waiting>,
}

/// A subject that nobody else has.
pub(super) fn unique(random: &Random) -> String {
    format!("_INBOX.{:032x}", u128::from_be_bytes(random.bytes()))
}

// === impl Inbox ===

impl Inbox {
    pub(super) fn new(random: &Random, gauge: Gauge) -> Self {
        let (next, answers) = (AtomicU64::new(0), Mutex::default());
        Self(Arc::new(Waiting { prefix: unique(random), next, answers, gauge }))
    }

    /// What the connection subscribes to.
    pub(super) fn wildcard(&self) -> String {
        format!("{}.*", self.0.prefix)
    }

    pub(super) fn echo(&self) -> String {
        format!("{}.{ECHO}", self.0.prefix)
    }

    /// A reply subject, and the answer that will come to it.
    pub(super) fn one(&self) -> (String, One) {
        let (sender, answer) = oneshot::channel();
        let (reply, entry) = self.insert(Waiter::One(sender));
        (reply, One { answer, _entry: entry })
    }

    /// A reply subject, and the answers that will come to it, `capacity` at most.
    pub(super) fn many(&self, capacity: usize) -> (String, Many) {
        let (sender, answers) = mpsc::channel(capacity.max(1));
        let (reply, entry) = self.insert(Waiter::Many(sender));
        (reply, Many { answers, _entry: entry })
    }

    /// Hands an answer to who waits for it; an answer nobody waits for any more is dropped.
    pub(super) fn deliver(&self, message: Message) {
        let token = message.subject.rsplit('.').next().and_then(|token| token.parse().ok());
        let Some(token) = token else { return };
        let mut answers = self.0.lock();
        let Some(waiter) = answers.get(&token) else { return };
        if let Waiter::Many(sender) = waiter {
            // More answers than were asked for are dropped: the reader sees from what came that
            // some are missing.
            drop(sender.try_send(message));
        } else if let Some(Waiter::One(sender)) = answers.remove(&token) {
            drop(answers);
            // It fails where the question was given up just now.
            drop(sender.send(message));
        }
    }

    /// The connection is lost: no answer that is waited for will come.
    pub(super) fn fail(&self) {
        self.0.lock().clear();
    }

    fn insert(&self, waiter: Waiter) -> (String, Entry) {
        let token = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.0.lock().insert(token, waiter);
        self.0.gauge.inc();
        (format!("{}.{token}", self.0.prefix), Entry { token, waiting: self.0.clone() })
    }
}

// === impl Waiting ===

impl Waiting {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Waiter>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl One ===

impl One {
    /// The answer; `None` where the connection was lost.
    pub(super) async fn answer(self) -> Option<Message> {
        let Self { answer, _entry } = self;
        answer.await.ok()
    }
}

// === impl Many ===

impl Many {
    /// The next answer; `None` where the connection was lost.
    pub(in super::super) async fn next(&mut self) -> Option<Message> {
        self.answers.recv().await
    }
}

// === impl Entry ===

impl Drop for Entry {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.token);
        self.waiting.gauge.dec();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn inbox() -> Inbox {
        Inbox::new(&Random::seeded(1), Gauge::new("waiting", "of the test").unwrap())
    }

    fn message(subject: &str) -> Message {
        Message {
            subject: subject.into(),
            reply: None,
            payload: Bytes::new(),
            headers: None,
            status: None,
            description: None,
            length: 0,
        }
    }

    fn waiting(inbox: &Inbox) -> (usize, i64) {
        (inbox.0.lock().len(), inbox.0.gauge.get())
    }

    #[tokio::test]
    async fn an_answer_reaches_who_asked_and_leaves_nothing_behind() {
        let inbox = inbox();
        let (first_reply, first) = inbox.one();
        let (second_reply, second) = inbox.one();
        inbox.deliver(message(&second_reply));
        inbox.deliver(message(&first_reply));
        inbox.deliver(message(&first_reply));
        assert_eq!(second.answer().await.unwrap().subject.as_str(), second_reply);
        assert_eq!(first.answer().await.unwrap().subject.as_str(), first_reply);
        assert_eq!(waiting(&inbox), (0, 0));
    }

    #[tokio::test]
    async fn a_question_that_is_given_up_leaves_nothing_behind() {
        let inbox = inbox();
        let (one, many) = (inbox.one(), inbox.many(3));
        assert_eq!(waiting(&inbox), (2, 2));
        drop((one, many));
        assert_eq!(waiting(&inbox), (0, 0));
    }

    #[tokio::test]
    async fn answers_beyond_what_was_asked_for_are_dropped() {
        let inbox = inbox();
        let (reply, mut many) = inbox.many(2);
        for _ in 0..5 {
            inbox.deliver(message(&reply));
        }
        inbox.fail();
        let mut count = 0;
        while many.next().await.is_some() {
            count += 1;
        }
        assert_eq!(count, 2);
    }

    #[tokio::test]
    async fn a_lost_connection_ends_every_wait() {
        let inbox = inbox();
        let (_, one) = inbox.one();
        inbox.fail();
        assert!(one.answer().await.is_none());
        inbox.deliver(message("_INBOX.other.not-a-number"));
    }
}
