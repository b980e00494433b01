//! Doors of the tests' own. Ingress is no dependency of this crate: this one appends to the real
//! log, without limits and look-ups; and it can be told to fail or to wait, which a real one does
//! only when something is broken.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use parlor_common::{
    action::Action,
    author::Author,
    clock::Clock,
    conversation::ConversationSet,
    door::{Door, Receipt, Submission},
    event::{Body, DeliveredBody, Event, MessageBody, Record, Transport},
    id::{ClientMessageId, EventId},
    message::Draft,
    problem::Problem,
    random::Random,
};
use parlor_log::{EventLog, NewEntry};
use tokio::sync::Semaphore;

#[derive(Debug)]
pub struct TestDoor {
    log: Arc<dyn EventLog>,
    clock: Clock,
    random: Random,
    /// Each is the answer to one call, before the log is asked.
    failures: Mutex<VecDeque<Problem>>,
    /// A call waits for one permit, which it does not give back.
    gate: Option<Semaphore>,
    /// The client's ids in the order in which they came.
    calls: Mutex<Vec<(String, ClientMessageId)>>,
    /// The marks that were noted; they neither fail nor wait.
    marks: Mutex<Vec<DeliveredBody>>,
}

impl TestDoor {
    pub fn open(log: Arc<dyn EventLog>) -> Arc<Self> {
        Arc::new(Self::new(log, None))
    }

    /// Lets nobody through until [`let_through`](Self::let_through).
    pub fn shut(log: Arc<dyn EventLog>) -> Arc<Self> {
        Arc::new(Self::new(log, Some(Semaphore::new(0))))
    }

    fn new(log: Arc<dyn EventLog>, gate: Option<Semaphore>) -> Self {
        let (clock, random) = (Clock::system(), Random::system());
        let (failures, calls, marks) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { log, clock, random, failures, gate, calls, marks }
    }

    pub fn let_through(&self, calls: usize) {
        self.gate.as_ref().expect("the door is shut").add_permits(calls);
    }

    pub fn fail_next(&self, problem: Problem, times: usize) {
        self.failures.lock().unwrap().extend(std::iter::repeat_n(problem, times));
    }

    /// The text and id of every call so far.
    pub fn calls(&self) -> Vec<(String, ClientMessageId)> {
        self.calls.lock().unwrap().clone()
    }

    /// The marks that were noted so far.
    pub fn marks(&self) -> Vec<DeliveredBody> {
        self.marks.lock().unwrap().clone()
    }

    /// A message as a REST request brings it.
    pub async fn post(&self, conversations: &ConversationSet, author: Author, text: &str) -> Event {
        let draft = Draft {
            text: parlor_common::message::Text::parse(text.to_owned()).unwrap(),
            client_message_id: None,
        };
        let submission = Submission {
            conversations: conversations.clone(),
            author,
            session: None,
            transport: Transport::Rest,
            arrived: self.clock.now(),
            action: Action::Send(draft),
        };
        self.append(submission).await.unwrap().event
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "it stands for the door, the one place that appends"
    )]
    async fn append(&self, submission: Submission) -> Result<Receipt, Problem> {
        let conversation = submission.conversations.primary();
        let (id, body) = match submission.action {
            Action::Send(mut draft) => {
                let client_message_id = draft.keep_id(self.clock.now(), &self.random);
                let id = EventId::derive(
                    &conversation.tenant,
                    conversation.id,
                    &submission.author,
                    &client_message_id,
                );
                let text = draft.text.into_string();
                (id, Body::Message(MessageBody { text, client_message_id }))
            }
            Action::Mark(mark) => {
                let body = Body::Delivered(mark);
                (body.value_id(&conversation.tenant, conversation.id).unwrap(), body)
            }
            Action::Link(linked) => {
                let body = Body::Linked(linked);
                (body.value_id(&conversation.tenant, conversation.id).unwrap(), body)
            }
            Action::Read(read) => {
                let body = Body::Read(read);
                (body.value_id(&conversation.tenant, conversation.id).unwrap(), body)
            }
            other => panic!("no socket asks for {}", other.name()),
        };
        let record = Record {
            id,
            author: submission.author,
            session: submission.session,
            transport: submission.transport,
            at: self.clock.now(),
            arrived: submission.arrived,
            acceptance: self.random.number(),
            body,
        };
        let raw = record.encode().unwrap();
        let appended = self.log.append(&NewEntry::new(conversation.clone(), id, raw.clone())).await;
        let appended = appended.map_err(|error| Problem::unavailable(error.to_string()))?;
        let event = Event { conversation, position: appended.position, record, raw };
        Ok(Receipt { event, duplicate: appended.duplicate })
    }
}

#[async_trait]
impl Door for TestDoor {
    fn run_length(&self) -> usize {
        16
    }

    async fn accept(&self, mut submission: Submission) -> Result<Receipt, Problem> {
        match &mut submission.action {
            Action::Send(draft) => {
                let id = draft.keep_id(self.clock.now(), &self.random);
                self.calls.lock().unwrap().push((draft.text.clone().into_string(), id));
            }
            Action::Mark(mark) => {
                let mark = *mark;
                let receipt = self.append(submission).await?;
                self.marks.lock().unwrap().push(mark);
                return Ok(receipt);
            }
            Action::Note(_)
            | Action::Change(_)
            | Action::Read(_)
            | Action::Know(..)
            | Action::Furnish(..)
            | Action::Rate(..) => return self.append(submission).await,
            Action::Link(_) => {
                let failure = self.failures.lock().unwrap().pop_front();
                let mut receipt = failure.map_or(Ok(None), Err)?;
                let keys: Vec<_> = submission.conversations.keys().collect();
                for key in keys.iter().rev() {
                    let conversations = ConversationSet::only(key);
                    let into = Submission { conversations, ..submission.clone() };
                    receipt = Some(self.append(into).await?);
                }
                return Ok(receipt.expect("a set has a conversation"));
            }
        }
        if let Some(gate) = &self.gate {
            gate.acquire().await.expect("the gate is never closed").forget();
        }
        let failure = self.failures.lock().unwrap().pop_front();
        match failure {
            Some(problem) => Err(problem),
            None => self.append(submission).await,
        }
    }
}
