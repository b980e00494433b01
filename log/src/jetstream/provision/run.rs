//! One run: what it knows, and asking servers that may be electing.

use std::time::Duration;

use tokio::time::Instant;

use super::super::{
    api::{Api, ApiFailure},
    names::Names,
    plan::Plan,
    settings::JetStreamSettings,
    shapes::{StreamConfig, StreamInfo},
};
use super::{Renew, Report, step::Step};

/// How long a step is tried while the servers are electing: a stream that was made just now has no
/// leader yet.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a shard is looked at anew after another run has changed it in between.
pub(super) const LOOKS: usize = 5;

/// One run.
pub(super) struct Run<'a> {
    pub(super) settings: &'a JetStreamSettings,
    pub(super) plan: &'a Plan,
    pub(super) renew: Renew,
    /// Of the streams that this run makes after a restore.
    pub(super) incarnation: Option<String>,
    /// What is to be noted about fsync; `None` where nobody could be asked.
    pub(super) synced: Option<&'static str>,
    pub(super) api: Api,
    pub(super) names: Names,
    pub(super) report: Report,
}

// === impl Run ===

impl Run<'_> {
    pub(super) async fn update(&self, config: &StreamConfig) -> Result<(), Step> {
        let updated = self.patiently(async || self.api.update_stream(config).await).await;
        updated.map_err(|failure| {
            Step::of(&format!("stream {} cannot be brought into line", config.name), failure)
        })
    }

    pub(super) async fn stream(&self, name: &str) -> Result<StreamInfo, Step> {
        let info = self.patiently(async || self.api.stream(name).await).await;
        info.map_err(|failure| Step::of(&format!("stream {name} cannot be read"), failure))
    }

    /// Asks again while the servers have no answer yet.
    pub(super) async fn patiently<T>(
        &self,
        ask: impl AsyncFn() -> Result<T, ApiFailure>,
    ) -> Result<T, ApiFailure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pause = match ask().await {
                Err(ApiFailure::NoAnswer(_) | ApiFailure::Doubtful(_)) => {
                    Duration::from_millis(200)
                }
                Err(ApiFailure::Refused(error)) if error.is_passing() => Duration::from_millis(200),
                answer => return answer,
            };
            if Instant::now() + pause >= deadline {
                return ask().await;
            }
            tokio::time::sleep(pause).await;
        }
    }
}
