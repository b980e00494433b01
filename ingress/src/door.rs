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
    event::{Body, Event, MessageBody, Record},
    id::{ClientMessageId, EventId, VisitorId},
    message::Draft,
    position::Position,
    problem::{Code, Problem},
    random::Random,
};
use parlor_history::{History, HistoryError};
use parlor_log::{Appended, EventLog, LogError, monitor::Monitor};
use tracing::{debug, error};

use crate::{
    DoorSettings, Metrics,
    busy::Busy,
    idempotency::{Age, judge},
    in_flight::InFlight,
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
    Before(Event),
    /// It is to be appended under this id.
    New(EventId, Body),
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

    /// `made` is the id of a draft that came without one.
    async fn take(
        &self,
        submission: Submission,
        made: Option<&ClientMessageId>,
    ) -> Result<Receipt, Problem> {
        let Submission { conversations, author, session, transport, arrived, action } = submission;
        let key = conversations.primary();
        match &action {
            Action::Send(draft) => self.check_limits(&key, &author, draft.text.as_str().len())?,
            // A mark follows from what was sent to the client, whose messages had a rate.
            Action::Mark(_) => {}
            Action::Link(_) => self.check_limits(&key, &author, 0)?,
        }
        if self.monitor.overdue(self.log.shards().of(&key.tenant)) {
            return Err(self.busy(Busy::Store));
        }
        let _permit = self.in_flight.enter(&key.tenant).map_err(|why| self.busy(why))?;

        let prepared = match action {
            Action::Send(draft) => self.message(draft, made, &author, &conversations).await?,
            Action::Mark(delivered) => known_by_content(Body::Delivered(delivered), &author, &key)?,
            Action::Link(linked) => known_by_content(Body::Linked(linked), &author, &key)?,
        };
        let (id, body) = match prepared {
            Prepared::Before(event) => return Ok(Receipt { event, duplicate: true }),
            Prepared::New(id, body) => (id, body),
        };
        let acceptance = self.random.number();
        let record = Record {
            id,
            author,
            session,
            transport,
            at: self.monitor.time(),
            arrived,
            acceptance,
            body,
        };
        let raw = record.encode().map_err(cannot_be_written)?;
        let Appended { position, duplicate } = self.append(&key, &id, raw.clone()).await?;
        if duplicate && record.body.is_row() {
            let first = self.first(&key, id, position).await?;
            // With the same acceptance it is this very append: the log retried it and met its own
            // first attempt.
            if first.record.acceptance != acceptance {
                return Ok(Receipt { event: first, duplicate: true });
            }
        }
        // A value that is noted again has the same content as the first: there is nothing to read.
        let repeated = duplicate && !record.body.is_row();
        let event = Event { conversation: key, position, record, raw };
        Ok(Receipt { event, duplicate: repeated })
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

    /// The message that a draft becomes, unless an earlier request had it accepted.
    async fn message(
        &self,
        mut draft: Draft,
        made: Option<&ClientMessageId>,
        author: &Author,
        conversations: &ConversationSet,
    ) -> Result<Prepared, Problem> {
        let given = draft.client_message_id.is_some();
        draft.client_message_id = draft.client_message_id.or_else(|| made.cloned());
        let client_message_id = draft.keep_id(self.monitor.time(), &self.random);
        let ids = conversations.event_ids(author, &client_message_id);
        if given && let Some(event) = self.earlier(&client_message_id, &ids).await? {
            return Ok(Prepared::Before(event));
        }
        let (_, id) = ids[0];
        let text = draft.text.into_string();
        Ok(Prepared::New(id, Body::Message(MessageBody { text, client_message_id })))
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

    async fn append(
        &self,
        key: &ConversationKey,
        id: &EventId,
        raw: bytes::Bytes,
    ) -> Result<Appended, Problem> {
        #[expect(clippy::disallowed_methods, reason = "the door is the one place that appends")]
        let append = self.log.append(key, id, raw);
        let answer = in_time(self.append_within, LogError::Unavailable, append).await;
        let error = match answer {
            Ok(appended) => return Ok(appended),
            Err(error) => error,
        };
        let problem = match &error {
            LogError::Unavailable(_) => {
                Problem::unavailable("the message could not be accepted just now")
            }
            LogError::Full(_) => self.busy(Busy::Log),
            LogError::Rejected(_) => Problem::new(Code::Internal, "the message was not taken"),
        };
        // REST and sessions tell the operator; this line tells which event and why.
        debug!(tenant.id = %key.tenant, conversation.id = %key.id, event.id = %id, %error, "an \
            event is not appended");
        Err(problem)
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
fn known_by_content(
    body: Body,
    author: &Author,
    key: &ConversationKey,
) -> Result<Prepared, Problem> {
    if !body.may_come_from(author.kind) {
        return Err(Problem::new(Code::Forbidden, "this author cannot make such an event"));
    }
    let id = body.value_id(&key.tenant, key.id).map_err(cannot_be_written)?;
    Ok(Prepared::New(id, body))
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
            Action::Send(_) | Action::Mark(_) => self.take(submission, made).await,
            Action::Link(_) => self.link(submission).await,
        };
        let settled = answer.as_ref().map_or_else(|problem| !problem.code.retryable(), |_| true);
        if settled && let Some(attempt) = attempt {
            attempt.settled();
        }
        watch.ended(match &answer {
            Ok(Receipt { duplicate: false, .. }) => Outcome::Accepted,
            Ok(Receipt { duplicate: true, .. }) => Outcome::Duplicate,
            Err(problem) => match problem.code {
                Code::RateLimited => Outcome::Limited,
                Code::Busy => Outcome::Busy,
                code if code.retryable() => Outcome::Unavailable,
                _ => Outcome::Refused,
            },
        });
        answer
    }
}
