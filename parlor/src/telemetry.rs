//! Telemetry: the process's log output.

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt::SubscriberBuilder};

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
    /// Starts logging for the whole process; once.
    ///
    /// # Errors
    /// A sentence where the filter cannot be read or logging was started before.
    pub(crate) fn start(&self) -> Result<(), String> {
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
