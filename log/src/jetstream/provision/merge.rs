//! Bringing a stream into line: what the plan names as the plan has it, and the rest as it is.

use super::super::{
    check::{SHARDS, SYNC},
    shapes::StreamConfig,
};

/// What is there, with everything the plan names as the plan has it; a sentence where that cannot
/// be.
pub(super) fn merge(
    there: &StreamConfig,
    wanted: StreamConfig,
    synced: Option<&'static str>,
) -> Result<StreamConfig, String> {
    let refuse = |what: &str| Err(format!("stream {}: {what}", there.name));
    if there.storage != wanted.storage || there.retention != wanted.retention {
        return refuse(
            "its storage is not a file or its retention not limits, and that cannot be changed",
        );
    }
    if there.subjects != wanted.subjects {
        return refuse(&format!(
            "it listens to {:?}, and should to {:?}",
            there.subjects, wanted.subjects
        ));
    }
    let (has, shards) = (there.metadata.get(SHARDS), wanted.metadata.get(SHARDS));
    if has.is_some() && has != shards {
        return refuse("it was made for another number of shards, and that never changes");
    }
    let mut metadata = there.metadata.clone();
    metadata.extend(wanted.metadata);
    metadata.extend(synced.map(|synced| (SYNC.to_owned(), synced.to_owned())));
    let mut placement = there.placement.clone();
    for tag in wanted.placement.iter().flat_map(|placement| &placement.tags) {
        let tags = &mut placement.get_or_insert_default().tags;
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    Ok(StreamConfig { metadata, placement, other: there.other.clone(), ..wanted })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{super::super::check::SYNC_ALWAYS, *};

    fn config() -> StreamConfig {
        StreamConfig {
            name: "CHAT_00_1".to_owned(),
            subjects: vec!["chat.00.*.*".to_owned()],
            retention: "limits".to_owned(),
            storage: "file".to_owned(),
            metadata: BTreeMap::from([(SHARDS.to_owned(), "16".to_owned())]),
            ..StreamConfig::default()
        }
    }

    #[test]
    fn what_the_plan_does_not_name_stays() {
        let mut there = config();
        there.other.insert("description".to_owned(), json!("of the operator"));
        there.metadata.insert("_nats.ver".to_owned(), "2.14.5".to_owned());
        there.metadata.insert(SYNC.to_owned(), SYNC_ALWAYS.to_owned());
        assert_eq!(merge(&there, config(), None).unwrap(), there);
        let larger = merge(&there, StreamConfig { max_bytes: 9, ..config() }, Some("no")).unwrap();
        assert_eq!((larger.max_bytes, larger.metadata[SYNC].as_str()), (9, "no"));
        assert_eq!(larger.other, there.other);
    }

    #[test]
    fn what_cannot_be_changed_is_a_sentence() {
        for there in [
            StreamConfig { storage: "memory".to_owned(), ..config() },
            StreamConfig { retention: "workqueue".to_owned(), ..config() },
            StreamConfig { subjects: vec!["other".to_owned()], ..config() },
            StreamConfig {
                metadata: BTreeMap::from([(SHARDS.to_owned(), "8".to_owned())]),
                ..config()
            },
        ] {
            assert!(merge(&there, config(), None).is_err());
        }
    }
}
