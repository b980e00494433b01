//! The drafts of one session. The first ones are with the door, as a run that it takes in order and
//! not beyond what it refuses, and a bounded number wait behind them, so that a retry never
//! overtakes a later draft.
//!
//! A client that loses its socket sends again what was not answered, in its order. So nothing may
//! be accepted after a refusal that the client has not heard of: it would be kept before the draft
//! that was refused and is sent again. Until the client has heard of it, what it sends is refused
//! as well, but for what was refused, in the same order.

use std::{collections::VecDeque, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use parlor_common::{
    action::Action,
    deadline::in_time,
    door::{Door, Receipt, Submission},
    problem::Problem,
};
use tokio::time::Instant;

/// How long the door may take. It is more than the door promises to need.
pub(crate) const DOOR_WITHIN: Duration = Duration::from_secs(20);
/// The first and the longest pause before a draft that is held goes to the door again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How many bytes of drafts go to the door as one run.
const RUN_BYTES: usize = 128 << 10;
/// So many refused drafts are known again when they come before the client has heard of it.
const MOST_REFUSED: usize = 1_000;
/// What a draft takes besides its text.
const OVERHEAD_BYTES: usize = 512;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DraftsBound {
    pub(crate) drafts: usize,
    pub(crate) bytes: usize,
    /// How many go to the door together.
    pub(crate) run: usize,
}

/// What waits for its turn, in the order in which the client asked for it.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// It goes to the door.
    Draft(Box<Submission>),
    /// It is answered without the door, but not before its turn. With the client's id of it, and
    /// what is wrong.
    Refused(Option<String>, Problem),
}

/// What became of the first in line.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The client's id of the draft, where it gave one.
    pub(crate) client_message_id: Option<String>,
    pub(crate) outcome: Result<Receipt, Problem>,
}

/// The drafts of one session.
pub(crate) struct Drafts {
    door: Option<Arc<dyn Door>>,
    bound: DraftsBound,
    waiting: VecDeque<(Waiting, Instant, usize)>,
    bytes: usize,
    /// The first ones in line are with the door, so many of them.
    with_door: Option<(usize, Answers)>,
    /// What the door has said of the first ones in line.
    answered: VecDeque<Result<Receipt, Problem>>,
    retry: Option<Retry>,
    refused: Refused,
    /// The client has not been asked yet whether it knows.
    unasked: bool,
}

/// What was refused for now.
#[derive(Debug, Default)]
struct Refused {
    /// Why the last one was, while the client may not have heard of it.
    unheard: Option<Problem>,
    /// What was not accepted since, by the client's ids, in the order in which it first sent them:
    /// a client that sends again begins with the first.
    ids: VecDeque<String>,
    /// There are more than are remembered.
    more: bool,
}

/// What the door is going to say.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Receipt, Problem>> + Send>>;

/// What it is going to say of a run: of its first ones, where it cannot say more yet.
type Answers = Pin<Box<dyn Future<Output = Vec<Result<Receipt, Problem>>> + Send>>;

#[derive(Clone, Copy, Debug)]
struct Retry {
    at: Instant,
    pause: Duration,
}

// === impl Drafts ===

impl Drafts {
    /// No drafts yet. Without a door, each is refused.
    pub(crate) fn new(door: Option<Arc<dyn Door>>, bound: DraftsBound) -> Self {
        Self {
            door,
            bound,
            waiting: VecDeque::new(),
            bytes: 0,
            with_door: None,
            answered: VecDeque::new(),
            retry: None,
            refused: Refused::default(),
            unasked: false,
        }
    }

    /// Puts the next one in line.
    pub(crate) fn push(&mut self, next: Waiting, bytes: usize, now: Instant) {
        let bytes = bytes + OVERHEAD_BYTES;
        self.bytes += bytes;
        self.waiting.push_back((next, now, bytes));
    }

    /// Whether another frame may be read. Above the bound the client has to wait; the last frame
    /// that is read may exceed it.
    pub(crate) fn take_more(&self) -> bool {
        self.waiting.len() < self.bound.drafts && self.bytes < self.bound.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the first in line came.
    pub(crate) fn first_came(&self) -> Option<Instant> {
        self.waiting.front().map(|(_, came, _)| *came)
    }

    /// When the first in line is due for another try.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry.filter(|_| self.with_door.is_none()).map(|retry| retry.at)
    }

    /// Whether the client is to be asked if it has heard of a refusal. It is asked once.
    pub(crate) const fn asks(&mut self) -> bool {
        std::mem::replace(&mut self.unasked, false)
    }

    /// Whether something was refused for now of which the client may not know.
    pub(crate) const fn has_refused(&self) -> bool {
        self.refused.unheard.is_some()
    }

    /// The client has every answer that was given before it was asked.
    pub(crate) fn heard(&mut self) {
        (self.refused.unheard, self.refused.more) = (None, false);
    }

    /// Waits for what becomes of the first in line; for ever where there is none, or where it is
    /// not due for another try. It stays in line until [`done`](Self::done) or
    /// [`hold`](Self::hold). Cancel safe.
    pub(crate) async fn settled(&mut self) -> Settled {
        if let Some(settled) = self.answered() {
            return settled;
        }
        let Some((first, ..)) = self.waiting.front() else { return std::future::pending().await };
        let submission = match first {
            Waiting::Refused(id, problem) => {
                return Settled { client_message_id: id.clone(), outcome: Err(problem.clone()) };
            }
            Waiting::Draft(submission) => submission,
        };
        let client_message_id = client_message_id(&submission.action);
        if let Some(problem) = &self.refused.unheard
            && self.with_door.is_none()
            && !self.refused.is_first(client_message_id.as_ref())
        {
            let outcome = Err(problem.clone());
            return Settled { client_message_id, outcome };
        }
        if self.with_door.is_none() {
            if self.retry.is_some_and(|retry| retry.at > Instant::now()) {
                return std::future::pending().await;
            }
            let Some(door) = self.door.clone() else {
                let outcome = Err(Problem::unavailable("nothing is accepted here"));
                return Settled { client_message_id, outcome };
            };
            let run = self.run(door.run_length());
            self.with_door = Some((run.len(), ask_for_all(door, run)));
        }
        let Some((_, answers)) = &mut self.with_door else {
            return std::future::pending().await;
        };
        self.answered = answers.await.into();
        self.with_door = None;
        self.answered().unwrap_or_else(|| {
            let outcome = Err(Problem::unavailable("the door has not answered"));
            Settled { client_message_id, outcome }
        })
    }

    /// What became of the first in line, where the door has said it already.
    pub(crate) fn answered(&mut self) -> Option<Settled> {
        let Some((Waiting::Draft(first), ..)) = self.waiting.front() else { return None };
        let outcome = self.answered.pop_front()?;
        Some(Settled { client_message_id: client_message_id(&first.action), outcome })
    }

    /// The first in line, and those behind it that may go to the door with it: each has an id, so
    /// that what becomes of a run can be found out however it ends.
    fn run(&self, most: usize) -> Vec<Submission> {
        let alone = self.has_refused() || self.retry.is_some();
        let most = if alone { 1 } else { most.min(self.bound.run).max(1) };
        let mut bytes = 0;
        let mut run = Vec::new();
        for (waiting, _, of) in self.waiting.iter().take(most) {
            let Waiting::Draft(submission) = waiting else { break };
            bytes += of;
            let joins = client_message_id(&submission.action).is_some() && bytes <= RUN_BYTES;
            if !run.is_empty() && !joins {
                break;
            }
            run.push(Submission::clone(submission));
            if !joins {
                break;
            }
        }
        run
    }

    /// The first in line has been dealt with.
    pub(crate) fn done(&mut self) {
        self.retry = None;
        if let Some((Waiting::Draft(first), ..)) = self.waiting.front()
            && let Some(id) = client_message_id(&first.action)
        {
            self.refused.is_over(&id);
        }
        self.remove_first();
    }

    fn remove_first(&mut self) {
        if let Some((.., bytes)) = self.waiting.pop_front() {
            self.bytes -= bytes;
        }
        if self.waiting.is_empty() {
            // An idle socket keeps no memory for what it once said.
            self.waiting = VecDeque::new();
        }
    }

    /// The first in line was refused, and the client is told that it may send it again. One
    /// without an id is not known again.
    pub(crate) fn refused_for_now(&mut self, id: Option<&str>, problem: Problem) {
        self.retry = None;
        self.remove_first();
        let Some(id) = id else { return };
        self.refused.add(id, problem);
        self.unasked = true;
    }

    /// Drops everything that is not with the door.
    pub(crate) fn abandon(&mut self) {
        let kept = self.with_door.as_ref().map_or(self.answered.len(), |(count, _)| *count);
        self.retry = None;
        self.waiting.truncate(kept);
        self.bytes = self.waiting.iter().map(|(.., bytes)| bytes).sum();
    }

    /// Sends the first in line to the door again, not before `after`, and each time after a longer
    /// pause.
    pub(crate) fn hold(&mut self, after: Option<Duration>, now: Instant) {
        let pause = self.retry.map_or(BACKOFF.0, |retry| (retry.pause * 2).min(BACKOFF.1));
        self.retry = Some(Retry { at: now + pause.max(after.unwrap_or_default()), pause });
    }
}

// === impl Refused ===

impl Refused {
    /// Whether this is what the client sends first when it sends again.
    fn is_first(&self, id: Option<&String>) -> bool {
        id.is_some() && self.ids.front() == id
    }

    fn add(&mut self, id: &str, problem: Problem) {
        self.unheard = Some(problem);
        if self.ids.iter().any(|known| known == id) {
            return;
        }
        if self.ids.len() < MOST_REFUSED && !self.more {
            self.ids.push_back(id.to_owned());
        } else {
            self.more = true;
        }
    }

    /// It was accepted, or refused for good.
    fn is_over(&mut self, id: &str) {
        let place = self.ids.iter().position(|known| known == id);
        if place.and_then(|place| self.ids.remove(place)).is_some() && self.ids.is_empty() {
            // An idle socket keeps no memory for what it once said.
            self.ids = VecDeque::new();
            if !self.more {
                self.unheard = None;
            }
        }
    }
}

/// Hands it to the door, which answers in time.
pub(crate) fn ask(door: Arc<dyn Door>, submission: Submission) -> Answer {
    let late = |_| Problem::unavailable("the door did not answer in time");
    Box::pin(async move { in_time(DOOR_WITHIN, late, door.accept(submission)).await })
}

/// Hands over a run.
fn ask_for_all(door: Arc<dyn Door>, run: Vec<Submission>) -> Answers {
    let late = |_| Problem::unavailable("the door did not answer in time");
    Box::pin(async move {
        let answers = async { Ok(door.accept_run(run).await) };
        let answers: Result<_, Problem> = in_time(DOOR_WITHIN, late, answers).await;
        answers.unwrap_or_else(|problem| vec![Err(problem)])
    })
}

/// The client's id of what it asks for, where it gave one.
pub(crate) fn client_message_id(action: &Action) -> Option<String> {
    match action {
        Action::Send(draft) => draft.client_message_id.as_ref().map(ToString::to_string),
        _ => None,
    }
}

impl fmt::Debug for Drafts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drafts")
            .field("waiting", &self.waiting.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
