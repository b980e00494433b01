//! Settings of a consumer.

use std::time::Duration;

use parlor_common::settings::duration;
use serde::{Deserialize, Serialize};

/// How a batch is made, and how patient a consumer is. The section is called as the group: the
/// persister's is `[persister]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerSettings {
    /// `batch_count`: the most events of a batch. The persister's default is 500.
    pub batch_count: usize,
    /// `batch_bytes`: the most bytes of a batch. The persister's default is 1 MiB.
    pub batch_bytes: usize,
    /// `batch_age`: how long a batch waits to be filled. The persister's default is 20 ms.
    #[serde(with = "duration")]
    pub batch_age: Duration,
    /// `progress_every`: how often a batch that takes long asks for more time; well below the log's
    /// acknowledgement wait of 5 s. The persister's default is 2 s.
    #[serde(with = "duration")]
    pub progress_every: Duration,
    /// `retry_every`: how long to wait after a sink or a log that did not answer. The persister's
    /// default is 1 s.
    #[serde(with = "duration")]
    pub retry_every: Duration,
}
