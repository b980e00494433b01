//! What is relied on, and read back: an old server accepts and ignores what it does not know, and
//! an operator may have changed what another one made. Each thing that is not honoured is a
//! sentence.

use std::time::Duration;

use serde_json::Value;

use super::{
    names::{Names, StreamRef},
    settings::JetStreamSettings,
    shapes::{ConsumerConfig, StreamConfig, nanos},
};

/// The oldest server whose streams and direct gets do what is relied on.
const MIN_VERSION: (u32, u32) = (2, 12);

/// The shortest duplicate window: 45 s of a young id, 30 s into the future, two clocks 5 s off, 12
/// s of retries, and what a lost connection may hold up.
pub(super) const MIN_DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// A stream's metadata: whether its servers fsync every message.
pub(super) const SYNC: &str = "parlor.sync";
/// The value of [`SYNC`] that counts.
pub(super) const SYNC_ALWAYS: &str = "always";
/// A stream's metadata: how many shards the log has.
pub(super) const SHARDS: &str = "parlor.shards";
/// A stream's metadata: the restore that it was made after.
pub(super) const INCARNATION: &str = "parlor.incarnation";
/// The tag of servers that fsync every message.
pub(super) const SYNC_TAG: &str = "sync:always";

/// Whether a server is new enough; the sentence where it is not.
pub(super) fn version_sentence(version: &str) -> Option<String> {
    let mut numbers = version.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= MIN_VERSION => None,
        _ => Some(format!(
            "the server calls itself {version:?}; {}.{} or later is needed",
            MIN_VERSION.0, MIN_VERSION.1
        )),
    }
}

/// What a shard's stream does not honour.
pub(super) fn stream_sentences(
    names: &Names,
    stream: &StreamRef,
    config: &StreamConfig,
    settings: &JetStreamSettings,
) -> Vec<String> {
    let mut wrong = durable_sentences(&stream.name, config, settings);
    let mut must = |honoured: bool, sentence: String| {
        if !honoured {
            wrong.push(format!("stream {}: {sentence}", stream.name));
        }
    };
    let subjects = names.subjects(stream.shard);
    must(
        config.subjects == [subjects.as_str()],
        format!(
            "it listens to {:?}, not to {subjects} alone: is it an earlier epoch's?",
            config.subjects
        ),
    );
    must(config.allow_direct, "direct gets are not allowed".to_owned());
    must(
        config.duplicate_window >= nanos(MIN_DUPLICATE_WINDOW),
        format!("its duplicate window is shorter than {MIN_DUPLICATE_WINDOW:?}"),
    );
    let shards = config.metadata.get(SHARDS).map_or("none", String::as_str);
    must(
        shards == settings.shards.to_string(),
        format!(
            "it was made for {shards} shards, and nats.shards is {}: tenants would not be found",
            settings.shards
        ),
    );
    wrong
}

/// What a stream does not honour that must keep what it took.
pub(super) fn durable_sentences(
    name: &str,
    config: &StreamConfig,
    settings: &JetStreamSettings,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut must = |honoured: bool, sentence: String| {
        if !honoured {
            wrong.push(format!("stream {name}: {sentence}"));
        }
    };
    let other = |field: &str| config.other.get(field);
    let set = |field: &str| other(field).and_then(Value::as_bool) == Some(true);
    must(config.storage == "file", format!("its storage is {:?}, not a file", config.storage));
    must(
        config.retention == "limits",
        format!("its retention is {:?}, not limits", config.retention),
    );
    must(
        config.discard == "new",
        format!("when it is full it discards {:?}, not new", config.discard),
    );
    must(config.max_msgs <= 0, "it is bounded by a number of messages".to_owned());
    must(
        config.max_msgs_per_subject <= 0,
        "it keeps only some messages of each subject".to_owned(),
    );
    must(
        config.num_replicas >= settings.replicas,
        format!(
            "it has {} replicas, and nats.replicas is {}",
            config.num_replicas, settings.replicas
        ),
    );
    must(!set("no_ack"), "it does not acknowledge".to_owned());
    must(!set("sealed"), "it is sealed".to_owned());
    must(!set("allow_rollup_hdrs"), "a message may delete others (rollup)".to_owned());
    must(!set("allow_msg_ttl"), "a message may tell when it is deleted (TTL)".to_owned());
    must(
        other("persist_mode").and_then(Value::as_str).unwrap_or("default") == "default",
        "it acknowledges before it has written (persist_mode)".to_owned(),
    );
    for field in ["mirror", "sources", "subject_transform"] {
        must(other(field).is_none_or(Value::is_null), format!("it has a {field}"));
    }
    let sync = config.metadata.get(SYNC).map_or("unknown", String::as_str);
    must(
        sync == SYNC_ALWAYS || settings.allow_unsynced,
        format!(
            "whether its servers fsync every message is noted as {sync:?}: a power cut would lose \
             what was accepted. Set \
             sync_interval: always and provision with the servers' monitoring addresses, or set \
             nats.allow_unsynced"
        ),
    );
    wrong
}

/// What a group's consumer does not honour.
pub(super) fn group_sentences(stream: &str, config: &ConsumerConfig) -> Vec<String> {
    let mut wrong = Vec::new();
    let name = &config.name;
    let mut must = |honoured: bool, sentence: String| {
        if !honoured {
            wrong.push(format!("consumer {name} of {stream}: {sentence}"));
        }
    };
    let other = |field: &str| config.other.get(field);
    must(
        config.ack_policy == "explicit",
        format!("its ack policy is {:?}, not explicit", config.ack_policy),
    );
    must(
        config.deliver_policy == "all",
        format!("it delivers {:?}, not all", config.deliver_policy),
    );
    must(config.deliver_subject.is_none(), "it pushes; it must be pulled".to_owned());
    must(config.durable_name.is_some(), "it is not durable".to_owned());
    must(
        config.max_deliver == -1,
        format!(
            "it gives up after {} deliveries, and would skip entries while the database is down",
            config.max_deliver
        ),
    );
    must(config.max_ack_pending > 0, "it bounds no unacknowledged deliveries".to_owned());
    must(
        other("inactive_threshold").and_then(Value::as_i64).unwrap_or(0) == 0,
        "it is removed while nobody reads".to_owned(),
    );
    must(
        other("mem_storage").and_then(Value::as_bool) != Some(true),
        "it keeps its progress in memory".to_owned(),
    );
    for field in ["filter_subject", "filter_subjects", "backoff"] {
        must(other(field).is_none_or(Value::is_null), format!("it has a {field}"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use parlor_common::{position::Epoch, shard::Shard};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_must_be_new_enough() {
        for version in ["2.12.0", "2.14.5", "3.0.1", "2.12.0-beta.1"] {
            assert_eq!(version_sentence(version), None, "{version}");
        }
        for version in ["2.11.9", "1.99.0", "", "later", "2"] {
            assert!(version_sentence(version).is_some(), "{version}");
        }
    }

    fn stream() -> serde_json::Value {
        json!({
            "name": "CHAT_00_1", "subjects": ["chat.00.*.*"], "retention": "limits",
            "discard": "new", "storage": "file",
            "max_bytes": 1_000_000, "max_age": 0, "max_msgs": -1, "max_msgs_per_subject": -1,
            "num_replicas": 3,
            "duplicate_window": 120_000_000_000_i64, "allow_direct": true,
            "metadata": {"parlor.sync": "always", "parlor.shards": "16", "_nats.ver": "2.14.5"}
        })
    }

    fn wrong(config: serde_json::Value) -> Vec<String> {
        let names = Names::new("");
        let stream = names.stream(Shard::new(0), Epoch::FIRST);
        let config = serde_json::from_value(config).unwrap();
        stream_sentences(&names, &stream, &config, &JetStreamSettings::default())
    }

    #[test]
    fn each_thing_that_is_not_honoured_is_a_sentence() {
        assert_eq!(wrong(stream()), [""; 0]);
        let changes = [
            ("subjects", json!(["old.1.chat.00.*.*"])),
            ("retention", json!("workqueue")),
            ("discard", json!("old")),
            ("storage", json!("memory")),
            ("max_msgs", json!(5)),
            ("max_msgs_per_subject", json!(1)),
            ("num_replicas", json!(1)),
            ("duplicate_window", json!(119_000_000_000_i64)),
            ("allow_direct", json!(false)),
            ("no_ack", json!(true)),
            ("sealed", json!(true)),
            ("allow_rollup_hdrs", json!(true)),
            ("allow_msg_ttl", json!(true)),
            ("persist_mode", json!("async")),
            ("mirror", json!({"name": "x"})),
            ("subject_transform", json!({"src": "a", "dest": "b"})),
            ("metadata", json!({"parlor.sync": "always", "parlor.shards": "8"})),
            ("metadata", json!({"parlor.shards": "16"})),
        ];
        for (field, value) in changes {
            let mut config = stream();
            config[field] = value.clone();
            assert_eq!(wrong(config).len(), 1, "{field}: {value}");
        }
    }

    #[test]
    fn a_group_that_would_skip_or_forget_is_refused() {
        let group = json!({
            "name": "persister", "durable_name": "persister", "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": 5, "max_deliver": -1, "max_ack_pending": 5
        });
        let wrong =
            |config| group_sentences("CHAT_00_1", &serde_json::from_value(config).unwrap()).len();
        assert_eq!(wrong(group.clone()), 0);
        for (field, value) in [
            ("ack_policy", json!("all")),
            ("deliver_policy", json!("new")),
            ("max_deliver", json!(20)),
            ("max_ack_pending", json!(-1)),
            ("deliver_subject", json!("x")),
            ("durable_name", json!(null)),
            ("inactive_threshold", json!(5)),
            ("mem_storage", json!(true)),
            ("filter_subject", json!("chat.>")),
            ("backoff", json!([1])),
        ] {
            let mut config = group.clone();
            config[field] = value;
            assert_eq!(wrong(config), 1, "{field}");
        }
    }
}
