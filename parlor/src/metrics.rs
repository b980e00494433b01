//! What the process itself tells the operator.

use prometheus::{IntCounter, Registry};

/// Counters of the process.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) lost_lines: IntCounter,
}

// === impl Metrics ===

impl Metrics {
    /// Counts from the first line of the log on, when there is no registry yet.
    ///
    /// # Errors
    /// Where a name or a help is none.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let lost_lines = IntCounter::new(
            "parlor_telemetry_lost_lines_total",
            "Lines of the log that standard error did not take, or not soon enough.",
        )?;
        Ok(Self { lost_lines })
    }

    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub(crate) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.lost_lines.clone()))
    }
}
