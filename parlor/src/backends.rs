//! The log and the store of a node: embedded, or NATS and CQL.

use std::{collections::HashMap, path::Path, sync::Arc};

use parlor_common::{
    clock::Clock,
    drain::Drain,
    metrics::Registry,
    position::{Epoch, Position},
    random::Random,
    shard::{Shard, Shards},
};
use parlor_log::{
    EventLog, LogError,
    jetstream::{JetStreamLog, JetStreamMetrics},
    sqlite::SqliteLog,
};
use parlor_signals::{LocalSignals, NatsSignals, NatsSignalsSettings, Signals};
use parlor_store::{CqlStore, HistoryStore, SqliteStore, StoreError};
use tracing::warn;

use crate::{exit::Exit, secrets, settings::Settings};

/// Where messages are, and how to let go of it.
pub(crate) struct Backends {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) store: Arc<dyn HistoryStore>,
    /// The log's: its cursors are of no other.
    pub(crate) incarnation: Vec<u8>,
    embedded: Option<SqliteLog>,
}

impl Backends {
    /// The embedded log and store in `data`.
    pub(crate) async fn embedded(
        settings: &Settings,
        clock: &Clock,
        registry: &Registry,
    ) -> Result<Self, Exit> {
        let data = settings.data.clone();
        let log_settings = settings.embedded.log.clone();
        let (log_metrics, store_metrics) =
            (metrics(parlor_log::Metrics::new(registry))?, store_metrics(registry)?);
        let store = SqliteStore::open(&data, store_metrics)
            .await
            .map_err(|error| unusable(&data, &error))?;
        // An empty store has seen nothing, and is made whole from the log.
        let seen = store
            .watermark(Shard::ONLY)
            .await
            .map_err(|error| unusable(&data, &error))?
            .unwrap_or_default();
        let log = SqliteLog::open(&data, log_settings, clock.clone(), Some(seen), log_metrics)
            .map_err(Exit::data)?;
        // A log that is lost one day begins above this epoch, also where nothing of it was stored.
        let epoch = log.state(Shard::ONLY).await.map_err(Exit::data)?.end.epoch();
        if seen.epoch() < epoch {
            let raised = store.raise_watermark(Shard::ONLY, epoch.start()).await;
            raised.map_err(|error| unusable(&data, &error))?;
        }
        let incarnation = log.incarnation().to_vec();
        let (store, embedded) = (Arc::new(store), Some(log.clone()));
        Ok(Self { log: Arc::new(log), store, incarnation, embedded })
    }

    /// Moves the embedded log in `data`, which was restored from a backup, to a new epoch.
    pub(crate) async fn renew(settings: &Settings, registry: &Registry) -> Result<Epoch, Exit> {
        let data = &settings.data;
        if !data.join("log.db").is_file() {
            return Err(Exit::data(format_args!(
                "there is no embedded log in {}: run this where parlor is started, or set \
                 PARLOR_DATA",
                data.display()
            )));
        }
        let failed = |error| unusable(data, &error);
        let store = SqliteStore::open(data, store_metrics(registry)?).await.map_err(failed)?;
        let seen = store.watermark(Shard::ONLY).await.map_err(failed)?.unwrap_or_default();
        let epoch =
            SqliteLog::renew(data, &settings.embedded.log, Some(seen)).map_err(Exit::data)?;
        store.raise_watermark(Shard::ONLY, epoch.start()).await.map_err(failed)?;
        Ok(epoch)
    }

    /// The cluster's, as `parlor provision` made them.
    pub(crate) async fn cluster(
        settings: &Settings,
        random: &Random,
        registry: &Registry,
        drain: &Drain,
    ) -> Result<Self, Exit> {
        let nats = secrets::with_nats_password(&settings.secrets, &settings.nats)?;
        let nats_metrics = metrics(JetStreamMetrics::new(registry))?;
        let log_metrics = metrics(parlor_log::Metrics::new(registry))?;
        let log = JetStreamLog::connect(nats, random.clone(), drain, nats_metrics, log_metrics);
        let log = log.await.map_err(|error| nats_failed(settings, &error))?;
        let store = connect_cql(settings, registry).await?;
        let seen = watermarks(&store, log.shards()).await?;
        log.check_seen(|shard| seen.get(&shard).copied()).await.map_err(Exit::unavailable)?;
        warn_of_a_short_store(&log, &store).await?;
        let incarnation = log.incarnation();
        Ok(Self { log: Arc::new(log), store: Arc::new(store), incarnation, embedded: None })
    }

    /// What carries signals: within the process where the log is embedded, else the log's servers.
    ///
    /// `clock` is the log's, since the age of signals is told by it on every node.
    pub(crate) async fn signals(
        &self,
        settings: &Settings,
        clock: Clock,
        drain: &Drain,
        of_signals: parlor_signals::Metrics,
    ) -> Result<Arc<dyn Signals>, Exit> {
        let shards = self.log.shards();
        if self.embedded.is_some() {
            return Ok(Arc::new(LocalSignals::new(shards, clock, of_signals)));
        }
        let nats = secrets::with_nats_password(&settings.secrets, &settings.nats)?;
        let servers = NatsSignalsSettings {
            urls: nats.urls,
            user: nats.user,
            password: nats.password,
            nkey: nats.nkey,
            credentials: nats.credentials,
            ca_file: nats.ca_file,
            namespace: nats.namespace,
        };
        let signals = NatsSignals::connect(&servers, shards, clock, drain, of_signals).await;
        Ok(Arc::new(signals.map_err(Exit::unavailable)?))
    }

    /// Lets the embedded log finish what it was given.
    pub(crate) async fn close(&self) {
        if let Some(log) = &self.embedded
            && let Err(error) = log.close().await
        {
            warn!(%error, "the embedded log did not close in order; nothing accepted is lost");
        }
    }
}

/// A database that was lost, or restored from a copy, lacks what the log has been told is stored.
/// The embedded log delivers that again by itself; a cluster's operator decides (docs/OPERATING.md,
/// "Backup and restore").
async fn warn_of_a_short_store(log: &JetStreamLog, store: &CqlStore) -> Result<(), Exit> {
    let mut acknowledged = Vec::new();
    for shard in log.shards().all() {
        let state = log.state(shard).await.map_err(Exit::unavailable)?;
        acknowledged.push((shard, state.persisted));
    }
    // Asked afterwards: meanwhile persisters go on, and the watermark comes before what it covers.
    let seen = watermarks(store, log.shards()).await?;
    for (shard, persisted) in acknowledged {
        let seen = seen.get(&shard).copied().unwrap_or_default();
        if seen < persisted {
            warn!(%shard, %seen, %persisted, "the database has seen less of a shard than was \
                acknowledged: history may be short");
        }
    }
    Ok(())
}

/// The database, as `parlor provision` made it.
pub(crate) async fn connect_cql(
    settings: &Settings,
    registry: &Registry,
) -> Result<CqlStore, Exit> {
    let cql = secrets::with_cql_password(&settings.secrets, &settings.cql)?;
    let store = CqlStore::connect(&cql, store_metrics(registry)?).await;
    store.map_err(|error| Exit::unavailable(format_args!("cql.nodes = {:?}: {error}", cql.nodes)))
}

/// Says which servers failed.
pub(crate) fn nats_failed(settings: &Settings, error: &LogError) -> Exit {
    Exit::unavailable(format_args!("nats.urls = {:?}: {error}", settings.nats.urls))
}

/// How far the store has got with each shard; those of which it has nothing are left out.
pub(crate) async fn watermarks(
    store: &CqlStore,
    shards: Shards,
) -> Result<HashMap<Shard, Position>, Exit> {
    let mut watermarks = HashMap::new();
    for shard in shards.all() {
        if let Some(position) = store.watermark(shard).await.map_err(Exit::unavailable)? {
            watermarks.insert(shard, position);
        }
    }
    Ok(watermarks)
}

/// The registry refuses a metric only where two parts use one name.
pub(crate) fn metrics<T>(registered: Result<T, impl std::fmt::Display>) -> Result<T, Exit> {
    registered.map_err(Exit::internal)
}

fn store_metrics(registry: &Registry) -> Result<parlor_store::Metrics, Exit> {
    metrics(parlor_store::Metrics::new(registry))
}

fn unusable(data: &Path, error: &StoreError) -> Exit {
    Exit::data(format_args!("{}: {error}", data.display()))
}
