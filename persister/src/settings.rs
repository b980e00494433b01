//! Settings of the persister.

use std::time::Duration;

use parlor_common::settings::duration;
use serde::{Deserialize, Serialize};

/// How a batch is made, and how patient the persister is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersisterSettings {
    /// `persister.batch_count`: the most events of a batch.
    pub batch_count: usize,
    /// `persister.batch_bytes`: the most bytes of a batch.
    pub batch_bytes: usize,
    /// `persister.batch_age`: how long a batch waits for company.
    #[serde(with = "duration")]
    pub batch_age: Duration,
    /// `persister.progress_every`: how often a batch that takes long asks for more time; well below
    /// the log's acknowledgement wait of 5 s.
    #[serde(with = "duration")]
    pub progress_every: Duration,
    /// `persister.retry_every`: how long to wait after a store or a log that did not answer.
    #[serde(with = "duration")]
    pub retry_every: Duration,
}
