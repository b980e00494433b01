//! The registry of metrics, and its text.

use prometheus::{Encoder, TextEncoder, process_collector::ProcessCollector};
pub use prometheus::{Registry, TEXT_FORMAT};

/// A registry that holds the process's own figures: CPU, memory, open files.
///
/// # Errors
/// Never on Linux; elsewhere where the figures cannot be had.
pub fn registry() -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    Ok(registry)
}

/// What the registry holds, in the text format of Prometheus.
///
/// # Errors
/// Where a metric cannot be written as text.
pub fn text(registry: &Registry) -> Result<Vec<u8>, prometheus::Error> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(text)
}
