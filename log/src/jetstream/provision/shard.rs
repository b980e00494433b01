//! A shard: its newest stream and its groups, and the epoch that follows.

use std::time::Duration;

use parlor_common::{
    position::{Epoch, Position},
    shard::Shard,
};

use super::super::{
    names::StreamRef,
    shapes::{StreamConfig, StreamInfo},
};
use super::{
    behind_sentence,
    run::{LOOKS, Run},
    step::Step,
};
use crate::{LogError, PERSISTER};

impl Run<'_> {
    pub(super) async fn ensure_shard(
        &mut self,
        shard: Shard,
        seen: Option<Position>,
    ) -> Result<(), LogError> {
        for _ in 0..LOOKS {
            match self.try_shard(shard, seen).await {
                Ok(()) => return Ok(()),
                Err(Step::Anew) => tokio::time::sleep(Duration::from_millis(100)).await,
                Err(Step::Failed(error)) => return Err(error),
            }
        }
        Err(LogError::Unavailable(format!("shard {shard} is being changed by somebody else")))
    }

    async fn try_shard(&mut self, shard: Shard, seen: Option<Position>) -> Result<(), Step> {
        let names = self
            .patiently(async || self.api.stream_names().await)
            .await
            .map_err(|failure| Step::of("the streams cannot be listed", failure))?;
        let found = names
            .iter()
            .filter_map(|name| self.names.parse_stream(name))
            .filter(|stream| stream.shard == shard);
        let stream = match found.max_by_key(|stream| stream.epoch) {
            None => self.names.stream(shard, epoch_after(seen.map(Position::epoch))?),
            Some(current) => match self.successor(&current, seen).await? {
                None => current,
                Some(epoch) => self.names.stream(shard, epoch),
            },
        };
        let config = self.plan.chat.config(&stream.name, self.names.subjects(shard), self.settings);
        self.try_stream(config).await?;
        for (group, plan) in &self.plan.groups {
            let config = plan.config(group);
            self.try_group(&stream.name, group, config).await?;
        }
        Ok(())
    }

    /// The epoch of the stream that follows `current`; `None` where that one is to stay.
    async fn successor(
        &mut self,
        current: &StreamRef,
        seen: Option<Position>,
    ) -> Result<Option<Epoch>, Step> {
        let info = self.stream(&current.name).await?;
        let next = || {
            epoch_after(Some(seen.map_or(current.epoch, |seen| seen.epoch().max(current.epoch))))
                .map(Some)
        };
        let aside = self.names.old_subjects(current);
        if info.config.subjects == [aside.as_str()] {
            // An earlier run moved it and got no further.
            return Ok(next()?);
        }
        let end = |info: &StreamInfo| {
            Position::new(current.epoch, info.state.last_seq).ok_or_else(|| {
                LogError::Rejected(format!("stream {} is out of positions", current.name))
            })
        };
        let Some(seen) = seen else { return Ok(None) };
        if seen <= end(&info)? {
            return Ok(None);
        }
        // A leader may come to have an event milliseconds after a follower that delivered it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let info = self.stream(&current.name).await?;
        let end = end(&info)?;
        if seen <= end {
            return Ok(None);
        }
        if !self.renew {
            return Err(Step::Failed(LogError::Rejected(behind_sentence(current, end, seen))));
        }
        let unstored = match self.api.consumer(&current.name, PERSISTER).await {
            Ok(group) => (group.num_pending + group.num_ack_pending).to_string(),
            Err(_) => "an unknown number".to_owned(),
        };
        let config = StreamConfig { subjects: vec![aside.clone()], ..info.config };
        self.update(&config).await?;
        self.report.changes.push(format!(
            "stream {} is kept aside under {aside}; {unstored} of its entries were not \
             acknowledged by {PERSISTER}",
            current.name
        ));
        Ok(next()?)
    }
}

fn epoch_after(epoch: Option<Epoch>) -> Result<Epoch, LogError> {
    match epoch {
        None => Ok(Epoch::FIRST),
        Some(epoch) => {
            epoch.next().ok_or_else(|| LogError::Rejected("there are no more epochs".to_owned()))
        }
    }
}
