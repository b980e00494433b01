//! A stream: made where it is missing, brought into line where it differs.

use std::time::Duration;

use super::super::{
    check::SYNC,
    shapes::{ApiError, StreamConfig},
};
use super::{
    merge::merge,
    run::{LOOKS, Run},
    step::Step,
};
use crate::LogError;

impl Run<'_> {
    pub(super) async fn ensure_stream(&mut self, wanted: StreamConfig) -> Result<(), LogError> {
        for _ in 0..LOOKS {
            match self.try_stream(wanted.clone()).await {
                Ok(()) => return Ok(()),
                Err(Step::Anew) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(Step::Failed(error)) => return Err(error),
            }
        }
        Err(LogError::Unavailable(format!(
            "stream {} is being changed by somebody else",
            wanted.name
        )))
    }

    pub(super) async fn try_stream(&mut self, mut wanted: StreamConfig) -> Result<(), Step> {
        let there = self.patiently(async || self.api.stream(&wanted.name).await).await;
        let info = match there {
            Ok(info) => info,
            Err(failure) if failure.is(ApiError::STREAM_NOT_FOUND) => {
                if let Some(synced) = self.synced {
                    wanted.metadata.insert(SYNC.to_owned(), synced.to_owned());
                }
                let made = self.patiently(async || self.api.create_stream(&wanted).await).await;
                made.map_err(|failure| {
                    Step::of(&format!("stream {} cannot be made", wanted.name), failure)
                })?;
                self.report.changes.push(format!("stream {} is made", wanted.name));
                return self.stream(&wanted.name).await.map(drop);
            }
            Err(failure) => {
                return Err(Step::of(&format!("stream {} cannot be read", wanted.name), failure));
            }
        };
        let merged = merge(&info.config, wanted, self.synced)
            .map_err(|why| Step::Failed(LogError::Rejected(why)))?;
        if merged == info.config {
            return Ok(());
        }
        self.update(&merged).await?;
        self.report.changes.push(format!("stream {} is brought into line", merged.name));
        Ok(())
    }
}
