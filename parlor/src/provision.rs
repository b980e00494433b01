//! `parlor provision`: tables, streams and consumers, made or checked.

use parlor_common::{drain::Drain, random::Random, shard::Shards};
use parlor_log::{
    EventLog,
    jetstream::{self, JetStreamLog, JetStreamMetrics, Plan, Provision, Renew},
};
use parlor_store::{CqlStore, HistoryStore};
use tracing::info;

use crate::{
    backends::{connect_cql, metrics, nats_failed, watermarks},
    exit::Exit,
    secrets,
    settings::Settings,
};

/// What the streams are, as it comes with this version.
const STREAMS: &str = include_str!("../../nats/streams.json");

/// Makes what is missing. The database first: it knows the highest epoch of each shard.
pub(crate) async fn run(settings: &Settings, renew: Renew) -> Result<(), Exit> {
    let registry = metrics(parlor_common::metrics::registry())?;
    let cql = secrets::with_cql_password(&settings.secrets, &settings.cql)?;
    let nats = secrets::with_nats_password(&settings.secrets, &settings.nats)?;
    let plan = match &settings.provision.streams_file {
        None => STREAMS.to_owned(),
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| Exit::usage(format_args!("{}: {error}", file.display())))?,
    };
    let plan = Plan::parse(&plan).map_err(Exit::usage)?;
    let made = CqlStore::provision(&cql).await;
    made.map_err(|error| Exit::unavailable(format_args!("cql.nodes = {:?}: {error}", cql.nodes)))?;
    let store = connect_cql(settings, &registry).await?;
    info!("the database has its tables");

    let shards = Shards::new(nats.shards);
    let watermarks = watermarks(&store, shards).await?;
    let (drain, random) = (Drain::new(), Random::system());
    let nats_metrics = metrics(JetStreamMetrics::new(&registry))?;
    let what = Provision {
        settings: &nats,
        plan: &plan,
        monitors: &settings.provision.monitors,
        renew,
        random: &random,
        drain: &drain,
        metrics: &nats_metrics,
    };
    let report = jetstream::provision(what, |shard| watermarks.get(&shard).copied()).await;
    let report = report.map_err(|error| nats_failed(settings, &error))?;
    for change in &report.changes {
        info!("{change}");
    }
    let log = JetStreamLog::connect(
        nats,
        random,
        &drain,
        nats_metrics,
        metrics(parlor_log::Metrics::new(&registry))?,
    );
    let log = log.await.map_err(|error| nats_failed(settings, &error))?;
    // A stream that is made anew must lie above every epoch there was, also one in which nothing
    // was ever stored.
    for shard in shards.all() {
        let state = log.state(shard).await.map_err(Exit::unavailable)?;
        store.raise_watermark(shard, state.end.epoch().start()).await.map_err(Exit::unavailable)?;
    }
    drain.begin();
    info!(changes = report.changes.len(), "streams and consumers are as nats/streams.json asks");
    Ok(())
}
