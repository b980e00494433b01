//! A shard: its newest stream and its groups, and the epoch that follows.

use std::time::Duration;

use parlor_common::{
    position::{Epoch, Position},
    shard::Shard,
};

use super::super::{
    check::INCARNATION,
    names::StreamRef,
    shapes::{StreamConfig, StreamInfo},
};
use super::{
    Renew, behind_sentence,
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
        let (stream, incarnation) = match found.max_by_key(|stream| stream.epoch) {
            None => {
                let epoch = epoch_after(seen.map(Position::epoch))?;
                (self.names.stream(shard, epoch), self.incarnation.clone())
            }
            Some(current) => match self.successor(&current, seen).await? {
                None => (current, None),
                Some((epoch, incarnation)) => (self.names.stream(shard, epoch), incarnation),
            },
        };
        let mut config =
            self.plan.chat.config(&stream.name, self.names.subjects(shard), self.settings);
        config.metadata.extend(incarnation.map(|of| (INCARNATION.to_owned(), of)));
        self.try_stream(config).await?;
        for (group, plan) in &self.plan.groups {
            let config = plan.config(group);
            self.try_group(&stream.name, group, config).await?;
        }
        Ok(())
    }

    /// What is not stored would be read by nobody once its stream is kept aside.
    async fn check_all_stored(&self, stream: &StreamRef) -> Result<(), Step> {
        let group = self.patiently(async || self.api.consumer(&stream.name, PERSISTER).await).await;
        let group = group.map_err(|failure| {
            Step::of(&format!("consumer {PERSISTER} of {} cannot be read", stream.name), failure)
        })?;
        match group.num_pending + group.num_ack_pending {
            0 => Ok(()),
            unstored => Err(Step::Failed(LogError::Rejected(format!(
                "{unstored} entries of stream {} are not stored yet: let a persister alone run \
                 until parlor_monitor_lag_seconds is 0, stop it, and run this again",
                stream.name
            )))),
        }
    }

    /// The epoch and incarnation of the stream that follows `current`; `None` where that one is to
    /// stay.
    async fn successor(
        &mut self,
        current: &StreamRef,
        seen: Option<Position>,
    ) -> Result<Option<(Epoch, Option<String>)>, Step> {
        let info = self.stream(&current.name).await?;
        let next = |info: &StreamInfo| {
            let inherited = info.config.metadata.get(INCARNATION).cloned();
            let last = seen.map_or(current.epoch, |seen| seen.epoch().max(current.epoch));
            epoch_after(Some(last))
                .map(|epoch| Some((epoch, self.incarnation.clone().or(inherited))))
        };
        let aside = self.names.old_subjects(current);
        if info.config.subjects == [aside.as_str()] {
            // An earlier run moved it and got no further.
            return Ok(next(&info)?);
        }
        let end = |info: &StreamInfo| {
            Position::new(current.epoch, info.state.last_seq).ok_or_else(|| {
                LogError::Rejected(format!("stream {} is out of positions", current.name))
            })
        };
        let restored = self.incarnation.is_some()
            && info.config.metadata.get(INCARNATION) != self.incarnation.as_ref();
        if restored {
            self.check_all_stored(current).await?;
        } else {
            let Some(seen) = seen else { return Ok(None) };
            if seen <= end(&info)? {
                return Ok(None);
            }
            // A leader may come to have an event milliseconds after a follower that delivered it.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let end = end(&self.stream(&current.name).await?)?;
            if seen <= end {
                return Ok(None);
            }
            if self.renew == Renew::Nothing {
                return Err(Step::Failed(LogError::Rejected(behind_sentence(current, end, seen))));
            }
        }
        let successor = next(&info)?;
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
        Ok(successor)
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
