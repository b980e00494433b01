//! The log and the store of a node: embedded, or NATS and CQL.

use std::{path::Path, sync::Arc};

use parlor_common::{clock::Clock, drain::Drain, random::Random, shard::Shard, telemetry::Registry};
use parlor_log::{EventLog, sqlite::SqliteLog};
use parlor_store::{CqlStore, HistoryStore, SqliteStore, StoreError};
use tracing::warn;

use crate::{exit::Exit, secrets, settings::Settings};

/// Where messages are, and how to let go of it.
pub(crate) struct Backends {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) store: Arc<dyn HistoryStore>,
    embedded: Option<SqliteLog>,
}

impl Backends {
    /// The embedded log and store in `data`.
    pub(crate) async fn embedded(settings: &Settings, clock: &Clock, registry: &Registry) -> Result<Self, Exit> {
        let data = settings.data.clone();
        let log_settings = settings.embedded.log.clone();
        let (log_metrics, store_metrics) = (metrics(parlor_log::Metrics::new(registry))?, store_metrics(registry)?);
        let store = SqliteStore::open(&data, store_metrics).await.map_err(|error| unusable(&data, &error))?;
        let seen = store.highest(Shard::ONLY).await.map_err(|error| unusable(&data, &error))?;
        let log = SqliteLog::open(&data, log_settings, clock.clone(), seen, log_metrics).map_err(Exit::data)?;
        Ok(Self { log: Arc::new(log.clone()), store: Arc::new(store), embedded: Some(log) })
    }

    /// The cluster's, as `parlor provision` made them.
    pub(crate) async fn cluster(
        settings: &Settings,
        clock: &Clock,
        random: &Random,
        registry: &Registry,
        drain: &Drain,
    ) -> Result<Self, Exit> {
        let cql = secrets::with_cql_password(settings)?;
        let store = CqlStore::connect(&cql, store_metrics(registry)?).await.map_err(Exit::unavailable)?;
        let _ = (clock, random, drain, store, cql);
        Err(Exit::internal("not yet"))
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
