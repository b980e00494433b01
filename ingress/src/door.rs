//! The door: the one place that appends to the log. It checks limits, pressure and the age rule,
//! appends, and answers with a receipt.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parlor_auth::Limits;
use parlor_common::{
    action::Action,
    author::{Author, AuthorKind},
    conversation::{ConversationKey, ConversationSet},
    deadline::in_time,
    door::{Door, Receipt, Submission},
    event::{Body, Event, Kind, MessageBody, NoteBody, Record},
    id::{ClientMessageId, EventId, VisitorId},
    message::Draft,
    planted::{self, Fault},
    position::Position,
    problem::{Code, Problem},
    random::Random,
};
use parlor_history::{History, HistoryError};
use parlor_log::{Appended, EventLog, LogError, NewEntry, monitor::Monitor};
use tracing::{debug, error};

use crate::{
    DoorSettings, Metrics,
    busy::Busy,
    idempotency::{Age, judge},
    in_flight::{InFlight, Permit},
    metrics::Outcome,
    unanswered::{Attempt, Unanswered},
};

/// Accepts actions into the log. Cheap to share; holds nothing that another node could not rebuild.
#[derive(Clone, Debug)]
pub struct LogDoor {
    log: Arc<dyn EventLog>,
    history: History,
    monitor: Monitor,
    limits: Limits,
    in_flight: InFlight,
    unanswered: Unanswered,
    random: Random,
    append_within: Duration,
    lookup_within: Duration,
    retry_after: Duration,
    metrics: Metrics,
}

/// What a door is made of.
#[derive(Debug)]
pub struct DoorParts {
    /// Takes the events.
    pub log: Arc<dyn EventLog>,
    /// Finds earlier events; must read the same log.
    pub history: History,
    /// Knows how the log stands; must watch the same log.
    pub monitor: Monitor,
    /// How much visitors and tenants may send.
    pub limits: Limits,
    /// Names drafts that came without an id, and tells acceptances apart.
    pub random: Random,
    /// How much is taken at once, and for how long.
    pub settings: DoorSettings,
    /// What to count.
    pub metrics: Metrics,
}

/// What an action comes to before it is appended.
enum Prepared {
    /// An earlier request had it accepted.
    Before(Box<Event>),
    /// It is to be appended.
    New(Box<New>),
    /// It is to be asked for again.
    Later,
}

/// What an action comes to.
enum Made {
    /// An earlier request had it accepted.
    Before(Box<Event>),
    /// It is to be appended under this id.
    New(EventId, Body),
}

/// By what an action of a client is known from its repeats.
struct Once<'a> {
    kind: Kind,
    /// The client's id of it.
    id: Option<ClientMessageId>,
    /// The id of what came without one, where it was made before.
    made: Option<&'a ClientMessageId>,
}

/// What is to be appended. The first of a run keeps it in flight until it is dropped.
struct New {
    entry: NewEntry,
    record: Record,
    _permit: Option<Permit>,
}

// === impl LogDoor ===

impl LogDoor {
    /// A door made of these parts.
    pub fn new(parts: DoorParts) -> Self {
        let DoorParts { log, history, monitor, limits, random, settings, metrics } = parts;
        let DoorSettings {
            in_flight,
            in_flight_per_tenant,
            append_within,
            lookup_within,
            retry_after,
        } = settings;
        Self {
            in_flight: InFlight::new(log.shards(), in_flight, in_flight_per_tenant),
            unanswered: Unanswered::new(monitor.clock(), random.clone()),
            log,
            history,
            monitor,
            limits,
            random,
            append_within,
            lookup_within,
            retry_after,
            metrics,
        }
    }

    /// Takes one. `made` is the id of a draft that came without one.
    async fn take(
        &self,
        submission: Submission,
        made: Option<&ClientMessageId>,
    ) -> Result<Receipt, Problem> {
        match self.prepare(submission, made, true).await? {
            Prepared::Before(event) => Ok(Receipt { event: *event, duplicate: true }),
            Prepared::New(new) => {
                let appended = self.append(std::slice::from_ref(&new)).await.pop();
                self.receipt(*new, appended.unwrap_or_else(|| Err(unanswered()))?).await
            }
            Prepared::Later => Err(unanswered()),
        }
    }

    /// Takes several of one session, and stops before what must wait for those before it to be
    /// answered.
    async fn take_run(&self, submissions: Vec<Submission>) -> Vec<Result<Receipt, Problem>> {
        // Each with its watch, and with what it comes to where that is known already.
        let (mut run, mut others) = (Vec::new(), Vec::new());
        for submission in submissions {
            let watch = self.metrics.watch(&submission.action);
            match self.prepare(submission, None, run.is_empty()).await {
                Ok(Prepared::New(new)) => {
                    others.push((watch, None));
                    run.push(new);
                }
                Ok(Prepared::Before(event)) => {
                    let before = Receipt { event: *event, duplicate: true };
                    others.push((watch, Some(Ok(before))));
                }
                Ok(Prepared::Later) => {
                    watch.put_off();
                    break;
                }
                Err(problem) => {
                    let ends = problem.code.retryable();
                    others.push((watch, Some(Err(problem))));
                    if ends {
                        break;
                    }
                }
            }
        }
        let appended = self.append(&run).await;
        let mut appended = run.into_iter().zip(appended);
        let mut answers: Vec<Result<Receipt, Problem>> = Vec::with_capacity(others.len());
        let mut goes_on = true;
        for (watch, known) in others {
            let answer = match (known, goes_on) {
                // What was not taken is asked for again, and this comes after it.
                (_, false) => None,
                (Some(known), true) => Some(known),
                (None, true) => match appended.next() {
                    Some((new, Ok(appended))) => Some(self.receipt(*new, appended).await),
                    Some((_, Err(problem))) => Some(Err(problem)),
                    None => None,
                },
            };
            goes_on = answer.as_ref().is_some_and(|answer| !is_for_now(answer));
            match answer {
                Some(answer) => {
                    watch.ended(outcome(&answer));
                    answers.push(answer);
                }
                None => watch.put_off(),
            }
        }
        answers
    }

    /// Checks an action and makes its record. One that is not the first of its run is left for
    /// later where it would need a lookup, for which the others would wait.
    async fn prepare(
        &self,
        submission: Submission,
        made: Option<&ClientMessageId>,
        is_first: bool,
    ) -> Result<Prepared, Problem> {
        let Submission { conversations, author, session, transport, arrived, action } = submission;
        let key = conversations.primary();
        if !is_first && self.needs_lookup(&action, &conversations) {
            return Ok(Prepared::Later);
        }
        match &action {
            Action::Send(draft) | Action::Note(draft) => {
                self.check_limits(&key, &author, draft.text.as_str().len())?;
            }
            // A mark follows from what was sent to the client, whose messages had a rate.
            Action::Mark(_) => {}
            Action::Link(_)
            | Action::Change(_)
            | Action::Read(_)
            | Action::Know(..)
            | Action::Furnish(..)
            | Action::Rate(..) => self.check_limits(&key, &author, 0)?,
        }
        if self.monitor.overdue(self.log.shards().of(&key.tenant)) {
            return Err(self.busy(Busy::Store));
        }
        // A run counts once: its session had the others in memory already.
        let permit = match is_first {
            true => Some(self.in_flight.enter(&key.tenant).map_err(|why| self.busy(why))?),
            false => None,
        };
        let mut expected = None;
        let made = match action {
            Action::Mark(delivered) => known_by_content(Body::Delivered(delivered), &key)?,
            Action::Link(linked) => known_by_content(Body::Linked(linked), &key)?,
            Action::Read(read) => {
                // A page that is looked at leaves no record before its visitor has written.
                if author.kind == AuthorKind::Visitor
                    && self.within(self.history.state(&key)).await?.last.is_none()
                {
                    return Err(Problem::not_found());
                }
                known_by_content(Body::Read(read), &key)?
            }
            Action::Send(Draft { text, client_message_id }) => {
                let once = Once { kind: Kind::Message, id: client_message_id, made };
                let body = |client_message_id| {
                    Body::Message(MessageBody { text: text.into_string(), client_message_id })
                };
                self.once(once, &author, &conversations, body).await?
            }
            Action::Note(Draft { text, client_message_id }) => {
                let once = Once { kind: Kind::Note, id: client_message_id, made };
                let body = |client_message_id| {
                    Body::Note(NoteBody { text: text.into_string(), client_message_id })
                };
                self.once(once, &author, &conversations, body).await?
            }
            Action::Change(change) => {
                if !planted::is(Fault::ClaimWithoutExpectation) {
                    expected = change.expected;
                }
                let once = Once { kind: Kind::Change, id: change.client_message_id, made };
                self.once(once, &author, &conversations, |_| Body::Change(change.body)).await?
            }
            Action::Know(profile, id) => {
                let once = Once { kind: Kind::Profile, id, made };
                self.once(once, &author, &conversations, |_| Body::Profile(profile)).await?
            }
            Action::Furnish(desk, id) => {
                let once = Once { kind: Kind::Desk, id, made };
                self.once(once, &author, &conversations, |_| Body::Desk(desk)).await?
            }
            Action::Rate(rating, closed_at) => {
                // One for each closing, whoever asks how often.
                let id = ClientMessageId::parse(&format!("closed-{closed_at}").replace(':', "-"));
                let once = Once { kind: Kind::Rating, id: id.ok(), made };
                self.once(once, &author, &conversations, |_| Body::Rating(rating)).await?
            }
        };
        let (id, body) = match made {
            Made::Before(event) => return Ok(Prepared::Before(event)),
            Made::New(id, body) => (id, body),
        };
        if !body.may_come_from(author.kind) {
            let kind = body.kind().as_str();
            error!(tenant.id = %key.tenant, kind, by = author.kind.as_str(), "an event is not its \
                author's to make");
            return Err(Problem::new(Code::Forbidden, "this is not yours to do"));
        }
        let record = Record {
            id,
            author,
            session,
            transport,
            at: self.monitor.time(),
            arrived,
            acceptance: self.random.number(),
            body,
        };
        let raw = record.encode().map_err(cannot_be_written)?;
        let entry = NewEntry { conversation: key, id, record: raw, expected };
        Ok(Prepared::New(Box::new(New { entry, record, _permit: permit })))
    }

    /// The answer to what the log has taken.
    async fn receipt(&self, new: New, appended: Appended) -> Result<Receipt, Problem> {
        let New { entry: NewEntry { conversation, id, record: raw, .. }, record, .. } = new;
        let Appended { position, duplicate } = appended;
        if duplicate && record.body.is_row() {
            let first = self.first(&conversation, id, position).await?;
            // With the same acceptance it is this very append: the log retried it and met its own
            // first attempt.
            if first.record.acceptance != record.acceptance {
                return Ok(Receipt { event: first, duplicate: true });
            }
        }
        // A value that is noted again has the same content as the first: there is nothing to read.
        let repeated = duplicate && !record.body.is_row();
        let event = Event { conversation, position, record, raw };
        Ok(Receipt { event, duplicate: repeated })
    }

    /// Whether what becomes of it cannot be told without a lookup.
    fn needs_lookup(&self, action: &Action, conversations: &ConversationSet) -> bool {
        let id = match action {
            Action::Send(Draft { client_message_id: Some(id), .. }) => id,
            // Whether the visitor has written is looked up.
            Action::Read(_) => return true,
            _ => return false,
        };
        let age = judge(id, self.monitor.time(), self.monitor.clock_right());
        age == Age::Old || conversations.keys().nth(1).is_some()
    }

    /// Takes a link into each of the conversations, the primary's last.
    async fn link(&self, submission: Submission) -> Result<Receipt, Problem> {
        let into = |key: &ConversationKey| Submission {
            conversations: ConversationSet::only(key),
            ..submission.clone()
        };
        let keys: Vec<_> = submission.conversations.keys().collect();
        for key in keys.iter().skip(1) {
            self.take(into(key), None).await?;
        }
        self.take(into(&keys[0]), None).await
    }

    /// The event that an action becomes once, unless an earlier request had it accepted.
    async fn once(
        &self,
        Once { kind, id, made }: Once<'_>,
        author: &Author,
        conversations: &ConversationSet,
        body: impl FnOnce(ClientMessageId) -> Body + Send,
    ) -> Result<Made, Problem> {
        let is_given = id.is_some();
        let id = id.or_else(|| made.cloned());
        let id = id.unwrap_or_else(|| ClientMessageId::made(self.monitor.time(), &self.random));
        let ids = conversations.event_ids(kind, author, &id);
        if is_given && let Some(event) = self.earlier(&id, &ids).await? {
            return Ok(Made::Before(Box::new(event)));
        }
        let (_, event_id) = ids[0];
        Ok(Made::New(event_id, body(id)))
    }

    fn check_limits(
        &self,
        key: &ConversationKey,
        author: &Author,
        bytes: usize,
    ) -> Result<(), Problem> {
        // The visitor is checked first, so that one over its own rate does not use up the tenant's.
        if author.kind == AuthorKind::Visitor
            && let Ok(visitor) = VisitorId::parse(&author.id)
        {
            self.limits.check_visitor(&key.tenant, visitor, bytes)?;
        }
        self.limits.check_tenant(&key.tenant, bytes)?;
        Ok(())
    }

    /// What an earlier request had accepted under this id, where the log's duplicate window may not
    /// cover it.
    async fn earlier(
        &self,
        client_message_id: &ClientMessageId,
        ids: &[(ConversationKey, EventId)],
    ) -> Result<Option<Event>, Problem> {
        let now = self.monitor.time();
        let unproven = match judge(client_message_id, now, self.monitor.clock_right()) {
            Age::FromFuture => {
                let problem = Problem::new(
                    Code::IdFromFuture,
                    "the client message id is more than 30 s ahead",
                );
                let problem = problem.detail("clientMessageId", "from_future");
                return Err(Problem { server_time: Some(now), ..problem });
            }
            Age::Young => &ids[1..],
            Age::Old => ids,
        };
        if unproven.is_empty() {
            return Ok(None);
        }
        self.metrics.lookups.inc();
        self.within(self.history.find(unproven)).await
    }

    /// Appends in order; ends with the first that is not taken.
    async fn append(&self, run: &[Box<New>]) -> Vec<Result<Appended, Problem>> {
        let Some(first) = run.first() else { return Vec::new() };
        let entries: Vec<_> = run.iter().map(|new| new.entry.clone()).collect();
        #[expect(clippy::disallowed_methods, reason = "the door is the one place that appends")]
        let append = async { Ok(self.log.append_run(&entries).await) };
        let answers = in_time(self.append_within, LogError::Unavailable, append).await;
        let answers = answers.unwrap_or_else(|error| vec![Err(error)]);
        let refused = |(answer, entry): (Result<Appended, LogError>, &NewEntry)| {
            answer.map_err(|error| self.refused(&first.entry.conversation, &entry.id, &error))
        };
        answers.into_iter().zip(&entries).map(refused).collect()
    }

    fn refused(&self, key: &ConversationKey, id: &EventId, error: &LogError) -> Problem {
        // REST and sessions tell the operator; this line tells which event and why.
        debug!(tenant.id = %key.tenant, conversation.id = %key.id, event.id = %id, %error, "an \
            event is not appended");
        match error {
            LogError::Unavailable(_) => {
                Problem::unavailable("the message could not be accepted just now")
            }
            LogError::Full(_) => self.busy(Busy::Log),
            LogError::Conflict(_) => {
                Problem::new(Code::Conflict, "the state is not what the request expected")
            }
            LogError::Rejected(_) => Problem::new(Code::Internal, "the message was not taken"),
        }
    }

    /// The first record that has this id: in the log at `position`, or in the store once the log
    /// has let it go.
    async fn first(
        &self,
        key: &ConversationKey,
        id: EventId,
        position: Position,
    ) -> Result<Event, Problem> {
        if let Some(event) =
            self.within(self.history.at(key, position)).await?.filter(|event| event.record.id == id)
        {
            return Ok(event);
        }
        let found = self.within(self.history.find(&[(key.clone(), id)])).await?;
        found.ok_or_else(|| {
            Problem::unavailable("the first message of this id cannot be read just now")
        })
    }

    /// Reads what was accepted earlier. Where that fails or takes too long, the client is told to
    /// try again, since a guess could accept a message twice.
    async fn within<T>(
        &self,
        answer: impl Future<Output = Result<T, HistoryError>>,
    ) -> Result<T, Problem> {
        in_time(self.lookup_within, HistoryError::Unavailable, answer).await.map_err(|error| {
            debug!(%error, "an earlier message cannot be looked up");
            Problem::unavailable("whether this id was accepted before cannot be told just now")
        })
    }

    fn busy(&self, why: Busy) -> Problem {
        self.metrics.busy(why);
        Problem::busy(self.retry_after, why.sentence())
    }
}

/// What is known by what it says: the same again has the same id.
fn known_by_content(body: Body, key: &ConversationKey) -> Result<Made, Problem> {
    let id = body.value_id(&key.tenant, key.id).map_err(cannot_be_written)?;
    Ok(Made::New(id, body))
}

fn cannot_be_written(error: impl std::fmt::Display) -> Problem {
    error!(%error, "an event could not be encoded");
    Problem::new(Code::Internal, "the event could not be written")
}

#[async_trait]
impl Door for LogDoor {
    async fn accept(&self, submission: Submission) -> Result<Receipt, Problem> {
        let watch = self.metrics.watch(&submission.action);
        let attempt = self.unanswered.attempt(&submission);
        let made = attempt.as_ref().and_then(Attempt::id);
        let answer = match submission.action {
            Action::Link(_) => self.link(submission).await,
            _ => self.take(submission, made).await,
        };
        let settled = answer.as_ref().map_or_else(|problem| !problem.code.retryable(), |_| true);
        if settled && let Some(attempt) = attempt {
            attempt.settled();
        }
        watch.ended(outcome(&answer));
        answer
    }

    fn run_length(&self) -> usize {
        self.log.run_length()
    }

    async fn accept_run(&self, submissions: Vec<Submission>) -> Vec<Result<Receipt, Problem>> {
        self.take_run(submissions).await
    }
}

fn outcome(answer: &Result<Receipt, Problem>) -> Outcome {
    match answer {
        Ok(Receipt { duplicate: false, .. }) => Outcome::Accepted,
        Ok(Receipt { duplicate: true, .. }) => Outcome::Duplicate,
        Err(problem) => match problem.code {
            Code::RateLimited => Outcome::Limited,
            Code::Busy => Outcome::Busy,
            code if code.retryable() => Outcome::Unavailable,
            _ => Outcome::Refused,
        },
    }
}

fn is_for_now(answer: &Result<Receipt, Problem>) -> bool {
    answer.as_ref().is_err_and(|problem| problem.code.retryable())
}

/// Every log answers the first of a run.
fn unanswered() -> Problem {
    error!("the log gave no answer to an append");
    Problem::new(Code::Internal, "the message was not taken")
}
