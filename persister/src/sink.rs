//! The sink of the group `persister`: the store.

use std::sync::Arc;

use async_trait::async_trait;
use parlor_common::{
    event::Event,
    planted::{self, Fault},
    shard::Shard,
};
use parlor_log::consumer::{Sink, SinkError};
use parlor_store::{HistoryStore, StoreError};

use crate::Metrics;

/// Keeps events in the store, which keys its rows by position: they need no order, and the same
/// events again change nothing.
#[derive(Clone, Debug)]
pub struct StoreSink {
    store: Arc<dyn HistoryStore>,
    metrics: Metrics,
}

// === impl StoreSink ===

impl StoreSink {
    /// A sink that writes this store.
    pub fn new(store: Arc<dyn HistoryStore>, metrics: Metrics) -> Self {
        Self { store, metrics }
    }

    async fn keep_all(&self, shard: Shard, events: &[Event]) -> Result<(), StoreError> {
        let Some(highest) = events.iter().map(|event| event.position).max() else {
            return Ok(());
        };
        // The watermark comes before the rows that it covers. A log that has lost its end is found
        // out by it at the next start, and a row above it would let a position be given twice.
        self.store.raise_watermark(shard, highest).await?;
        self.insert(events).await
    }

    #[expect(clippy::disallowed_methods, reason = "the persister is the one place that inserts")]
    async fn insert(&self, events: &[Event]) -> Result<(), StoreError> {
        let skipped = events.iter().filter(|event| !event.record.body.is_kept()).count();
        if skipped == 0 {
            return self.store.insert(events).await;
        }
        let kept: Vec<_> =
            events.iter().filter(|event| event.record.body.is_kept()).cloned().collect();
        if !kept.is_empty() {
            self.store.insert(&kept).await?;
        }
        self.metrics.skipped.inc_by(skipped as u64);
        Ok(())
    }
}

#[async_trait]
impl Sink for StoreSink {
    fn name(&self) -> &'static str {
        "the store"
    }

    async fn keep(&self, shard: Shard, events: &[Event]) -> Result<(), SinkError> {
        match self.keep_all(shard, events).await {
            Err(StoreError::Unavailable(_)) if planted::is(Fault::SinkKeptNothing) => Ok(()),
            kept => kept.map_err(failed),
        }
    }
}

fn failed(error: StoreError) -> SinkError {
    match error {
        StoreError::Unavailable(reason) => SinkError::Later(reason),
        StoreError::Rejected(reason) => SinkError::Never(reason),
    }
}
