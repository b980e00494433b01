//! What reading history tells the operator.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Counters of history reads.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) store_answers: IntCounter,
    pub(crate) store_failures: IntCounter,
    pub(crate) incomplete: IntCounter,
    pub(crate) shared: IntCounter,
    pub(crate) kept: IntCounter,
    pub(crate) kept_pages: IntCounter,
    /// Of the store's newest rows, of its last values, and of written pages.
    pub(crate) kept_bytes: [Bytes; 3],
}

/// How many bytes something takes.
#[derive(Clone, Debug)]
pub(crate) struct Bytes(IntGauge);

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
        let kept_pages = IntCounter::new(
            "parlor_history_kept_pages_total",
            "Pages that were answered as they had been written before, with nothing new in them.",
        )?;
        let kept_bytes = IntGaugeVec::new(
            Opts::new(
                "parlor_history_kept_bytes",
                "Memory of what is kept to be answered again, by what it is.",
            ),
            &["what"],
        )?;
        registry.register(Box::new(kept_pages.clone()))?;
        registry.register(Box::new(kept_bytes.clone()))?;
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
            kept_pages,
            kept_bytes: ["rows", "states", "pages"]
                .map(|what| Bytes(kept_bytes.with_label_values(&[what]))),
        })
    }
}

// === impl Bytes ===

impl Bytes {
    pub(crate) fn set(&self, bytes: usize) {
        self.0.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    #[cfg(test)]
    pub(crate) fn get(&self) -> usize {
        usize::try_from(self.0.get()).expect("it was set to a size")
    }

    /// A gauge that nobody gathers.
    #[cfg(test)]
    pub(crate) fn unregistered() -> Self {
        Self(IntGauge::new("bytes", "Bytes.").expect("the name is one"))
    }
}
