//! Metrics for a test.

use parlor_store::Metrics;
use prometheus::Registry;

/// Metrics that nobody gathers.
pub(crate) fn unregistered() -> Metrics {
    Metrics::new(&Registry::new()).expect("a new registry has none of them")
}
