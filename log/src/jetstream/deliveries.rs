//! Deliveries: pulled from a durable consumer, each acknowledged by itself.
//!
//! Each pull is a request with an end that the server tells. No pull is left standing for long: those have stalled in
//! several releases of the server, with entries pending and none coming.

use std::{sync::Arc, time::Duration};

use async_nats::{Message, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};

use super::{
    JetStreamLog,
    append::Publish,
    check::group_sentences,
    entry::{AckReply, delivered},
    names::StreamRef,
    shapes::nanos,
};
use crate::{BatchLimit, Deliveries, Delivery, Entry, LogError};

/// How long a call waits for a first delivery.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// How much longer than a pull lasts its end may take to arrive.
const SLACK: Duration = Duration::from_millis(1500);

/// The shortest a pull for company lasts; the server's timers are no finer.
const MIN_LINGER: Duration = Duration::from_millis(5);

/// So many calls in a row that found nothing make us ask whether there is something.
const SUSPICIOUS: u32 = 5;

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 500;

/// One reader of a group.
pub(super) struct JetStreamDeliveries {
    log: JetStreamLog,
    stream: Arc<StreamRef>,
    group: String,
    /// Replies to pull number `n` come to `<inbox>.<n>`; delivered messages carry their own subject.
    inbox: String,
    messages: Subscriber,
    pulls: u64,
    /// A pull for a first delivery that has not ended; it outlives a dropped call.
    waiting: Option<Pull>,
    empty: u32,
}

#[derive(Clone, Copy)]
struct Pull {
    number: u64,
    until: Instant,
}

#[derive(Serialize)]
struct PullRequest {
    batch: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<usize>,
    expires: i64,
}

/// What a message of the inbox is.
enum Pulled {
    Delivery(Delivery),
    /// A message that is not one of ours, and how it is acknowledged.
    Foreign(String),
    /// This pull has ended.
    End(u64),
    Failed(LogError),
    /// Neither a delivery nor of any interest.
    Nothing,
}

// === impl JetStreamDeliveries ===

impl JetStreamDeliveries {
    pub(super) async fn open(log: JetStreamLog, stream: Arc<StreamRef>, group: &str) -> Result<Self, LogError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if group.is_empty() || !group.bytes().all(plain) {
            return Err(LogError::Rejected(format!("{group:?} cannot be a group's name")));
        }
        let consumer = log.shared.api.consumer(&stream.name, group).await?;
        if let Some(sentence) = group_sentences(&stream.name, &consumer.config).into_iter().next() {
            return Err(LogError::Rejected(sentence));
        }
        let inbox = log.shared.api.link.unique_subject();
        let wait = log.shared.settings.request_timeout;
        let messages = log.shared.api.link.subscribe(format!("{inbox}.*"), wait).await?;
        let group = group.to_owned();
        Ok(Self { log, stream, group, inbox, messages, pulls: 0, waiting: None, empty: 0 })
    }

    /// Asks for `batch` deliveries within `lasting`.
    async fn pull(&mut self, batch: usize, max_bytes: Option<usize>, lasting: Duration) -> Result<Pull, LogError> {
        self.pulls += 1;
        let pull = Pull { number: self.pulls, until: Instant::now() + lasting + SLACK };
        let request = PullRequest { batch, max_bytes, expires: nanos(lasting) };
        let request = serde_json::to_vec(&request).map_err(|error| LogError::Rejected(error.to_string()))?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream.name, self.group);
        let reply = format!("{}.{}", self.inbox, pull.number);
        let wait = self.log.shared.settings.request_timeout;
        self.log.shared.api.link.publish_from(subject, Some(reply), Bytes::from(request), wait).await?;
        Ok(pull)
    }

    /// The next thing that comes to the inbox; cancel safe, since it is handed out as soon as it is taken.
    async fn hear(&mut self, pull: Pull) -> Pulled {
        match timeout_at(pull.until, self.messages.next()).await {
            Ok(Some(message)) => self.understand(&message),
            Ok(None) => Pulled::Failed(LogError::Unavailable("the connection is lost".to_owned())),
            Err(_) => {
                self.log.shared.api.link.doubt();
                Pulled::Failed(LogError::Unavailable("a pull did not end in time".to_owned()))
            }
        }
    }

    fn understand(&self, message: &Message) -> Pulled {
        let number = message.subject.strip_prefix(self.inbox.as_str()).and_then(|rest| rest.strip_prefix('.'));
        if let Some(number) = number {
            let Some(status) = message.status else { return Pulled::Nothing };
            let Some(number) = number.parse().ok().filter(|number| *number == self.pulls) else {
                return Pulled::Nothing;
            };
            let description = message.description.as_deref().unwrap_or_default();
            return match status.as_u16() {
                // No messages; the time is over; the next one does not fit, or the consumer moves to another leader.
                404 | 408 => Pulled::End(number),
                409 if description.contains("MaxBytes") || description.contains("Batch Completed") => {
                    Pulled::End(number)
                }
                100 => Pulled::Nothing,
                status => Pulled::Failed(LogError::Unavailable(format!("a pull was ended: {status} {description}"))),
            };
        }
        let Some(token) = message.reply.as_ref() else { return Pulled::Nothing };
        let Some(reply) = AckReply::parse(token).filter(|reply| reply.stream == self.stream.name) else {
            return Pulled::Nothing;
        };
        match delivered(&self.log.shared.names, &self.stream, message, &reply) {
            Some(entry) => Pulled::Delivery(Delivery { entry, token: token.to_string(), attempt: reply.deliveries }),
            None => Pulled::Foreign(token.to_string()),
        }
    }

    /// Waits for a first delivery; `None` when there was none for a while.
    async fn first(&mut self) -> Result<Option<Delivery>, LogError> {
        let pull = match self.waiting {
            Some(pull) => pull,
            None => {
                let pull = self.pull(1, None, FIRST_WAIT).await?;
                *self.waiting.insert(pull)
            }
        };
        loop {
            match self.hear(pull).await {
                Pulled::Delivery(delivery) => {
                    // A redelivery of a pull before this one may come first; then this one goes on waiting unheard, which
                    // costs one delivery its acknowledgement wait.
                    self.waiting = None;
                    return Ok(Some(delivery));
                }
                Pulled::Foreign(token) => {
                    self.waiting = None;
                    self.set_foreign_aside(&token).await?;
                    return Ok(None);
                }
                Pulled::End(number) if number == pull.number => {
                    self.waiting = None;
                    return Ok(None);
                }
                Pulled::End(_) | Pulled::Nothing => {}
                Pulled::Failed(error) => {
                    self.waiting = None;
                    return Err(self.explain(error).await);
                }
            }
        }
    }

    /// Takes what else is there, until a bound or the end of the linger.
    async fn company(
        &mut self,
        taken: &mut Vec<Delivery>,
        limit: BatchLimit,
        linger: Duration,
    ) -> Result<(), LogError> {
        let used: usize = taken.iter().map(|delivery| delivery.entry.record.len()).sum();
        let (count, bytes) = (limit.count.saturating_sub(taken.len()), limit.bytes.saturating_sub(used));
        if count == 0 || bytes == 0 {
            return Ok(());
        }
        let pull = self.pull(count, Some(bytes), linger.max(MIN_LINGER)).await?;
        let mut left = count;
        while left > 0 {
            match self.hear(pull).await {
                Pulled::Delivery(delivery) => {
                    left -= 1;
                    taken.push(delivery);
                }
                Pulled::Foreign(token) => {
                    left -= 1;
                    self.set_foreign_aside(&token).await?;
                }
                Pulled::End(number) if number == pull.number => break,
                Pulled::End(_) | Pulled::Nothing => {}
                Pulled::Failed(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A failed pull may mean that the consumer is gone.
    async fn explain(&self, failure: LogError) -> LogError {
        match self.log.shared.api.consumer(&self.stream.name, &self.group).await {
            Err(error) => match LogError::from(error) {
                gone @ LogError::Rejected(_) => gone,
                LogError::Unavailable(_) | LogError::Full(_) => failure,
            },
            Ok(_) => failure,
        }
    }

    /// Found nothing again and again: is there really nothing?
    async fn suspect(&mut self) -> Result<(), LogError> {
        self.empty = 0;
        let consumer = self.log.shared.api.consumer(&self.stream.name, &self.group).await?;
        if consumer.num_pending == 0 || consumer.num_ack_pending > 0 {
            return Ok(());
        }
        self.log.shared.metrics.stalls.inc();
        warn!(shard = %self.stream.shard, backlog = consumer.num_pending, "the group's consumer delivers nothing");
        self.log.shared.api.step_down(&self.stream.name, &self.group).await;
        Err(LogError::Unavailable("the group's consumer delivers nothing although there is something".to_owned()))
    }

    async fn answer(&self, tokens: impl Iterator<Item = &str>, verb: &'static str) -> Result<(), LogError> {
        let (link, wait) = (&self.log.shared.api.link, self.log.shared.settings.request_timeout);
        for token in tokens {
            link.publish(token.to_owned(), Bytes::from_static(verb.as_bytes()), wait).await?;
        }
        Ok(link.flush(wait).await?)
    }

    async fn bury(&self, entry: Option<&Entry>, token: &str, reason: &str, record: Bytes) -> Result<(), LogError> {
        let sequence = AckReply::parse(token).map(|reply| reply.sequence);
        let sequence = sequence.ok_or_else(|| LogError::Rejected("not a delivery of this log".to_owned()))?;
        let names = &self.log.shared.names;
        let reason: String = reason.chars().filter(|char| !char.is_control()).take(MAX_REASON).collect();
        let publish = Publish {
            stream: &names.dead_stream(),
            subject: names.dead_subject(entry.map(|entry| &entry.conversation), self.stream.shard),
            id: format!("{}:{sequence}", self.stream.name),
            headers: vec![
                ("Parlor-Stream", self.stream.name.clone()),
                ("Parlor-Sequence", sequence.to_string()),
                ("Parlor-Group", self.group.clone()),
                ("Parlor-Reason", reason),
            ],
            payload: record,
        };
        self.log.shared.appender.publish(&publish).await?;
        self.log.shared.metrics.set_aside.inc();
        self.answer(std::iter::once(token), "+TERM").await
    }

    async fn set_foreign_aside(&self, token: &str) -> Result<(), LogError> {
        let sequence = AckReply::parse(token).map(|reply| reply.sequence);
        error!(shard = %self.stream.shard, sequence, "a message under a foreign subject is set aside");
        // It stays in the stream too: who looks for it finds it by its sequence.
        self.bury(None, token, "its subject is no conversation's", Bytes::new()).await
    }
}

#[async_trait]
impl Deliveries for JetStreamDeliveries {
    async fn next(&mut self, limit: BatchLimit, linger: Duration) -> Result<Vec<Delivery>, LogError> {
        let Some(first) = self.first().await? else {
            self.empty += 1;
            if self.empty >= SUSPICIOUS {
                self.suspect().await?;
            }
            return Ok(Vec::new());
        };
        self.empty = 0;
        let mut taken = vec![first];
        // What was taken is worth handing out, whatever became of the company.
        if let Err(error) = self.company(&mut taken, limit, linger).await {
            warn!(shard = %self.stream.shard, %error, "a batch was cut short");
        }
        Ok(taken)
    }

    async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), LogError> {
        self.answer(deliveries.iter().map(|delivery| delivery.token.as_str()), "+ACK").await
    }

    async fn progress(&mut self, deliveries: &[Delivery]) -> Result<(), LogError> {
        self.answer(deliveries.iter().map(|delivery| delivery.token.as_str()), "+WPI").await
    }

    async fn set_aside(&mut self, delivery: &Delivery, reason: &str) -> Result<(), LogError> {
        self.bury(Some(&delivery.entry), &delivery.token, reason, delivery.entry.record.clone()).await
    }
}
