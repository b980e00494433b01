//! Provisioning: what the plan asks for is made, what differs is brought into line, what cannot be
//! is a sentence.
//!
//! It may run at any time, again, and twice at once: everything it does is the same however often
//! it is done, and what another run does in between is read back and looked at anew.

mod group;
mod merge;
mod run;
mod shard;
mod step;
mod stream;

use std::{fmt, time::Duration};

use parlor_common::{
    drain::Drain,
    position::Position,
    random::Random,
    shard::{Shard, Shards},
};

use self::{run::Run, step::refusal};
use super::{
    api::Api,
    check::{self, SYNC_ALWAYS},
    link::Link,
    metrics::Metrics,
    names::{Names, StreamRef},
    plan::Plan,
    settings::JetStreamSettings,
    sync,
};
use crate::LogError;

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
    /// Which shards get a new stream.
    pub renew: Renew,
    /// For names of its own.
    pub random: &'a Random,
    /// The stage its connection belongs to.
    pub drain: &'a Drain,
    /// What its connection counts.
    pub metrics: &'a Metrics,
}

/// Which shards get a new stream and epoch; the old stream is kept aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renew {
    /// None.
    Nothing,
    /// Those whose stream ends before what the store has noted.
    Behind,
    /// All, in a new incarnation: streams and store were restored together, so that neither tells.
    /// Everything that is in them must be stored before.
    Everything,
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
    let incarnation = (renew == Renew::Everything)
        .then(|| format!("{:016x}{:016x}", random.number(), random.number()));
    let report = Report::default();
    let mut run = Run { settings, plan, renew, incarnation, synced, api, names, report };
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
