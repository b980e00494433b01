//! What the persister tells the operator, beside what every consumer does.

use prometheus::{Gauge, IntCounter, IntGauge, Registry};

/// Counters of the persister. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) skipped: IntCounter,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let skipped = IntCounter::new(
            "parlor_persister_skipped_total",
            "Events of kinds of which this version stores nothing.",
        )?;
        registry.register(Box::new(skipped.clone()))?;
        Ok(Self { skipped })
    }
}

/// What the trimmer tells the operator. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TrimMetrics {
    pub(crate) entries: IntCounter,
    pub(crate) failures: IntCounter,
    pub(crate) fullest: Gauge,
    pub(crate) held: IntGauge,
}

impl TrimMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let entries = IntCounter::new(
            "parlor_trim_entries_total",
            "Entries of the log that went because their shard was too full.",
        )?;
        let failures =
            IntCounter::new("parlor_trim_failures_total", "Times a shard could not be trimmed.")?;
        let fullest = Gauge::new(
            "parlor_trim_fullest_ratio",
            "What the fullest shard of the log holds of its bound.",
        )?;
        let held = IntGauge::new(
            "parlor_trim_held_shards",
            "Shards that are too full and of which nothing more may go.",
        )?;
        registry.register(Box::new(entries.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        registry.register(Box::new(fullest.clone()))?;
        registry.register(Box::new(held.clone()))?;
        Ok(Self { entries, failures, fullest, held })
    }
}
