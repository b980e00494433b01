//! The JSON of JetStream's API, as far as it is used here. Durations are in nanoseconds, as they
//! are on the wire.
//!
//! Of a configuration also the fields that are not named here are kept, so that an update changes
//! nothing by leaving it out.

use std::{collections::BTreeMap, time::Duration};

use parlor_common::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::LogError;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ApiError {
    #[serde(default)]
    pub(super) code: u16,
    #[serde(default)]
    pub(super) err_code: u32,
    #[serde(default)]
    pub(super) description: String,
}

/// What every answer may hold.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    #[serde(default)]
    pub(super) error: Option<ApiError>,
}

/// The acknowledgement of a publish.
#[derive(Debug, Deserialize)]
pub(super) struct PublishAck {
    #[serde(default)]
    pub(super) error: Option<ApiError>,
    #[serde(default)]
    pub(super) stream: String,
    #[serde(default)]
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) duplicate: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamInfo {
    pub(super) config: StreamConfig,
    pub(super) state: StreamState,
    #[serde(default)]
    pub(super) cluster: Option<ClusterInfo>,
    #[serde(default)]
    pub(super) ts: String,
    /// When the stream was made.
    #[serde(default)]
    pub(super) created: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamState {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    #[serde(default)]
    pub(super) bytes: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ClusterInfo {
    #[serde(default)]
    pub(super) leader: Option<String>,
    #[serde(default)]
    pub(super) replicas: Option<Vec<PeerInfo>>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PeerInfo {
    #[serde(default)]
    pub(super) offline: bool,
    /// How long ago the leader last heard from it.
    #[serde(default)]
    pub(super) active: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StreamConfig {
    pub(super) name: String,
    pub(super) subjects: Vec<String>,
    pub(super) retention: String,
    pub(super) discard: String,
    pub(super) storage: String,
    pub(super) max_bytes: i64,
    pub(super) max_age: i64,
    pub(super) max_msgs: i64,
    pub(super) max_msgs_per_subject: i64,
    pub(super) max_msg_size: i64,
    pub(super) num_replicas: u8,
    pub(super) duplicate_window: i64,
    pub(super) allow_direct: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) placement: Option<Placement>,
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Placement {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) cluster: String,
    pub(super) tags: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ConsumerInfo {
    pub(super) config: ConsumerConfig,
    /// Everything up to here is acknowledged.
    #[serde(default)]
    pub(super) ack_floor: SequencePair,
    /// Everything up to here was delivered.
    #[serde(default)]
    pub(super) delivered: SequencePair,
    #[serde(default)]
    pub(super) num_ack_pending: u64,
    #[serde(default)]
    pub(super) num_pending: u64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct SequencePair {
    #[serde(default)]
    pub(super) stream_seq: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ConsumerConfig {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) durable_name: Option<String>,
    pub(super) deliver_policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) opt_start_seq: Option<u64>,
    pub(super) ack_policy: String,
    pub(super) ack_wait: i64,
    pub(super) max_deliver: i64,
    pub(super) max_ack_pending: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) replay_policy: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deliver_subject: Option<String>,
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

/// One page of the names of the streams.
#[derive(Debug, Deserialize)]
pub(super) struct StreamNames {
    #[serde(default)]
    pub(super) total: usize,
    #[serde(default)]
    pub(super) streams: Option<Vec<String>>,
}

/// One page of the consumers of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct ConsumerList {
    #[serde(default)]
    pub(super) total: usize,
    #[serde(default)]
    pub(super) consumers: Option<Vec<ConsumerInfo>>,
    /// Those whose leader has not answered.
    #[serde(default)]
    pub(super) missing: Option<Vec<String>>,
}

/// What a purge has removed.
#[derive(Debug, Deserialize)]
pub(super) struct Purged {
    #[serde(default)]
    pub(super) purged: u64,
}

/// A message as the leader gives it.
#[derive(Debug, Deserialize)]
pub(super) struct StoredMessage {
    pub(super) message: RawMessage,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawMessage {
    pub(super) subject: String,
    pub(super) seq: u64,
    /// Base64.
    #[serde(default)]
    pub(super) data: String,
    /// Base64 of the headers as they are on the wire.
    #[serde(default)]
    pub(super) hdrs: String,
    #[serde(default)]
    pub(super) time: String,
}

/// Which message of a stream is asked for.
#[derive(Debug, Default, Serialize)]
pub(super) struct MessageRequest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    /// Instead of `seq`: the first one stored then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_bytes: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(super) struct CreateConsumer<'a> {
    pub(super) stream_name: &'a str,
    pub(super) config: &'a ConsumerConfig,
    /// `create`, `update`, or nothing for either.
    pub(super) action: &'a str,
}

/// A duration as JetStream writes it.
pub(super) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A duration as JetStream writes it; `None` for none.
pub(super) fn from_nanos(nanos: i64) -> Option<Duration> {
    u64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos)
}

/// A time as the servers tell it.
pub(super) fn read_time(text: &str) -> Result<Timestamp, LogError> {
    Timestamp::parse(text).ok_or_else(|| {
        LogError::Unavailable("the servers tell a time that cannot be read".to_owned())
    })
}

// === impl ConsumerInfo ===

impl ConsumerInfo {
    /// How far it has come: what is stored up to here is not delivered for the first time.
    pub(super) fn progress(&self) -> u64 {
        self.ack_floor.stream_seq.max(self.delivered.stream_seq)
    }
}

// === impl ApiError ===

impl ApiError {
    pub(super) const CONSUMER_NOT_FOUND: u32 = 10_014;
    pub(super) const NO_MESSAGE_FOUND: u32 = 10_037;
    pub(super) const NO_ROOM: u32 = 10_047;
    pub(super) const TOO_LARGE: u32 = 10_054;
    pub(super) const STREAM_NAME_IN_USE: u32 = 10_058;
    pub(super) const STREAM_NOT_FOUND: u32 = 10_059;
    pub(super) const OTHER_STREAM: u32 = 10_060;
    pub(super) const SUBJECTS_OVERLAP: u32 = 10_065;
    pub(super) const WRONG_LAST_SEQUENCE: u32 = 10_071;
    pub(super) const STORE_FAILED: u32 = 10_077;
    pub(super) const SEALED: u32 = 10_109;
    /// The same without the sequence: another publish of the subject is on its way to the replicas.
    pub(super) const WRONG_LAST_SEQUENCE_YET: u32 = 10_164;

    /// Whether there is no room for more: of the account, the servers' store or memory, or the
    /// stream.
    pub(super) fn is_full(&self) -> bool {
        let words = ["maximum bytes exceeded", "maximum messages exceeded", "no space left"];
        match self.err_code {
            10_002 | 10_023 | 10_028 | Self::NO_ROOM => true,
            Self::STORE_FAILED => words.iter().any(|word| self.description.contains(word)),
            _ => false,
        }
    }

    /// Whether the same will never be taken.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self.err_code, Self::TOO_LARGE | Self::OTHER_STREAM | Self::SEALED)
    }

    /// Whether the last message of a subject is not where a publish expected it.
    pub(super) const fn is_unexpected(&self) -> bool {
        matches!(self.err_code, Self::WRONG_LAST_SEQUENCE | Self::WRONG_LAST_SEQUENCE_YET)
    }

    /// Whether what was asked about is not there.
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.err_code, Self::STREAM_NOT_FOUND | Self::CONSUMER_NOT_FOUND)
    }

    /// Whether the servers are electing or starting.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(self.err_code, 10_006..=10_009 | 10_118 | 10_119 | 10_167)
    }

    /// Whether somebody else has made the same, or something in its place, in the meantime.
    pub(super) const fn is_conflict(&self) -> bool {
        matches!(self.err_code, Self::STREAM_NAME_IN_USE | Self::SUBJECTS_OVERLAP)
    }
}
