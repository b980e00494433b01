//! Settings of the embedded log.

use std::{collections::BTreeSet, time::Duration};

use parlor_common::settings::duration;
use serde::{Deserialize, Serialize};

use crate::PERSISTER;

/// How large the embedded log becomes, how long it keeps, how patient it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteLogSettings {
    /// `embedded.log.max_bytes`: what the file may hold; beyond that nothing is accepted until
    /// something is old enough to be forgotten.
    pub max_bytes: u64,
    /// `embedded.log.max_age`: how long an event is kept that the store has.
    #[serde(with = "duration")]
    pub max_age: Duration,
    /// `embedded.log.ack_wait`: how long a delivery may stay unacknowledged before it comes again.
    #[serde(with = "duration")]
    pub ack_wait: Duration,
    /// `embedded.log.groups`: the groups of consumers; [`PERSISTER`] is always among them. A new
    /// one begins with the oldest entry.
    pub groups: Vec<String>,
}

// === impl SqliteLogSettings ===

impl SqliteLogSettings {
    /// The names of all groups.
    pub(super) fn group_names(&self) -> BTreeSet<&str> {
        self.groups.iter().map(String::as_str).chain([PERSISTER]).collect()
    }
}
