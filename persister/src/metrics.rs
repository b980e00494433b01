//! What the persister tells the operator.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry};

/// Counters and distributions of the persister.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) stored: IntCounter,
    pub(crate) skipped: IntCounter,
    pub(crate) set_aside: IntCounter,
    pub(crate) store_failures: IntCounter,
    pub(crate) log_failures: IntCounter,
    pub(crate) batch_events: Histogram,
    pub(crate) batch_seconds: Histogram,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let events = IntCounterVec::new(
            Opts::new(
                "parlor_persister_events_total",
                "Events taken from the log, by what became of them.",
            ),
            &["outcome"],
        )?;
        let failures = IntCounterVec::new(
            Opts::new(
                "parlor_persister_failures_total",
                "Failed attempts, by what did not answer.",
            ),
            &["part"],
        )?;
        // Powers of four up to the default bound of a batch.
        let batch_events = Histogram::with_opts(
            HistogramOpts::new("parlor_persister_batch_events", "Events of a batch.")
                .buckets(vec![1.0, 4.0, 16.0, 64.0, 256.0, 500.0]),
        )?;
        // From a quick local write to the store's request timeout and beyond.
        let batch_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "parlor_persister_batch_seconds",
                "From the first attempt to store a batch to its acknowledgement.",
            )
            .buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]),
        )?;
        registry.register(Box::new(events.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        registry.register(Box::new(batch_events.clone()))?;
        registry.register(Box::new(batch_seconds.clone()))?;
        Ok(Self {
            stored: events.with_label_values(&["stored"]),
            skipped: events.with_label_values(&["skipped"]),
            set_aside: events.with_label_values(&["set_aside"]),
            store_failures: failures.with_label_values(&["store"]),
            log_failures: failures.with_label_values(&["log"]),
            batch_events,
            batch_seconds,
        })
    }
}
