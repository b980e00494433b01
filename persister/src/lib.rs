//! Reads the log as a group and writes the store: batch, worker.
//!
//! Rows are keyed by position and need no order, so any number of persisters share a shard's
//! deliveries. A delivery is acknowledged, each by itself, once the store has it.

mod batch;
mod health;
mod metrics;
mod settings;
mod worker;

use std::sync::Arc;

use parlor_common::drain::Drain;
use parlor_log::EventLog;
use parlor_store::HistoryStore;
use tracing::{Instrument, info_span};

pub use self::{health::Health, metrics::Metrics, settings::PersisterSettings};

/// Starts a worker for each shard of the log; they end with the drain, their batch stored where the
/// store takes it.
pub fn run(
    log: &Arc<dyn EventLog>,
    store: &Arc<dyn HistoryStore>,
    settings: &PersisterSettings,
    metrics: &Metrics,
    drain: &Drain,
) -> Health {
    let health = Health::default();
    for shard in log.shards().all() {
        let worker = worker::Worker {
            shard,
            log: log.clone(),
            store: store.clone(),
            settings: settings.clone(),
            metrics: metrics.clone(),
            health: health.of(shard),
            drain: drain.clone(),
        };
        drain.spawn(worker.run().instrument(info_span!("persister", %shard)));
    }
    health
}
