//! Telemetry: the process's log output.

use std::io;

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt::SubscriberBuilder};

use crate::{lines::Lines, metrics::Metrics};

/// How the process logs, on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TelemetrySettings {
    /// `telemetry.filter`: what is logged, in the syntax of tracing's `EnvFilter`.
    pub(crate) filter: String,
    /// `telemetry.format`: `text` or `json`.
    pub(crate) format: LogFormat,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

// === impl TelemetrySettings ===

impl TelemetrySettings {
    /// Starts logging for the whole process; once. What it returns has the lines that are still to
    /// be written.
    ///
    /// # Errors
    /// A sentence where the filter cannot be read or logging was started before.
    pub(crate) fn start(&self, metrics: &Metrics) -> Result<Lines, String> {
        let filter = EnvFilter::try_new(&self.filter)
            .map_err(|error| format!("telemetry.filter: {error}"))?;
        let lines = Lines::start(metrics.clone(), io::stderr())
            .map_err(|error| format!("no thread for the log: {error}"))?;
        let subscriber = SubscriberBuilder::default()
            .with_env_filter(filter)
            .with_writer(lines.clone())
            // What cannot be written is counted; telling it on standard error would panic.
            .log_internal_errors(false)
            .with_target(false);
        let started = match self.format {
            LogFormat::Text => subscriber.with_ansi(false).try_init(),
            LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        };
        started.map_err(|error| error.to_string())?;
        Ok(lines)
    }
}
