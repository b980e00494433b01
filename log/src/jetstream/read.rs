//! Reading a page: the leader says how far it must reach, any replica hands it out.

use std::time::{Duration, Instant};

use async_nats::StatusCode;
use bytes::Bytes;
use parlor_common::{deadline::in_time, position::Position};
use tracing::debug;

use super::{
    JetStreamLog,
    entry::{Direct, direct, raw},
    link::NoAnswer,
    names::StreamRef,
    shapes::MessageRequest,
};
use crate::{Entry, Filter, LogError, LogPage};

/// The most messages of one question, and the most of their bytes (it ends with the message that
/// reaches them).
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// So many messages are asked of the leader, one after the other, before a replica is asked again.
const LEADER_RUN: usize = 256;

/// The pause before a page is asked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a replica may take for one answer before the leader is asked instead.
const REPLICA_WAIT: Duration = Duration::from_secs(1);

/// A page in the making.
struct Reading<'a> {
    log: &'a JetStreamLog,
    stream: &'a StreamRef,
    subject: &'a str,
    limit: usize,
    /// The last sequence under the subject, as the leader knows it: the page must reach it, or be
    /// full.
    target: u64,
    deadline: Instant,
    /// Everything under the subject up to here is in `entries`.
    reached: u64,
    entries: Vec<Entry>,
}

pub(super) async fn page(
    log: &JetStreamLog,
    stream: &StreamRef,
    filter: &Filter,
    after: Position,
    limit: usize,
) -> Result<LogPage, LogError> {
    let within = log.shared.settings.read_deadline;
    let deadline = Instant::now() + within;
    in_time(within, LogError::Unavailable, async {
        loop {
            // An election that is over in time is not worth telling anybody.
            match read(log, stream, filter, after, limit.max(1), deadline).await {
                Err(LogError::Unavailable(why)) => {
                    debug!(stream = stream.name, why, "a page is asked for again")
                }
                answer => return answer,
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await
}

async fn read(
    log: &JetStreamLog,
    stream: &StreamRef,
    filter: &Filter,
    after: Position,
    limit: usize,
    deadline: Instant,
) -> Result<LogPage, LogError> {
    if after.epoch() > stream.epoch {
        return Err(LogError::Rejected(format!(
            "{after} is of a later epoch than {}",
            stream.epoch
        )));
    }
    let sequence = if after.epoch() == stream.epoch { after.sequence() } else { 0 };
    let info = log.stream_through(stream, sequence).await?;
    let first = sequence.max(info.state.first_seq.saturating_sub(1));
    let subject = log.shared.names.filter(filter, stream.shard);
    let last = MessageRequest { last_by_subj: Some(&subject), ..MessageRequest::default() };
    let target =
        log.shared.api.message(&stream.name, &last).await?.map_or(0, |message| message.seq);

    let mut reading = Reading {
        log,
        stream,
        subject: &subject,
        limit,
        target,
        deadline,
        reached: first,
        entries: Vec::new(),
    };
    reading.fill().await?;
    let Reading { mut entries, reached, .. } = reading;
    let through = if reached < target { reached } else { info.state.last_seq.max(reached) };
    let mut from = log.position(stream, first)?;
    let through = log.position(stream, through)?;
    if first < info.state.last_seq {
        // What went between the questions is missing from the page, which begins after it.
        let now = log.stream(stream).await?.state.first_seq;
        from = from.max(log.position(stream, now.saturating_sub(1))?);
        entries.retain(|entry| entry.position > from);
    }
    Ok(LogPage { entries, from, through: through.max(from) })
}

// === impl Reading ===

impl Reading<'_> {
    /// Reads until the page is full or has reached the target.
    async fn fill(&mut self) -> Result<(), LogError> {
        while self.open() {
            let before = self.reached;
            self.ask_replica().await?;
            if self.reached > before {
                continue;
            }
            // The replica lags or is silent, and the next one asked may be the same.
            for _ in 0..LEADER_RUN {
                if self.open() {
                    self.ask_leader().await?;
                }
            }
        }
        Ok(())
    }

    fn open(&self) -> bool {
        self.entries.len() < self.limit && self.reached < self.target
    }

    /// One batch from whoever answers, which may be a replica that has not got everything yet. A
    /// batch that ends early is whole as far as it goes: a replica has what it has without holes
    /// and hands it out in order, and each answer tells which one came before it.
    async fn ask_replica(&mut self) -> Result<(), LogError> {
        let batch = (self.limit - self.entries.len()).min(BATCH);
        let request = MessageRequest {
            seq: Some(self.reached + 1),
            next_by_subj: Some(self.subject),
            batch: Some(batch),
            max_bytes: Some(BATCH_BYTES),
            ..MessageRequest::default()
        };
        let payload =
            serde_json::to_vec(&request).map_err(|error| LogError::Rejected(error.to_string()))?;
        let deadline = self.deadline.min(Instant::now() + REPLICA_WAIT);
        let subject = format!("$JS.API.DIRECT.GET.{}", self.stream.name);
        let mut answers = match self
            .log
            .shared
            .api
            .link
            .ask_many(subject, Bytes::from(payload), batch + 1, deadline)
            .await
        {
            Ok(answers) => answers,
            Err(none @ NoAnswer::Unsendable) => return Err(none.into()),
            Err(NoAnswer::TimedOut | NoAnswer::Disconnected | NoAnswer::NoResponders) => {
                return Ok(());
            }
        };
        // Silence ends the batch as its end would: what is missing is asked for again.
        while let Ok(Some(answer)) = tokio::time::timeout_at(deadline.into(), answers.next()).await
        {
            if answer.status.is_some_and(|status| status != StatusCode::OK) {
                break;
            }
            let Some(Direct { sequence, previous, entry }) =
                direct(&self.log.shared.names, self.stream, &answer)
            else {
                break;
            };
            // An answer before this one was lost on its way: it is asked for again.
            if previous > self.reached || sequence <= self.reached {
                break;
            }
            self.take(sequence, entry);
            if !self.open() {
                break;
            }
        }
        Ok(())
    }

    /// The next message from the stream's leader, which has everything.
    async fn ask_leader(&mut self) -> Result<(), LogError> {
        self.log.shared.metrics.leader_reads.inc();
        let next = MessageRequest {
            seq: Some(self.reached + 1),
            next_by_subj: Some(self.subject),
            ..MessageRequest::default()
        };
        let Some(message) = self.log.shared.api.message(&self.stream.name, &next).await? else {
            // What was there has been erased, or has grown too old, since the leader named it.
            self.reached = self.target;
            return Ok(());
        };
        let entry = raw(&self.log.shared.names, self.stream, &message)
            .filter(|_| message.seq > self.reached)
            .ok_or_else(|| {
                LogError::Unavailable("a message of the leader cannot be read".to_owned())
            })?;
        self.take(message.seq, entry);
        Ok(())
    }

    fn take(&mut self, sequence: u64, entry: Option<Entry>) {
        self.reached = sequence;
        self.entries.extend(entry);
    }
}
