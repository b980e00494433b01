//! Deliveries: pulled from a durable consumer, each acknowledged by itself.
//!
//! Each pull is a request with an end that the server tells. No pull is left standing for long:
//! those have stalled in several releases of the server, with entries pending and none coming.

mod pulled;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_nats::{Message, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};

use self::pulled::{Inbox, Pulled};
use super::{
    JetStreamLog, append::Publish, check::group_sentences, entry::AckReply, names::StreamRef,
    shapes::nanos,
};
use crate::{BatchLimit, Deliveries, Delivery, Entry, LogError, is_group_name};

/// How long a call waits for a first delivery.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// How much longer than a pull lasts its end may take to arrive.
const SLACK: Duration = Duration::from_millis(1500);

/// How long a message that was delivered may take to follow the end of its pull.
const SETTLE: Duration = Duration::from_millis(500);

/// The shortest time that a pull for the rest of a batch lasts; the server's timers are no finer.
const MIN_LINGER: Duration = Duration::from_millis(5);

/// After this many calls in a row that found nothing the server is asked whether there is
/// something.
const EMPTY_CALLS: u32 = 5;

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 500;

/// One reader of a group.
pub(super) struct JetStreamDeliveries {
    log: JetStreamLog,
    stream: Arc<StreamRef>,
    group: String,
    /// Replies to pull number `n` come to `<inbox>.<n>`; delivered messages carry their own
    /// subject.
    inbox: String,
    messages: Subscriber,
    pulls: u64,
    /// A pull for a first delivery that has not ended; it outlives a dropped call.
    waiting: Option<Pull>,
    /// What has arrived and was not handed out: it came too late for its pull, or did not fit.
    held: VecDeque<Delivery>,
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

// === impl JetStreamDeliveries ===

impl JetStreamDeliveries {
    pub(super) async fn open(
        log: JetStreamLog,
        stream: Arc<StreamRef>,
        group: &str,
    ) -> Result<Self, LogError> {
        if !is_group_name(group) {
            return Err(LogError::Rejected(format!("{group:?} cannot be a group's name")));
        }
        let consumer = log.shared.api.consumer(&stream.name, group).await?;
        if let Some(sentence) = group_sentences(&stream.name, &consumer.config).into_iter().next() {
            return Err(LogError::Rejected(sentence));
        }
        log.stream_of_group(&stream, &consumer).await?;
        let inbox = log.shared.api.link.unique_subject();
        let wait = log.shared.settings.request_timeout;
        let messages = log.shared.api.link.subscribe(format!("{inbox}.*"), wait).await?;
        let group = group.to_owned();
        Ok(Self {
            log,
            stream,
            group,
            inbox,
            messages,
            pulls: 0,
            waiting: None,
            held: VecDeque::new(),
            empty: 0,
        })
    }

    /// Asks for `batch` deliveries within `lasting`.
    async fn pull(
        &mut self,
        batch: usize,
        max_bytes: Option<usize>,
        lasting: Duration,
    ) -> Result<Pull, LogError> {
        self.pulls += 1;
        let pull = Pull { number: self.pulls, until: Instant::now() + lasting + SLACK };
        let request = PullRequest { batch, max_bytes, expires: nanos(lasting) };
        let request =
            serde_json::to_vec(&request).map_err(|error| LogError::Rejected(error.to_string()))?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream.name, self.group);
        let reply = format!("{}.{}", self.inbox, pull.number);
        let wait = self.log.shared.settings.request_timeout;
        self.log
            .shared
            .api
            .link
            .publish_from(subject, Some(reply), Bytes::from(request), wait)
            .await?;
        Ok(pull)
    }

    /// The next thing that comes to the inbox; cancel safe, since it is handed out as soon as it is
    /// taken.
    async fn receive(&mut self, pull: Pull) -> Pulled {
        match timeout_at(pull.until, self.messages.next()).await {
            Ok(Some(message)) => self.read(&message),
            Ok(None) => Pulled::Failed(LogError::Unavailable("the connection is lost".to_owned())),
            Err(_) => {
                self.log.shared.api.link.doubt();
                Pulled::Failed(LogError::Unavailable("a pull did not end in time".to_owned()))
            }
        }
    }

    fn read(&self, message: &Message) -> Pulled {
        let inbox = Inbox {
            names: &self.log.shared.names,
            stream: &self.stream,
            subject: &self.inbox,
            pull: self.pulls,
        };
        inbox.read(message)
    }

    /// Waits for a first delivery; none is held when there was none for a while.
    async fn first(&mut self) -> Result<(), LogError> {
        let mut pull = match self.waiting {
            Some(pull) => pull,
            None => {
                let pull = self.pull(1, None, FIRST_WAIT).await?;
                *self.waiting.insert(pull)
            }
        };
        loop {
            match self.receive(pull).await {
                Pulled::Delivery(delivery) => {
                    self.waiting = None;
                    self.held.push_back(delivery);
                    return Ok(());
                }
                Pulled::Foreign(token) => {
                    self.waiting = None;
                    return self.dead_letter_foreign(&token).await;
                }
                Pulled::End { number, undelivered: 0 } if number == pull.number => {
                    pull.until = Instant::now() + SETTLE;
                    self.waiting = Some(pull);
                }
                Pulled::End { number, .. } if number == pull.number => {
                    self.waiting = None;
                    return Ok(());
                }
                Pulled::End { .. } | Pulled::Nothing => {}
                Pulled::Failed(error) => {
                    self.waiting = None;
                    return Err(self.explain(error).await);
                }
            }
        }
    }

    /// Takes what else is there, until `count` more are held or the linger is over.
    async fn fill_batch(
        &mut self,
        count: usize,
        bytes: usize,
        linger: Duration,
    ) -> Result<(), LogError> {
        let mut pull = self.pull(count, Some(bytes), linger.max(MIN_LINGER)).await?;
        let (mut left, mut ended) = (count, false);
        while left > 0 {
            match self.receive(pull).await {
                Pulled::Delivery(delivery) => {
                    left -= 1;
                    self.held.push_back(delivery);
                }
                Pulled::Foreign(token) => {
                    left -= 1;
                    self.dead_letter_foreign(&token).await?;
                }
                Pulled::End { number, undelivered } if number == pull.number => {
                    left = left.saturating_sub(undelivered);
                    pull.until = Instant::now() + SETTLE;
                    ended = true;
                }
                Pulled::End { .. } | Pulled::Nothing => {}
                // What has not arrived by now comes with a later call.
                Pulled::Failed(_) if ended => break,
                Pulled::Failed(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes what has arrived, without waiting.
    async fn arrived(&mut self) -> Result<(), LogError> {
        while let Some(Some(message)) = self.messages.next().now_or_never() {
            let pulled = self.read(&message);
            // Whatever it is but a heartbeat, it ends the pull that waits.
            if !matches!(pulled, Pulled::Nothing) {
                self.waiting = None;
            }
            match pulled {
                Pulled::Delivery(delivery) => self.held.push_back(delivery),
                Pulled::Foreign(token) => self.dead_letter_foreign(&token).await?,
                Pulled::End { .. } | Pulled::Nothing | Pulled::Failed(_) => {}
            }
        }
        Ok(())
    }

    /// Moves what is held to `taken`, within the limit; the first of all always fits.
    fn hand_out(&mut self, taken: &mut Vec<Delivery>, limit: BatchLimit) {
        while taken.len() < limit.count.max(1) {
            let room = room(taken, limit);
            let fits =
                |delivery: &mut Delivery| taken.is_empty() || delivery.entry.record.len() <= room;
            match self.held.pop_front_if(fits) {
                Some(delivery) => taken.push(delivery),
                None => return,
            }
        }
    }

    /// A failed pull may mean that the consumer is gone.
    async fn explain(&self, failure: LogError) -> LogError {
        match self.log.shared.api.consumer(&self.stream.name, &self.group).await {
            Err(error) => match LogError::from(error) {
                gone @ LogError::Rejected(_) => gone,
                LogError::Unavailable(_) | LogError::Full(_) | LogError::Conflict(_) => failure,
            },
            Ok(_) => failure,
        }
    }

    /// Asks the server whether there is something, after many calls have found nothing.
    async fn check_stalled(&mut self) -> Result<(), LogError> {
        self.empty = 0;
        let consumer = self.log.shared.api.consumer(&self.stream.name, &self.group).await?;
        if consumer.num_pending == 0 || consumer.num_ack_pending > 0 {
            return Ok(());
        }
        self.log.shared.metrics.stalls.inc();
        warn!(shard = %self.stream.shard, backlog = consumer.num_pending, "the group's consumer \
            delivers nothing");
        self.log.shared.api.step_down(&self.stream.name, &self.group).await;
        Err(LogError::Unavailable(
            "the group's consumer delivers nothing although there is something".to_owned(),
        ))
    }

    async fn answer(
        &self,
        tokens: impl Iterator<Item = &str>,
        verb: &'static str,
    ) -> Result<(), LogError> {
        let (link, wait) = (&self.log.shared.api.link, self.log.shared.settings.request_timeout);
        for token in tokens {
            link.publish(token.to_owned(), Bytes::from_static(verb.as_bytes()), wait).await?;
        }
        Ok(link.flush(wait).await?)
    }

    async fn keep_dead_letter(
        &self,
        entry: Option<&Entry>,
        token: &str,
        reason: &str,
        record: Bytes,
    ) -> Result<(), LogError> {
        let sequence = AckReply::parse(token).map(|reply| reply.sequence);
        let sequence =
            sequence.ok_or_else(|| LogError::Rejected("not a delivery of this log".to_owned()))?;
        let names = &self.log.shared.names;
        let reason: String =
            reason.chars().filter(|char| !char.is_control()).take(MAX_REASON).collect();
        let publish = Publish {
            stream: &names.dead_letter_stream(),
            subject: names
                .dead_letter_subject(entry.map(|entry| &entry.conversation), self.stream.shard),
            id: format!("{}:{}:{sequence}", self.stream.name, self.group),
            headers: vec![
                ("Parlor-Stream", self.stream.name.clone()),
                ("Parlor-Sequence", sequence.to_string()),
                ("Parlor-Group", self.group.clone()),
                ("Parlor-Reason", reason),
            ],
            payload: record,
        };
        self.log.shared.appender.publish(&publish).await?;
        self.log.shared.metrics.dead_letters.inc();
        self.answer(std::iter::once(token), "+TERM").await
    }

    async fn dead_letter_foreign(&self, token: &str) -> Result<(), LogError> {
        let sequence = AckReply::parse(token).map(|reply| reply.sequence);
        error!(shard = %self.stream.shard, sequence, "a message under a foreign subject is a dead \
            letter");
        // It stays in the stream too: who looks for it finds it by its sequence.
        self.keep_dead_letter(None, token, "its subject is no conversation's", Bytes::new()).await
    }
}

/// How many bytes more may be taken.
fn room(taken: &[Delivery], limit: BatchLimit) -> usize {
    limit.bytes.saturating_sub(taken.iter().map(|delivery| delivery.entry.record.len()).sum())
}

#[async_trait]
impl Deliveries for JetStreamDeliveries {
    async fn next(
        &mut self,
        limit: BatchLimit,
        linger: Duration,
    ) -> Result<Vec<Delivery>, LogError> {
        // A stream that is no longer the shard's gives positions a second time.
        self.log.identity(&self.stream)?.seen()?;
        self.arrived().await?;
        if self.held.is_empty() {
            self.first().await?;
        }
        let mut taken = Vec::new();
        self.hand_out(&mut taken, limit);
        if taken.is_empty() {
            self.empty += 1;
            if self.empty >= EMPTY_CALLS {
                self.check_stalled().await?;
            }
            return Ok(taken);
        }
        self.empty = 0;
        let (count, bytes) = (limit.count.saturating_sub(taken.len()), room(&taken, limit));
        if self.held.is_empty() && count > 0 && bytes > 0 {
            // What was taken is worth handing out, whatever became of the rest.
            if let Err(error) = self.fill_batch(count, bytes, linger).await {
                warn!(shard = %self.stream.shard, %error, "a batch was cut short");
            }
            self.hand_out(&mut taken, limit);
        }
        Ok(taken)
    }

    async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), LogError> {
        self.answer(deliveries.iter().map(|delivery| delivery.token.as_str()), "+ACK").await
    }

    async fn progress(&mut self, deliveries: &[Delivery]) -> Result<(), LogError> {
        self.answer(deliveries.iter().map(|delivery| delivery.token.as_str()), "+WPI").await
    }

    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), LogError> {
        self.keep_dead_letter(
            Some(&delivery.entry),
            &delivery.token,
            reason,
            delivery.entry.record.clone(),
        )
        .await
    }
}
