//! What the monitor tells the operator.

use prometheus::{Gauge, IntCounter, Registry};

/// How far the store is behind, and how far the clock is off.
#[derive(Clone, Debug)]
pub struct MonitorMetrics {
    pub(super) lag: Gauge,
    pub(super) skew: Gauge,
    pub(super) failures: IntCounter,
}

impl MonitorMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self::unregistered()?;
        registry.register(Box::new(metrics.lag.clone()))?;
        registry.register(Box::new(metrics.skew.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        Ok(metrics)
    }

    /// Counts for nobody, for tests.
    ///
    /// # Errors
    /// Never: the names are well formed.
    pub fn unregistered() -> Result<Self, prometheus::Error> {
        Ok(Self {
            lag: Gauge::new(
                "parlor_monitor_lag_seconds",
                "Age of the oldest event that the store has not got.",
            )?,
            skew: Gauge::new(
                "parlor_monitor_clock_skew_seconds",
                "This node's clock less the log's.",
            )?,
            failures: IntCounter::new(
                "parlor_monitor_failures_total",
                "Times the log did not tell how a shard stands.",
            )?,
        })
    }
}
