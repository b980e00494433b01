//! What reading history tells the operator.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Counters of history reads.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) store_answers: IntCounter,
    pub(crate) store_failures: IntCounter,
    pub(crate) incomplete: IntCounter,
    pub(crate) shared: IntCounter,
    pub(crate) kept: IntCounter,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let reads = IntCounterVec::new(
            Opts::new(
                "parlor_history_store_reads_total",
                "Reads of the store, by whether it answered in time.",
            ),
            &["outcome"],
        )?;
        let incomplete = IntCounter::new(
            "parlor_history_incomplete_pages_total",
            "Pages that were answered without the store and may lack what is older than the log.",
        )?;
        let shared = IntCounter::new(
            "parlor_history_shared_reads_total",
            "Reads that were answered by another's that began after they were asked for.",
        )?;
        let kept = IntCounter::new(
            "parlor_history_kept_answers_total",
            "Reads that took what the store had answered before, and the log after that.",
        )?;
        registry.register(Box::new(shared.clone()))?;
        registry.register(Box::new(kept.clone()))?;
        registry.register(Box::new(reads.clone()))?;
        registry.register(Box::new(incomplete.clone()))?;
        Ok(Self {
            store_answers: reads.with_label_values(&["answered"]),
            store_failures: reads.with_label_values(&["failed"]),
            incomplete,
            shared,
            kept,
        })
    }
}
