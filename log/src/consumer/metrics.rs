//! What consumers tell the operator.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

/// Counters and distributions of all groups. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ConsumerMetrics {
    events: IntCounterVec,
    failures: IntCounterVec,
    batch_events: HistogramVec,
    batch_seconds: HistogramVec,
}

/// One group's.
#[derive(Clone, Debug)]
pub(super) struct GroupMetrics {
    pub(super) kept: IntCounter,
    pub(super) dead_letters: IntCounter,
    pub(super) sink_failures: IntCounter,
    pub(super) log_failures: IntCounter,
    pub(super) batch_events: Histogram,
    pub(super) batch_seconds: Histogram,
}

// === impl ConsumerMetrics ===

impl ConsumerMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let events = IntCounterVec::new(
            Opts::new(
                "parlor_consumer_events_total",
                "Events that a group took from the log, by what became of them.",
            ),
            &["group", "outcome"],
        )?;
        let failures = IntCounterVec::new(
            Opts::new(
                "parlor_consumer_failures_total",
                "Failed attempts of a group, by what did not answer.",
            ),
            &["group", "part"],
        )?;
        // Powers of four up to the default bound of a batch.
        let batch_events = HistogramVec::new(
            HistogramOpts::new("parlor_consumer_batch_events", "Events of a group's batch.")
                .buckets(vec![1.0, 4.0, 16.0, 64.0, 256.0, 500.0]),
            &["group"],
        )?;
        // From a quick local write to the store's request timeout and beyond.
        let batch_seconds = HistogramVec::new(
            HistogramOpts::new(
                "parlor_consumer_batch_seconds",
                "From the first attempt to keep a batch to its acknowledgement.",
            )
            .buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]),
            &["group"],
        )?;
        registry.register(Box::new(events.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        registry.register(Box::new(batch_events.clone()))?;
        registry.register(Box::new(batch_seconds.clone()))?;
        Ok(Self { events, failures, batch_events, batch_seconds })
    }

    /// The metrics of `group`, which come from the closed set of the groups in the code.
    pub(super) fn of(&self, group: &'static str) -> GroupMetrics {
        GroupMetrics {
            kept: self.events.with_label_values(&[group, "kept"]),
            dead_letters: self.events.with_label_values(&[group, "dead_letter"]),
            sink_failures: self.failures.with_label_values(&[group, "sink"]),
            log_failures: self.failures.with_label_values(&[group, "log"]),
            batch_events: self.batch_events.with_label_values(&[group]),
            batch_seconds: self.batch_seconds.with_label_values(&[group]),
        }
    }
}
