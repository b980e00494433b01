//! The door of the simulation: it accepts when the seed says so, and judges the order in which
//! sessions come to it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use parlor_common::{
    action::Action,
    author::Author,
    clock::{Clock, Timestamp},
    conversation::ConversationKey,
    door::{Door, Receipt, Submission, one_by_one},
    event::{Body, Event, MessageBody, Record, Transport},
    id::{ClientMessageId, EventId, SessionId},
    problem::{Code, Problem},
};
use tokio::time::Instant;

use super::{
    gate::{Gate, Verdict},
    log::Scripted,
    truth::number_of,
};
use crate::session::drafts::DOOR_WITHIN;

/// The only one that accepts.
#[derive(Debug)]
pub(crate) struct SimDoor {
    log: Scripted,
    pub(crate) gate: Gate,
    clock: Clock,
    sessions: Mutex<HashMap<SessionId, Line>>,
    /// What was accepted, or refused for good.
    done: Mutex<HashSet<u64>>,
}

/// What one session has brought so far.
#[derive(Debug, Default)]
struct Line {
    /// The numbers of what its client sent, in order.
    sent: Vec<u64>,
    /// With each, those that had no answer when it was sent.
    before: Vec<Vec<u64>>,
    /// Which of them were refused for now, and the client knows.
    told: HashSet<usize>,
    /// One was refused for now: what its client sent meanwhile need not come.
    refused: bool,
    /// How many of them have come to the door.
    came: usize,
    /// One that failed must come again before the next does.
    holds: bool,
    /// One is with the door.
    with_door: bool,
    /// The last that came was accepted, or refused for good.
    settled: bool,
    /// When the run began that is with the door.
    began: Option<Instant>,
    /// The last that came has an answer.
    answered: bool,
}

/// Who sent it, through which session, how, and when it arrived.
type From = (Author, Option<SessionId>, Transport, Timestamp);

/// One call. Dropped when it is answered, or given up.
struct Call<'a>(&'a SimDoor, SessionId, u64);

// === impl SimDoor ===

impl SimDoor {
    pub(crate) fn new(log: Scripted, clock: Clock) -> Arc<Self> {
        let (gate, sessions, done) = (Gate::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { log, gate, clock, sessions, done })
    }

    /// The client of `session` has sent this message while those `before` it had no answer. One
    /// that cannot be accepted now is held (`holds`) before the next, or answered.
    pub(crate) fn sent(&self, session: SessionId, number: u64, holds: bool, before: Vec<u64>) {
        let mut sessions = self.lock();
        let line = sessions.entry(session).or_default();
        line.holds = holds;
        line.sent.push(number);
        line.before.push(before);
    }

    /// The client knows that this message was refused for now.
    pub(crate) fn told(&self, session: SessionId, number: u64) {
        let mut sessions = self.lock();
        let line = sessions.entry(session).or_default();
        line.told.extend(line.sent.iter().rposition(|sent| *sent == number));
    }

    /// The messages of a session that is over are gone.
    pub(crate) fn over(&self, session: SessionId) {
        self.lock().remove(&session);
    }

    /// Whether this message of the session has come to the door.
    pub(crate) fn knows(&self, session: SessionId, number: u64) -> bool {
        let sessions = self.lock();
        let line = sessions.get(&session);
        line.is_some_and(|line| line.sent[..line.came].contains(&number))
    }

    /// Whether a message of the session was refused for now, and its client sends it and what it
    /// sent after it again.
    pub(crate) fn sends_again(&self, session: SessionId) -> bool {
        self.lock().get(&session).is_some_and(|line| line.refused)
    }

    /// A message by REST, accepted at once.
    pub(crate) fn post(&self, conversation: &ConversationKey, author: &Author, number: u64) {
        let body = MessageBody { text: format!("m{number}"), client_message_id: id_of(number) };
        let (author, body, arrived) = (author.clone(), Body::Message(body), self.clock.now());
        self.keep(conversation.clone(), (author, None, Transport::Rest, arrived), body);
    }

    fn keep(&self, conversation: ConversationKey, from: From, body: Body) -> Receipt {
        let (author, session, transport, arrived) = from;
        let (tenant, id) = (&conversation.tenant, conversation.id);
        let id = match &body {
            Body::Message(message) => {
                EventId::derive(tenant, id, &author, &message.client_message_id)
            }
            other => other.value_id(tenant, id).unwrap(),
        };
        let (at, acceptance) = (self.clock.now(), 0);
        let record = Record { id, author, session, transport, at, arrived, acceptance, body };
        // Positions have holes.
        let hole = u64::from(id.as_bytes()[0] < 40);
        let (position, duplicate) = self.log.truth().append(&conversation, &record, hole);
        let raw = record.encode().unwrap();
        Receipt { event: Event { conversation, position, record, raw }, duplicate }
    }

    /// Judges that a draft comes in its turn.
    fn comes(&self, session: SessionId, number: u64) -> Call<'_> {
        let mut sessions = self.lock();
        let line = sessions.entry(session).or_default();
        assert!(!line.with_door, "two drafts of one session are with the door");
        let held = line.holds && line.came > 0 && !line.settled;
        let again = held && line.sent[line.came - 1] == number;
        if !again {
            assert!(!held, "draft {number} overtakes one that is held: {line:?}");
            // What was sent before the client has heard of a refusal is refused too.
            // Of several copies the last one comes: those before were answered.
            let next = line.sent[line.came..].iter().rposition(|sent| *sent == number);
            assert!(next.is_some(), "a draft comes that was not sent: {line:?}");
            let skipped = next.unwrap_or_default();
            assert!(skipped == 0 || line.refused, "a draft comes out of order: {line:?}");
            line.came += skipped + 1;
        }
        (line.with_door, line.settled, line.answered) = (true, false, false);
        Call(self, session, number)
    }

    /// Judges that nothing overtakes what was sent before it and is to be sent again.
    fn settled(&self, session: SessionId, number: u64, outcome: Result<(), bool>) {
        let mut sessions = self.lock();
        let line = sessions.entry(session).or_default();
        let mut done = self.done.lock().unwrap();
        if outcome.is_ok() && !line.holds && line.came > 0 {
            let (sent, own) = (&line.sent, line.came - 1);
            let first = |number: u64| sent.iter().position(|sent| *sent == number);
            let is_told = |before: u64| {
                let copy = sent[..own].iter().rposition(|sent| *sent == before);
                copy.is_none_or(|copy| line.told.contains(&copy))
            };
            let waits = line.before[own].iter().copied().find(|&before| {
                first(before) < first(number) && !done.contains(&before) && !is_told(before)
            });
            assert_eq!(waits, None, "draft {number} overtakes one: {line:?}");
        }
        let again = outcome == Err(true);
        (line.settled, line.answered) = (!again, true);
        line.refused |= again && !line.holds;
        if !again {
            done.insert(number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Line>> {
        self.sessions.lock().unwrap()
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(line) = self.0.lock().get_mut(&self.1) {
            line.with_door = false;
            // A session that has waited for so long refuses it for now.
            let is_late = line.began.is_some_and(|began| began.elapsed() >= DOOR_WITHIN);
            line.refused |= is_late && !line.answered && !line.holds;
        }
    }
}

#[async_trait]
impl Door for SimDoor {
    fn run_length(&self) -> usize {
        4
    }

    async fn accept_run(&self, submissions: Vec<Submission>) -> Vec<Result<Receipt, Problem>> {
        let session = submissions[0].session.expect("only sessions come here");
        self.lock().entry(session).or_default().began = Some(Instant::now());
        one_by_one(self, submissions).await
    }

    async fn accept(&self, submission: Submission) -> Result<Receipt, Problem> {
        let session = submission.session.expect("only sessions come here");
        let (body, call) = match &submission.action {
            Action::Send(draft) => {
                let text = draft.text.as_str().to_owned();
                let number = number_of(&text).expect("every text has its number");
                let client_message_id =
                    draft.client_message_id.clone().unwrap_or_else(|| id_of(number));
                let call = self.comes(session, number);
                (Body::Message(MessageBody { text, client_message_id }), Some(call))
            }
            other @ (Action::Link(_)
            | Action::Note(_)
            | Action::Change(_)
            | Action::Read(_)
            | Action::Know(..)
            | Action::Furnish(..)
            | Action::Rate(..)) => unreachable!("nobody of the simulation asks for {other:?}"),
            Action::Mark(mark) => {
                let key = submission.conversations.primary();
                let got = self.log.truth().acknowledged.get(&key).copied().unwrap_or_default();
                assert!(mark.up_to <= got, "a mark at {} where {got} is known", mark.up_to);
                (Body::Delivered(*mark), None)
            }
        };
        let busy = || Problem::unavailable("the seed says so");
        let Submission { conversations, author, transport, arrived, .. } = submission;
        let from = (author, Some(session), transport, arrived);
        let keep = || self.keep(conversations.primary(), from, body);
        let outcome = match self.gate.pass().await {
            Verdict::Failed => Err(busy()),
            Verdict::Refused if call.is_some() => {
                Err(Problem::new(Code::Forbidden, "the seed says so"))
            }
            Verdict::Lost => {
                keep();
                Err(busy())
            }
            Verdict::Early | Verdict::Late | Verdict::Refused => Ok(keep()),
        };
        if let Some(Call(_, _, number)) = &call {
            let told = outcome.as_ref().map(drop).map_err(|error| error.code.retryable());
            self.settled(session, *number, told);
        }
        outcome
    }
}

/// The id that a client gives the message of this number.
pub(crate) fn id_of(number: u64) -> ClientMessageId {
    ClientMessageId::parse(&format!("c{number}")).unwrap()
}
