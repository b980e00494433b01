//! A group of consumers of a stream.

use super::super::{
    check,
    shapes::{ApiError, ConsumerConfig},
};
use super::{run::Run, step::Step};
use crate::LogError;

impl Run<'_> {
    pub(super) async fn try_group(
        &mut self,
        stream: &str,
        group: &str,
        wanted: ConsumerConfig,
    ) -> Result<(), Step> {
        let of = format!("consumer {group} of {stream}");
        let (config, action, done) = match self
            .patiently(async || self.api.consumer(stream, group).await)
            .await
        {
            Err(failure) if failure.is(ApiError::CONSUMER_NOT_FOUND) => (wanted, "create", "made"),
            Err(failure) => return Err(Step::of(&format!("{of} cannot be read"), failure)),
            Ok(info) => {
                let (ack_wait, max_ack_pending) = (wanted.ack_wait, wanted.max_ack_pending);
                let merged = ConsumerConfig {
                    ack_wait,
                    max_ack_pending,
                    max_deliver: -1,
                    ..info.config.clone()
                };
                if let Some(sentence) = check::group_sentences(stream, &merged).into_iter().next() {
                    return Err(Step::Failed(LogError::Rejected(format!(
                        "{sentence}, and that cannot be changed"
                    ))));
                }
                if merged == info.config {
                    return Ok(());
                }
                (merged, "update", "brought into line")
            }
        };
        let put =
            self.patiently(async || self.api.put_consumer(stream, &config, action).await).await;
        put.map_err(|failure| Step::of(&format!("{of} cannot be {done}"), failure))?;
        self.report.changes.push(format!("{of} is {done}"));
        Ok(())
    }
}
