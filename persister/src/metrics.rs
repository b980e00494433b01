//! What the persister tells the operator, beside what every consumer does.

use prometheus::{IntCounter, Registry};

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
