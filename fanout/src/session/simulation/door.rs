//! The door of the simulation: it accepts when the seed says so, and judges the order in which
//! sessions come to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use parlor_common::{
    action::Action,
    author::Author,
    clock::{Clock, Timestamp},
    conversation::ConversationKey,
    door::{Door, Receipt, Submission},
    event::{Body, Event, MessageBody, Record, Transport},
    id::{ClientMessageId, EventId, SessionId},
    problem::{Code, Problem},
};

use super::{
    gate::{Gate, Verdict},
    log::Scripted,
    truth::number_of,
};

/// The only one that accepts.
#[derive(Debug)]
pub(crate) struct SimDoor {
    log: Scripted,
    pub(crate) gate: Gate,
    clock: Clock,
    sessions: Mutex<HashMap<SessionId, Line>>,
}

/// What one session has brought so far.
#[derive(Debug, Default)]
struct Line {
    /// The numbers of what its client sent, in order.
    sent: Vec<u64>,
    /// How many of them have come to the door.
    came: usize,
    /// One that failed must come again before the next does.
    holds: bool,
    /// One is with the door.
    with_door: bool,
    /// The last that came was accepted, or refused for good.
    settled: bool,
}

/// Who sent it, through which session, how, and when it arrived.
type From = (Author, Option<SessionId>, Transport, Timestamp);

/// One call. Dropped when it is answered, or given up.
struct Call<'a>(&'a SimDoor, SessionId);

// === impl SimDoor ===

impl SimDoor {
    pub(crate) fn new(log: Scripted, clock: Clock) -> Arc<Self> {
        Arc::new(Self { log, gate: Gate::default(), clock, sessions: Mutex::default() })
    }

    /// The client of `session` has sent this message. One that cannot be accepted now is held
    /// (`holds`) before the next, or answered.
    pub(crate) fn sent(&self, session: SessionId, number: u64, holds: bool) {
        let mut sessions = self.lock();
        let line = sessions.entry(session).or_default();
        line.holds = holds;
        line.sent.push(number);
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
            let next = line.sent.get(line.came);
            assert_eq!(next, Some(&number), "a draft comes out of order: {line:?}");
            line.came += 1;
        }
        (line.with_door, line.settled) = (true, false);
        Call(self, session)
    }

    fn settled(&self, session: SessionId) {
        self.lock().entry(session).or_default().settled = true;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Line>> {
        self.sessions.lock().unwrap()
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(line) = self.0.lock().get_mut(&self.1) {
            line.with_door = false;
        }
    }
}

#[async_trait]
impl Door for SimDoor {
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
            Action::Link(_) => unreachable!("no visitor of the simulation has several cookies"),
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
        if call.is_some() && outcome.as_ref().err().is_none_or(|error| !error.code.retryable()) {
            self.settled(session);
        }
        outcome
    }
}

/// The id that a client gives the message of this number.
pub(crate) fn id_of(number: u64) -> ClientMessageId {
    ClientMessageId::parse(&format!("c{number}")).unwrap()
}
