//! What the log tells the operator.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::{Appended, LogError};

/// Counters and distributions of the log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    committed: IntCounter,
    duplicate: IntCounter,
    full: IntCounter,
    unavailable: IntCounter,
    conflict: IntCounter,
    rejected: IntCounter,
    append_seconds: Histogram,
    pub(crate) commit_appends: Histogram,
    pub(crate) used_bytes: IntGauge,
    pub(crate) window_entries: IntGauge,
    pub(crate) forgotten: IntCounter,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let appends = IntCounterVec::new(
            Opts::new("parlor_log_appends_total", "Appends, by what they came to."),
            &["outcome"],
        )?;
        // From an fsync of a fast disk to the longest an append may take, through an election of
        // some seconds.
        let append_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "parlor_log_append_seconds",
                "How long an append that was acknowledged took.",
            )
            .buckets(vec![
                0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 6.0, 12.0,
            ]),
        )?;
        // Powers of four up to the bound of a commit.
        let commit_appends = Histogram::with_opts(
            HistogramOpts::new(
                "parlor_log_commit_appends",
                "Appends that shared one commit of the embedded log.",
            )
            .buckets(vec![1.0, 4.0, 16.0, 64.0, 256.0, 1024.0]),
        )?;
        let used_bytes = IntGauge::new(
            "parlor_log_used_bytes",
            "What the embedded log holds, as its bound counts it; without free pages.",
        )?;
        let window_entries = IntGauge::new(
            "parlor_log_window_entries",
            "Entries of which the embedded log has in memory where they are.",
        )?;
        let forgotten = IntCounter::new(
            "parlor_log_forgotten_total",
            "Entries that the embedded log let go for their age.",
        )?;
        registry.register(Box::new(appends.clone()))?;
        registry.register(Box::new(append_seconds.clone()))?;
        registry.register(Box::new(commit_appends.clone()))?;
        registry.register(Box::new(used_bytes.clone()))?;
        registry.register(Box::new(window_entries.clone()))?;
        registry.register(Box::new(forgotten.clone()))?;
        Ok(Self {
            committed: appends.with_label_values(&["committed"]),
            duplicate: appends.with_label_values(&["duplicate"]),
            full: appends.with_label_values(&["full"]),
            unavailable: appends.with_label_values(&["unavailable"]),
            conflict: appends.with_label_values(&["conflict"]),
            rejected: appends.with_label_values(&["rejected"]),
            append_seconds,
            commit_appends,
            used_bytes,
            window_entries,
            forgotten,
        })
    }

    /// Metrics that nobody is shown, for tests and tools.
    pub fn unregistered() -> Self {
        Self::new(&Registry::new()).expect("a new registry has none of these names")
    }

    /// Counts what an append came to, and how long it took.
    pub(crate) fn appended(&self, result: &Result<Appended, LogError>, took: Duration) {
        let outcome = match result {
            Ok(Appended { duplicate: false, .. }) => &self.committed,
            Ok(Appended { duplicate: true, .. }) => &self.duplicate,
            Err(LogError::Full(_)) => &self.full,
            Err(LogError::Unavailable(_)) => &self.unavailable,
            Err(LogError::Conflict(_)) => &self.conflict,
            Err(LogError::Rejected(_)) => &self.rejected,
        };
        outcome.inc();
        if result.is_ok() {
            self.append_seconds.observe(took.as_secs_f64());
        }
    }
}
