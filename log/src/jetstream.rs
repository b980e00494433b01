//! The log on NATS JetStream: a stream for each shard, kept by as many servers as the settings say.
//!
//! An acknowledged append survives what [`provision()`] made of the streams: `kill -9` and a power
//! cut of any of the servers, and of all of them where each message is fsynced. The streams' names
//! carry the epoch, so that an acknowledgement proves its position's; a log is tied to the streams
//! it found at its start, and says so once they are gone.

mod api;
mod append;
mod check;
mod deliveries;
mod entry;
mod expected;
mod identity;
mod link;
mod metrics;
mod names;
mod plan;
mod provision;
mod read;
mod settings;
mod shapes;
mod sync;
mod tail;
mod trim;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    drain::Drain,
    position::Position,
    random::Random,
    shard::{Shard, Shards},
};

use self::{
    api::Api,
    append::{Appender, Publish},
    deliveries::JetStreamDeliveries,
    identity::Identity,
    link::Link,
    names::{Names, StreamRef},
    shapes::{ConsumerInfo, MessageRequest, StreamInfo, from_nanos, read_time},
    tail::JetStreamTail,
};
pub use self::{
    metrics::Metrics as JetStreamMetrics,
    plan::{BadPlan, GroupPlan, Plan, StreamPlan},
    provision::{Provision, Renew, Report, provision},
    settings::JetStreamSettings,
};
use crate::{
    Appended, Deliveries, EventLog, Filter, LogError, LogPage, Metrics, NewEntry, PERSISTER,
    ShardState, Start, Tail, Trim,
};

/// How much later than a follower a leader may come to have an event that most replicas have taken;
/// it is milliseconds.
const LEADER_LAG: Duration = Duration::from_millis(750);

/// The pause before a leader that may lag is asked again.
const LEADER_PAUSE: Duration = Duration::from_millis(25);

/// The log on JetStream. Cheap to clone; clones are the same log, and the last one closes the
/// connections.
#[derive(Clone, Debug)]
pub struct JetStreamLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: JetStreamSettings,
    names: Names,
    /// One for each shard, in their order.
    streams: Vec<Arc<StreamRef>>,
    /// What each of them was when it was found.
    identities: Vec<Identity>,
    appender: Appender,
    api: Api,
    random: Random,
    metrics: JetStreamMetrics,
    log_metrics: Metrics,
}

// === impl JetStreamLog ===

impl JetStreamLog {
    /// Connects, one connection for publishing and one for reading, finds each shard's stream and
    /// checks everything that is relied on. The connections last until the drain begins: a stage
    /// that stops after everybody who appends and acknowledges.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] where the servers cannot be reached; [`LogError::Rejected`],
    /// sentences for the operator, where the streams were not provisioned, or something that is
    /// relied on is not honoured.
    pub async fn connect(
        settings: JetStreamSettings,
        random: Random,
        drain: &Drain,
        metrics: JetStreamMetrics,
        log_metrics: Metrics,
    ) -> Result<Self, LogError> {
        settings.check()?;
        let publishing =
            Link::connect("publish", &settings, &random, drain, metrics.publishing.clone()).await?;
        let reading =
            Link::connect("read", &settings, &random, drain, metrics.reading.clone()).await?;
        let names = Names::new(&settings.namespace);
        let api = Api { link: reading, wait: settings.request_timeout };
        if let Some(sentence) =
            check::version_sentence(&api.link.server_version().unwrap_or_default())
        {
            return Err(LogError::Rejected(sentence));
        }
        let (streams, identities) = find_streams(&api, &names, &settings).await?;
        let appender = Appender::new(publishing, &settings, random.clone(), metrics.clone());
        let shared = Shared {
            settings,
            names,
            streams,
            identities,
            appender,
            api,
            random,
            metrics,
            log_metrics,
        };
        let log = Self { shared: Arc::new(shared) };
        log.check_persister().await?;
        Ok(log)
    }

    /// Refuses a shard whose stream ends before what the store has noted (`seen`): it was restored
    /// or made anew, and would give positions a second time.
    ///
    /// # Errors
    /// [`LogError::Rejected`], a sentence for the operator; [`LogError::Unavailable`].
    pub async fn check_seen(
        &self,
        seen: impl Fn(Shard) -> Option<Position>,
    ) -> Result<(), LogError> {
        for stream in &self.shared.streams {
            let Some(seen) = seen(stream.shard) else { continue };
            let wanted = if seen.epoch() == stream.epoch { seen.sequence() } else { 0 };
            let end = match self.stream_through(stream, wanted).await {
                Ok(info) => info.state.last_seq,
                Err(LogError::Rejected(_)) => self.stream(stream).await?.state.last_seq,
                Err(error) => return Err(error),
            };
            let end = self.position(stream, end)?;
            if seen > end {
                return Err(LogError::Rejected(provision::behind_sentence(stream, end, seen)));
            }
        }
        Ok(())
    }

    /// What its positions are good for: those of another incarnation may be the same and mean other
    /// events. Empty before a first restore.
    pub fn incarnation(&self) -> Vec<u8> {
        let all: Vec<_> = self.shared.identities.iter().map(Identity::incarnation).collect();
        if all.iter().all(String::is_empty) { Vec::new() } else { all.join("/").into_bytes() }
    }

    /// A shard's stream.
    fn stream_of(&self, shard: Shard) -> Result<&Arc<StreamRef>, LogError> {
        let stream = self.shared.streams.get(usize::from(shard.number()));
        stream.ok_or_else(|| LogError::Rejected(format!("there is no shard {shard}")))
    }

    /// What a shard's stream was when it was found.
    fn identity(&self, stream: &StreamRef) -> Result<&Identity, LogError> {
        let identity = self.shared.identities.get(usize::from(stream.shard.number()));
        identity.ok_or_else(|| LogError::Rejected(format!("there is no shard {}", stream.shard)))
    }

    /// How a stream stands, as its leader knows it.
    async fn stream(&self, stream: &StreamRef) -> Result<StreamInfo, LogError> {
        self.stream_by(&self.shared.api, stream).await
    }

    /// The same, asked with another patience. Refuses a stream that is no longer the shard's.
    async fn stream_by(&self, api: &Api, stream: &StreamRef) -> Result<StreamInfo, LogError> {
        let identity = self.identity(stream)?;
        let seen = identity.seen()?;
        let info = api.stream(&stream.name).await?;
        let relied_on = (&self.shared.names, &self.shared.settings);
        identity.compare(relied_on, stream, &info, seen)?;
        Ok(info)
    }

    /// How a stream stands that has everything a group has come to. A group that is ahead of its
    /// stream, which has lost its end, would never be given what is appended up to there.
    async fn stream_of_group(
        &self,
        stream: &StreamRef,
        group: &ConsumerInfo,
    ) -> Result<StreamInfo, LogError> {
        let progress = group.progress();
        self.stream_through(stream, progress).await.map_err(|error| match error {
            LogError::Rejected(why) => LogError::Rejected(format!(
                "consumer {} of {} has come to sequence {progress}: {why}",
                group.config.name, stream.name
            )),
            error @ (LogError::Unavailable(_) | LogError::Full(_) | LogError::Conflict(_)) => error,
        })
    }

    /// How a stream stands whose end lies at `sequence` or later. A tail may have handed out an
    /// event by a replica that had it a moment before the leader: only what stays ahead is refused.
    async fn stream_through(
        &self,
        stream: &StreamRef,
        sequence: u64,
    ) -> Result<StreamInfo, LogError> {
        let deadline = Instant::now() + LEADER_LAG;
        loop {
            let info = self.stream(stream).await?;
            if sequence <= info.state.last_seq {
                return Ok(info);
            }
            if Instant::now() >= deadline {
                return Err(LogError::Rejected(format!(
                    "sequence {sequence} of epoch {} is ahead of the log's end",
                    stream.epoch
                )));
            }
            tokio::time::sleep(LEADER_PAUSE).await;
        }
    }

    fn position(&self, stream: &StreamRef, sequence: u64) -> Result<Position, LogError> {
        Position::new(stream.epoch, sequence).ok_or_else(|| {
            LogError::Rejected(format!("sequence {sequence} of {} fits no position", stream.name))
        })
    }

    /// Every role relies on the persister's progress. Another group is checked by who reads it.
    async fn check_persister(&self) -> Result<(), LogError> {
        let mut wrong = Vec::new();
        for stream in &self.shared.streams {
            wrong.extend(group_sentences(&self.shared.api, stream, PERSISTER).await?);
        }
        if wrong.is_empty() { Ok(()) } else { Err(LogError::Rejected(wrong.join("; "))) }
    }

    /// When the first event after `sequence` was stored.
    async fn stored_after(
        &self,
        stream: &StreamRef,
        sequence: u64,
    ) -> Result<Option<Timestamp>, LogError> {
        let next = MessageRequest {
            seq: Some(sequence + 1),
            next_by_subj: Some(">"),
            ..MessageRequest::default()
        };
        let message = self.shared.api.message(&stream.name, &next).await?;
        message.map(|message| read_time(&message.time)).transpose()
    }
}

/// Each shard's stream and what it is: of those that carry its number, the one of the highest
/// epoch.
async fn find_streams(
    api: &Api,
    names: &Names,
    settings: &JetStreamSettings,
) -> Result<(Vec<Arc<StreamRef>>, Vec<Identity>), LogError> {
    let found: Vec<_> =
        api.stream_names().await?.iter().filter_map(|name| names.parse_stream(name)).collect();
    let mut wrong = Vec::new();
    if let Some(beyond) = found.iter().find(|stream| stream.shard.number() >= settings.shards.get())
    {
        wrong.push(format!(
            "there is a stream {}, and nats.shards is {}",
            beyond.name, settings.shards
        ));
    }
    let (mut streams, mut identities) = (Vec::new(), Vec::new());
    for shard in Shards::new(settings.shards).all() {
        let Some(stream) =
            found.iter().filter(|stream| stream.shard == shard).max_by_key(|stream| stream.epoch)
        else {
            wrong.push(format!("shard {shard} has no stream: run `parlor provision`"));
            continue;
        };
        let info = api.stream(&stream.name).await?;
        wrong.extend(check::stream_sentences(names, stream, &info.config, settings));
        streams.push(Arc::new(stream.clone()));
        identities.push(Identity::new(&info)?);
    }
    if wrong.is_empty() {
        Ok((streams, identities))
    } else {
        Err(LogError::Rejected(wrong.join("; ")))
    }
}

/// What the consumer of a group does not honour; also that there is none.
async fn group_sentences(
    api: &Api,
    stream: &StreamRef,
    group: &str,
) -> Result<Vec<String>, LogError> {
    let missing =
        || vec![format!("stream {} has no consumer {group}: run `parlor provision`", stream.name)];
    match api.consumer(&stream.name, group).await {
        Ok(consumer) => Ok(check::group_sentences(&stream.name, &consumer.config)),
        Err(failure) => match LogError::from(failure) {
            LogError::Rejected(_) => Ok(missing()),
            error @ (LogError::Unavailable(_) | LogError::Full(_) | LogError::Conflict(_)) => {
                Err(error)
            }
        },
    }
}

#[async_trait]
impl EventLog for JetStreamLog {
    fn shards(&self) -> Shards {
        Shards::new(self.shared.settings.shards)
    }

    async fn append(&self, new: &NewEntry) -> Result<Appended, LogError> {
        let started = Instant::now();
        let NewEntry { conversation, id, record, expected } = new;
        let stream = self.stream_of(self.shards().of(&conversation.tenant))?;
        let publish = Publish {
            stream: &stream.name,
            subject: self.shared.names.subject(conversation, stream.shard),
            id: id.to_string(),
            headers: Vec::new(),
            payload: record.clone(),
        };
        let appending = async {
            let identity = self.identity(stream)?;
            let seen = identity.seen()?;
            let published = match expected {
                Some(expected) => {
                    let until = started + self.shared.settings.append_deadline;
                    expected::publish(self, stream, publish, *expected, until).await?
                }
                None => self.shared.appender.publish(&publish).await?,
            };
            identity.compare_published(stream, &published, seen)?;
            let position = self.position(stream, published.sequence)?;
            Ok(Appended { position, duplicate: published.duplicate })
        };
        let result = appending.await;
        self.shared.log_metrics.appended(&result, started.elapsed());
        result
    }

    async fn tail(&self, shard: Shard, start: Start) -> Result<Box<dyn Tail>, LogError> {
        let stream = self.stream_of(shard)?.clone();
        Ok(Box::new(JetStreamTail::start(self.clone(), stream, start).await?))
    }

    async fn read(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<LogPage, LogError> {
        let stream = self.stream_of(self.shards().of(filter.tenant()))?;
        read::page(self, stream, filter, after, limit).await
    }

    async fn deliveries(&self, shard: Shard, group: &str) -> Result<Box<dyn Deliveries>, LogError> {
        let stream = self.stream_of(shard)?.clone();
        Ok(Box::new(JetStreamDeliveries::open(self.clone(), stream, group).await?))
    }

    async fn last(&self, conversation: &ConversationKey) -> Result<Position, LogError> {
        let stream = self.stream_of(self.shards().of(&conversation.tenant))?;
        let subject = self.shared.names.subject(conversation, stream.shard);
        let last = MessageRequest { last_by_subj: Some(&subject), ..MessageRequest::default() };
        // The leader is asked, which compares an append with the same.
        match self.shared.api.message(&stream.name, &last).await? {
            Some(message) => self.position(stream, message.seq),
            None => Ok(Position::ZERO),
        }
    }

    async fn state(&self, shard: Shard) -> Result<ShardState, LogError> {
        let stream = self.stream_of(shard)?;
        // The group first: what it has acknowledged by now is in the stream when that is asked.
        let group = self.shared.api.consumer(&stream.name, PERSISTER).await?;
        let info = self.stream_of_group(stream, &group).await?;
        let floor = group.ack_floor.stream_seq;
        let oldest_unpersisted = if floor < info.state.last_seq {
            self.stored_after(stream, floor).await?
        } else {
            None
        };
        Ok(ShardState {
            start: self.position(stream, info.state.first_seq.saturating_sub(1))?,
            end: self.position(stream, info.state.last_seq)?,
            persisted: self.position(stream, floor)?,
            oldest_unpersisted,
            max_age: from_nanos(info.config.max_age),
            used_bytes: info.state.bytes,
            max_bytes: u64::try_from(info.config.max_bytes).ok().filter(|bytes| *bytes > 0),
            time: read_time(&info.ts)?,
        })
    }

    async fn trim(&self, shard: Shard, trim: Trim) -> Result<u64, LogError> {
        let stream = self.stream_of(shard)?;
        trim::trim(self, stream, trim).await
    }
}
