//! The plan: streams and consumers as data, as `nats/streams.json` has them.

use std::{collections::BTreeMap, time::Duration};

use parlor_common::settings::duration;
use serde::{Deserialize, Serialize};

use super::{
    check::{MIN_DUPLICATE_WINDOW, SHARDS, SYNC_TAG},
    settings::JetStreamSettings,
    shapes::{ConsumerConfig, Placement, StreamConfig, nanos},
};
use crate::{PERSISTER, is_group_name};

/// What `provision` makes. The reasons of the numbers are in `nats/README.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Each shard's stream.
    pub chat: StreamPlan,
    /// The stream of the dead letters.
    pub dead_letters: StreamPlan,
    /// The groups of each shard's stream, by name.
    pub groups: BTreeMap<String, GroupPlan>,
}

/// A stream's bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamPlan {
    /// The most bytes of each of its replicas.
    pub max_bytes: u64,
    /// How long it keeps a message; for ever where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_duration")]
    pub max_age: Option<Duration>,
    /// The largest message, in bytes.
    pub max_message_bytes: u32,
    /// How long it knows an id.
    #[serde(with = "duration")]
    pub duplicate_window: Duration,
}

/// A group's consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupPlan {
    /// How long a delivery may stay unacknowledged before it comes again.
    #[serde(with = "duration")]
    pub ack_wait: Duration,
    /// The most deliveries that may be unacknowledged, over all readers.
    pub max_ack_pending: u32,
}

/// The plan cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadPlan {
    /// It is not the JSON of a plan.
    #[error("the plan of the streams cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// It asks for something that the log cannot work with.
    #[error("the plan of the streams cannot be used: {0}")]
    Unfit(&'static str),
}

// === impl Plan ===

impl Plan {
    /// Reads the JSON of a plan.
    ///
    /// # Errors
    /// [`BadPlan`], a sentence.
    pub fn parse(json: &str) -> Result<Self, BadPlan> {
        let plan: Self = serde_json::from_str(json)?;
        if !plan.groups.contains_key(PERSISTER) {
            return Err(BadPlan::Unfit("it has no group 'persister'"));
        }
        if plan.chat.duplicate_window < MIN_DUPLICATE_WINDOW {
            return Err(BadPlan::Unfit("the duplicate window of 'chat' must be 120s or more"));
        }
        for stream in [&plan.chat, &plan.dead_letters] {
            if stream.max_bytes == 0 || stream.max_message_bytes == 0 {
                return Err(BadPlan::Unfit("a stream's bytes must be bounded"));
            }
            if stream.max_age.is_some_and(|age| age < stream.duplicate_window) {
                return Err(BadPlan::Unfit(
                    "a stream's max_age must not be shorter than its duplicate window",
                ));
            }
        }
        if !plan.groups.keys().all(|name| is_group_name(name)) {
            return Err(BadPlan::Unfit("a group's name has up to 32 letters, digits, '_' and '-'"));
        }
        if plan.groups.values().any(|group| group.max_ack_pending == 0 || group.ack_wait.is_zero())
        {
            return Err(BadPlan::Unfit(
                "a group's ack_wait and max_ack_pending must be more than 0",
            ));
        }
        Ok(plan)
    }
}

// === impl StreamPlan ===

impl StreamPlan {
    /// The stream that is asked for. What is not named here is left to the server, or as it is.
    pub(super) fn config(
        &self,
        name: &str,
        subjects: String,
        settings: &JetStreamSettings,
    ) -> StreamConfig {
        let metadata = BTreeMap::from([(SHARDS.to_owned(), settings.shards.to_string())]);
        // A single server takes any tag; a cluster keeps the stream off servers that do not fsync.
        let tagged = settings.replicas > 1 && !settings.allow_unsynced;
        let placement =
            tagged.then(|| Placement { cluster: String::new(), tags: vec![SYNC_TAG.to_owned()] });
        StreamConfig {
            name: name.to_owned(),
            subjects: vec![subjects],
            retention: "limits".to_owned(),
            discard: "new".to_owned(),
            storage: "file".to_owned(),
            max_bytes: i64::try_from(self.max_bytes).unwrap_or(i64::MAX),
            max_age: self.max_age.map_or(0, nanos),
            max_msgs: -1,
            max_msgs_per_subject: -1,
            max_msg_size: i64::from(self.max_message_bytes),
            num_replicas: settings.replicas,
            duplicate_window: nanos(self.duplicate_window),
            allow_direct: true,
            placement,
            metadata,
            other: serde_json::Map::new(),
        }
    }
}

// === impl GroupPlan ===

impl GroupPlan {
    /// The consumer that is asked for.
    pub(super) fn config(&self, name: &str) -> ConsumerConfig {
        ConsumerConfig {
            name: name.to_owned(),
            durable_name: Some(name.to_owned()),
            deliver_policy: "all".to_owned(),
            ack_policy: "explicit".to_owned(),
            ack_wait: nanos(self.ack_wait),
            max_deliver: -1,
            max_ack_pending: i64::from(self.max_ack_pending),
            replay_policy: "instant".to_owned(),
            ..ConsumerConfig::default()
        }
    }
}

/// A duration that may be missing, as people write it.
mod optional_duration {
    use std::time::Duration;

    use parlor_common::settings::duration;
    use serde::{Deserializer, Serializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        duration::deserialize(deserializer).map(Some)
    }

    #[expect(clippy::ref_option, reason = "serde hands in a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        age: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match age {
            Some(age) => duration::serialize(age, serializer),
            None => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../../nats/streams.json");

    #[test]
    fn the_plan_that_is_shipped_can_be_used() {
        let plan = Plan::parse(SHIPPED).unwrap();
        assert_eq!(Plan::parse(&serde_json::to_string(&plan).unwrap()).unwrap(), plan);
    }

    #[test]
    fn a_plan_the_log_cannot_work_with_is_refused() {
        for (from, to) in [
            (r#""duplicate_window": "120s""#, r#""duplicate_window": "100s""#),
            (r#""persister""#, r#""nobody""#),
            (r#""groups": {"#, r#""groups": { "a.b": { "ack_wait": "5s", "max_ack_pending": 1 },"#),
            (r#""ack_wait": "5s""#, r#""ack_wait": "0s""#),
            (r#""max_age""#, r#""max_agee""#),
        ] {
            let changed = SHIPPED.replacen(from, to, 1);
            assert_ne!(changed, SHIPPED, "{from}");
            assert!(Plan::parse(&changed).is_err(), "{to}");
        }
    }
}
