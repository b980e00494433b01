//! Telemetry: log output, readiness, and the admin port that shows them and the metrics.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use prometheus::{Encoder, TextEncoder, process_collector::ProcessCollector};
use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt::SubscriberBuilder};

/// Where parts register their metrics.
pub use prometheus::Registry;

/// How the process logs, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// `telemetry.filter`: what is logged, in the syntax of tracing's `EnvFilter`. Default `info`,
    /// and of the drivers errors alone.
    pub filter: String,
    /// `telemetry.format`: `text` or `json`. Default `text`.
    pub format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Whether the node should be given traffic. Cheap to clone.
///
/// Each part adds a check that answers at once, from what it sampled itself.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Arc<Vec<(&'static str, Box<Check>)>>,
    draining: Arc<AtomicBool>,
}

type Check = dyn Fn() -> Result<(), String> + Send + Sync;

// === impl TelemetrySettings ===

impl TelemetrySettings {
    /// Starts logging for the whole process; once.
    ///
    /// # Errors
    /// A sentence where the filter cannot be read or logging was started before.
    pub fn start(&self) -> Result<(), String> {
        let filter = EnvFilter::try_new(&self.filter)
            .map_err(|error| format!("telemetry.filter: {error}"))?;
        let lines = SubscriberBuilder::default()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_target(false);
        let started = match self.format {
            LogFormat::Text => lines.with_ansi(false).try_init(),
            LogFormat::Json => lines.json().flatten_event(true).try_init(),
        };
        started.map_err(|error| error.to_string())
    }
}

// === impl Readiness ===

impl Readiness {
    /// Asks these parts, each by its name.
    pub fn new(checks: Vec<(&'static str, Box<Check>)>) -> Self {
        Self { checks: Arc::new(checks), draining: Arc::default() }
    }

    /// From now on the node asks for no more traffic.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the node should be given traffic.
    ///
    /// # Errors
    /// A line for each part that is not well.
    pub fn check(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("draining".to_owned());
        }
        let ask = |(part, check): &(&str, Box<Check>)| {
            check().err().map(|trouble| format!("{part}: {trouble}"))
        };
        let troubles: Vec<_> = self.checks.iter().filter_map(ask).collect();
        if troubles.is_empty() { Ok(()) } else { Err(troubles.join("\n")) }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("check", &self.check()).finish()
    }
}

/// A registry that holds the process's own figures: CPU, memory, open files.
///
/// # Errors
/// Never on Linux; elsewhere where the figures cannot be had.
pub fn registry() -> Result<Registry, prometheus::Error> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    Ok(registry)
}

/// The admin port: `/live`, `/ready`, `/metrics`.
pub fn admin(registry: Registry, readiness: Readiness) -> Router {
    Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready))
        .with_state(readiness)
        .route("/metrics", get(metrics).with_state(registry))
}

async fn ready(State(readiness): State<Readiness>) -> impl IntoResponse {
    match readiness.check() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
    }
}

async fn metrics(State(registry): State<Registry>) -> impl IntoResponse {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_all_its_parts_are_well_and_it_does_not_drain() {
        let well = Arc::new(AtomicBool::new(false));
        let asked = well.clone();
        let check =
            move || if asked.load(Ordering::Relaxed) { Ok(()) } else { Err("gone".to_owned()) };
        let readiness =
            Readiness::new(vec![("log", Box::new(check)), ("clock", Box::new(|| Ok(())))]);
        assert_eq!(readiness.check(), Err("log: gone".to_owned()));
        well.store(true, Ordering::Relaxed);
        assert_eq!(readiness.check(), Ok(()));
        readiness.drain();
        assert_eq!(readiness.check(), Err("draining".to_owned()));
    }
}
