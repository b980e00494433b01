//! Provisioning: what the plan asks for is made, what differs is brought into line, what cannot be
//! is a sentence.
//!
//! It may run at any time, again, and twice at once: everything it does is the same however often
//! it is done, and what another run does in between is read back and looked at anew.

mod merge;

use std::{fmt, time::Duration};

use parlor_common::{
    drain::Drain,
    position::{Epoch, Position},
    random::Random,
    shard::{Shard, Shards},
};
use tokio::time::Instant;

use self::merge::merge;
use super::{
    api::{Api, ApiFailure},
    check::{self, SYNC, SYNC_ALWAYS},
    link::Link,
    metrics::Metrics,
    names::{Names, StreamRef},
    plan::Plan,
    settings::JetStreamSettings,
    shapes::{ApiError, StreamConfig, StreamInfo},
    sync,
};
use crate::{LogError, PERSISTER};

/// How long a step is tried while the servers are electing: a stream that was made just now has no
/// leader yet.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a shard is looked at anew after another run has changed it in between.
const LOOKS: usize = 5;

/// What a run is given.
#[derive(Debug)]
pub struct Provision<'a> {
    /// Which servers, how many shards and replicas.
    pub settings: &'a JetStreamSettings,
    /// What is asked for.
    pub plan: &'a Plan,
    /// The monitoring addresses of all servers, `http://host:port`, which tell whether they fsync
    /// every message. Without one what was noted earlier stays.
    pub monitors: &'a [String],
    /// Whether a shard whose stream ends before what the store has noted gets a new stream.
    pub renew: bool,
    /// For names of its own.
    pub random: &'a Random,
    /// The stage its connection belongs to.
    pub drain: &'a Drain,
    /// What its connection counts.
    pub metrics: &'a Metrics,
}

/// What was done, as sentences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One for each thing that was made or changed; none where everything was as it should be.
    pub changes: Vec<String>,
}

/// Makes and checks streams and consumers. `seen` is the highest position of each shard that the
/// store has noted.
///
/// # Errors
/// [`LogError::Unavailable`]: run it again. [`LogError::Rejected`]: sentences for the operator.
pub async fn provision(
    what: Provision<'_>,
    seen: impl Fn(Shard) -> Option<Position>,
) -> Result<Report, LogError> {
    let Provision { settings, plan, monitors, renew, random, drain, metrics } = what;
    settings.check()?;
    let synced = synced(settings, monitors).await?;
    let link = Link::connect("read", settings, random, drain, metrics.reading.clone()).await?;
    if let Some(sentence) = check::version_sentence(&link.server_version().unwrap_or_default()) {
        return Err(LogError::Rejected(sentence));
    }
    // A single server takes an update to more replicas, and then has a stream that no leader can
    // lead.
    if settings.replicas > 1 && !link.clustered() {
        let sentence = format!(
            "nats.replicas is {}, and the server is alone, in no cluster",
            settings.replicas
        );
        return Err(LogError::Rejected(sentence));
    }
    let api = Api { link, wait: Duration::from_secs(5) };
    let names = Names::new(&settings.namespace);
    let mut run = Run { settings, plan, renew, synced, api, names, report: Report::default() };
    run.check_shards().await?;
    let dead = plan.dead_letters.config(
        &run.names.dead_letter_stream(),
        run.names.dead_letter_subjects(),
        settings,
    );
    run.ensure_stream(dead).await?;
    for shard in Shards::new(settings.shards).all() {
        run.ensure_shard(shard, seen(shard)).await?;
    }
    run.read_back().await?;
    Ok(run.report)
}

/// Why a stream is refused whose end lies before what the store has noted.
pub(super) fn behind_sentence(stream: &StreamRef, end: Position, seen: Position) -> String {
    format!(
        "stream {} ends at {end}, and the store has seen {seen} of shard {}: it was restored or \
         made anew, and would give \
         positions a second time. Provision with renew to keep it aside and begin a new epoch",
        stream.name, stream.shard
    )
}

/// One run.
struct Run<'a> {
    settings: &'a JetStreamSettings,
    plan: &'a Plan,
    renew: bool,
    /// What is to be noted about fsync; `None` where nobody could be asked.
    synced: Option<&'static str>,
    api: Api,
    names: Names,
    report: Report,
}

/// Somebody else was faster, or something is wrong.
enum Step {
    Anew,
    Failed(LogError),
}

// === impl Run ===

impl Run<'_> {
    /// A stream of a shard that the settings do not know would be left behind with its tenants.
    async fn check_shards(&self) -> Result<(), LogError> {
        let names = self
            .patiently(async || self.api.stream_names().await)
            .await
            .map_err(|failure| refusal("the streams cannot be listed", failure))?;
        let found = names.iter().filter_map(|name| self.names.parse_stream(name));
        match found.into_iter().find(|stream| stream.shard.number() >= self.settings.shards.get()) {
            Some(stream) => Err(LogError::Rejected(format!(
                "there is a stream {}, and nats.shards is {}: the number of shards never changes",
                stream.name, self.settings.shards
            ))),
            None => Ok(()),
        }
    }

    async fn ensure_shard(&mut self, shard: Shard, seen: Option<Position>) -> Result<(), LogError> {
        for _ in 0..LOOKS {
            match self.try_shard(shard, seen).await {
                Ok(()) => return Ok(()),
                Err(Step::Anew) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(Step::Failed(error)) => return Err(error),
            }
        }
        Err(LogError::Unavailable(format!("shard {shard} is being changed by somebody else")))
    }

    async fn try_shard(&mut self, shard: Shard, seen: Option<Position>) -> Result<(), Step> {
        let names = self
            .patiently(async || self.api.stream_names().await)
            .await
            .map_err(|failure| Step::of("the streams cannot be listed", failure))?;
        let found = names
            .iter()
            .filter_map(|name| self.names.parse_stream(name))
            .filter(|stream| stream.shard == shard);
        let stream = match found.max_by_key(|stream| stream.epoch) {
            None => self.names.stream(shard, epoch_after(seen.map(Position::epoch))?),
            Some(current) => match self.successor(&current, seen).await? {
                None => current,
                Some(epoch) => self.names.stream(shard, epoch),
            },
        };
        let config = self.plan.chat.config(&stream.name, self.names.subjects(shard), self.settings);
        self.try_stream(config).await?;
        for (group, plan) in &self.plan.groups {
            let config = plan.config(group);
            self.try_group(&stream.name, group, config).await?;
        }
        Ok(())
    }

    /// The epoch of the stream that follows `current`; `None` where that one is to stay.
    async fn successor(
        &mut self,
        current: &StreamRef,
        seen: Option<Position>,
    ) -> Result<Option<Epoch>, Step> {
        let info = self.stream(&current.name).await?;
        let next = || {
            epoch_after(Some(seen.map_or(current.epoch, |seen| seen.epoch().max(current.epoch))))
                .map(Some)
        };
        let aside = self.names.old_subjects(current);
        if info.config.subjects == [aside.as_str()] {
            // An earlier run moved it and got no further.
            return Ok(next()?);
        }
        let end = |info: &StreamInfo| {
            Position::new(current.epoch, info.state.last_seq).ok_or_else(|| {
                LogError::Rejected(format!("stream {} is out of positions", current.name))
            })
        };
        let Some(seen) = seen else { return Ok(None) };
        if seen <= end(&info)? {
            return Ok(None);
        }
        // A leader may come to have an event milliseconds after a follower that delivered it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let info = self.stream(&current.name).await?;
        let end = end(&info)?;
        if seen <= end {
            return Ok(None);
        }
        if !self.renew {
            return Err(Step::Failed(LogError::Rejected(behind_sentence(current, end, seen))));
        }
        let unstored = match self.api.consumer(&current.name, PERSISTER).await {
            Ok(group) => (group.num_pending + group.num_ack_pending).to_string(),
            Err(_) => "an unknown number".to_owned(),
        };
        let config = StreamConfig { subjects: vec![aside.clone()], ..info.config };
        self.update(&config).await?;
        self.report.changes.push(format!(
            "stream {} is kept aside under {aside}; {unstored} of its entries were not \
             acknowledged by {PERSISTER}",
            current.name
        ));
        Ok(next()?)
    }

    async fn ensure_stream(&mut self, wanted: StreamConfig) -> Result<(), LogError> {
        for _ in 0..LOOKS {
            match self.try_stream(wanted.clone()).await {
                Ok(()) => return Ok(()),
                Err(Step::Anew) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(Step::Failed(error)) => return Err(error),
            }
        }
        Err(LogError::Unavailable(format!(
            "stream {} is being changed by somebody else",
            wanted.name
        )))
    }

    async fn try_stream(&mut self, mut wanted: StreamConfig) -> Result<(), Step> {
        let there = self.patiently(async || self.api.stream(&wanted.name).await).await;
        let info = match there {
            Ok(info) => info,
            Err(failure) if failure.is(ApiError::STREAM_NOT_FOUND) => {
                if let Some(synced) = self.synced {
                    wanted.metadata.insert(SYNC.to_owned(), synced.to_owned());
                }
                let made = self.patiently(async || self.api.create_stream(&wanted).await).await;
                made.map_err(|failure| {
                    Step::of(&format!("stream {} cannot be made", wanted.name), failure)
                })?;
                self.report.changes.push(format!("stream {} is made", wanted.name));
                return self.stream(&wanted.name).await.map(drop);
            }
            Err(failure) => {
                return Err(Step::of(&format!("stream {} cannot be read", wanted.name), failure));
            }
        };
        let merged = merge(&info.config, wanted, self.synced)
            .map_err(|why| Step::Failed(LogError::Rejected(why)))?;
        if merged == info.config {
            return Ok(());
        }
        self.update(&merged).await?;
        self.report.changes.push(format!("stream {} is brought into line", merged.name));
        Ok(())
    }

    async fn try_group(
        &mut self,
        stream: &str,
        group: &str,
        wanted: super::shapes::ConsumerConfig,
    ) -> Result<(), Step> {
        let of = format!("consumer {group} of {stream}");
        let (config, action, done) = match self
            .patiently(async || self.api.consumer(stream, group).await)
            .await
        {
            Err(failure) if failure.is(ApiError::CONSUMER_NOT_FOUND) => (wanted, "create", "made"),
            Err(failure) => return Err(Step::of(&format!("{of} cannot be read"), failure)),
            Ok(info) => {
                let (ack_wait, max_ack_pending) = (wanted.ack_wait, wanted.max_ack_pending);
                let merged = super::shapes::ConsumerConfig {
                    ack_wait,
                    max_ack_pending,
                    max_deliver: -1,
                    ..info.config.clone()
                };
                if let Some(sentence) = check::group_sentences(stream, &merged).into_iter().next() {
                    return Err(Step::Failed(LogError::Rejected(format!(
                        "{sentence}, and that cannot be changed"
                    ))));
                }
                if merged == info.config {
                    return Ok(());
                }
                (merged, "update", "brought into line")
            }
        };
        let put =
            self.patiently(async || self.api.put_consumer(stream, &config, action).await).await;
        put.map_err(|failure| Step::of(&format!("{of} cannot be {done}"), failure))?;
        self.report.changes.push(format!("{of} is {done}"));
        Ok(())
    }

    async fn update(&self, config: &StreamConfig) -> Result<(), Step> {
        let updated = self.patiently(async || self.api.update_stream(config).await).await;
        updated.map_err(|failure| {
            Step::of(&format!("stream {} cannot be brought into line", config.name), failure)
        })
    }

    async fn stream(&self, name: &str) -> Result<StreamInfo, Step> {
        let info = self.patiently(async || self.api.stream(name).await).await;
        info.map_err(|failure| Step::of(&format!("stream {name} cannot be read"), failure))
    }

    /// Reads everything back as the roles will.
    async fn read_back(&self) -> Result<(), LogError> {
        let (streams, _) = super::find_streams(&self.api, &self.names, self.settings).await?;
        let mut wrong = Vec::new();
        for stream in &streams {
            for group in self.plan.groups.keys() {
                wrong.extend(super::group_sentences(&self.api, stream, group).await?);
            }
        }
        let dead = self.names.dead_letter_stream();
        let config = self.api.stream(&dead).await?.config;
        wrong.extend(check::durable_sentences(&dead, &config, self.settings));
        if wrong.is_empty() { Ok(()) } else { Err(LogError::Rejected(wrong.join("; "))) }
    }

    /// Asks again while the servers have no answer yet.
    async fn patiently<T>(
        &self,
        ask: impl AsyncFn() -> Result<T, ApiFailure>,
    ) -> Result<T, ApiFailure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pause = match ask().await {
                Err(ApiFailure::NoAnswer(_) | ApiFailure::Doubtful(_)) => {
                    Duration::from_millis(200)
                }
                Err(ApiFailure::Refused(error)) if error.is_passing() => Duration::from_millis(200),
                answer => return answer,
            };
            if Instant::now() + pause >= deadline {
                return ask().await;
            }
            tokio::time::sleep(pause).await;
        }
    }
}

// === impl Step ===

impl Step {
    fn of(what: &str, failure: ApiFailure) -> Self {
        match failure {
            ApiFailure::Refused(error) if error.is_conflict() => Self::Anew,
            failure => Self::Failed(refusal(what, failure)),
        }
    }
}

impl From<LogError> for Step {
    fn from(error: LogError) -> Self {
        Self::Failed(error)
    }
}

// === impl Report ===

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return f.write_str("the log is as it should be");
        }
        self.changes.iter().try_for_each(|change| writeln!(f, "{change}"))
    }
}

/// A refusal as a sentence.
fn refusal(what: &str, failure: ApiFailure) -> LogError {
    match failure {
        ApiFailure::Refused(error) if error.is_passing() => {
            LogError::Unavailable(format!("{what}: {}", error.description))
        }
        ApiFailure::Refused(error) if error.err_code == ApiError::NO_ROOM => {
            LogError::Rejected(format!(
                "{what}: the max_bytes of all streams together do not fit the servers' \
                 max_file_store ({})",
                error.description
            ))
        }
        ApiFailure::Refused(error) => {
            LogError::Rejected(format!("{what}: {} ({})", error.description, error.err_code))
        }
        failure @ (ApiFailure::NoAnswer(_) | ApiFailure::Doubtful(_)) => {
            LogError::Unavailable(format!("{what}: {failure}"))
        }
    }
}

/// What can be noted about fsync.
async fn synced(
    settings: &JetStreamSettings,
    monitors: &[String],
) -> Result<Option<&'static str>, LogError> {
    if monitors.is_empty() {
        return Ok(None);
    }
    let wrong = sync::sentences(&sync::servers(monitors).await?, settings.replicas > 1);
    match wrong.is_empty() {
        true => Ok(Some(SYNC_ALWAYS)),
        false if settings.allow_unsynced => Ok(Some("no")),
        false => Err(LogError::Rejected(wrong.join("; "))),
    }
}

fn epoch_after(epoch: Option<Epoch>) -> Result<Epoch, LogError> {
    match epoch {
        None => Ok(Epoch::FIRST),
        Some(epoch) => {
            epoch.next().ok_or_else(|| LogError::Rejected("there are no more epochs".to_owned()))
        }
    }
}
