//! What the tenants' registry tells the operator.

use prometheus::{IntGauge, Registry};

/// Gauges of the tenants' registry. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) missing: IntGauge,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let missing = IntGauge::new(
            "parlor_auth_missing_tenants",
            "Tenants that are served on although the tenants' file no longer names them.",
        )?;
        registry.register(Box::new(missing.clone()))?;
        Ok(Self { missing })
    }
}
