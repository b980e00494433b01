//! Settings of the CQL store.

use std::{fmt, time::Duration};

use parlor_common::settings::duration;
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// Which database, and how much is asked of it at once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CqlSettings {
    /// `cql.nodes`: `host:port` of some of the nodes; the others are told by these.
    pub nodes: Vec<String>,
    /// `cql.keyspace`: a lower-case letter, then up to 47 of `[a-z0-9_]`.
    pub keyspace: String,
    /// `cql.user`: the role to log in as; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `cql.password`: the role's password; a secret that is never shown.
    #[serde(default, skip_serializing)]
    pub password: Option<String>,
    /// `cql.datacenter`: where the data lives and whose nodes are asked; by default the only one
    /// there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacenter: Option<String>,
    /// `cql.replication_factor`: copies of every row, for a keyspace that is made.
    pub replication_factor: u16,
    /// `cql.request_timeout`: how long one statement of a write, and a whole read, may take.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// `cql.in_flight`: the most statements of one insert, or of one read, that run at once.
    pub in_flight: usize,
    /// `cql.batch_rows`: the most rows of a batch, 100 at most.
    pub batch_rows: usize,
    /// `cql.batch_bytes`: the most bytes of a batch. Cassandra fails a batch of 50 KiB (its
    /// `batch_size_fail_threshold`), and 40 KiB leave room for what it counts besides.
    pub batch_bytes: usize,
}

// === impl CqlSettings ===

impl CqlSettings {
    /// Checks what is spliced into statements, and the bounds.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] names the setting.
    pub fn check(&self) -> Result<(), StoreError> {
        let refuse = |sentence: &str| Err(StoreError::Rejected(sentence.to_owned()));
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let letter_first =
            self.keyspace.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !letter_first || self.keyspace.len() > 48 || !self.keyspace.bytes().all(word) {
            return refuse(
                "cql.keyspace must be a lower-case letter and up to 47 of a-z, 0-9 and '_'",
            );
        }
        let place = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if self
            .datacenter
            .as_deref()
            .is_some_and(|name| name.is_empty() || !name.bytes().all(place))
        {
            return refuse("cql.datacenter may have letters, digits, '_', '-' and '.' only");
        }
        if self.nodes.is_empty() {
            return refuse("cql.nodes must name a node");
        }
        if self.replication_factor == 0 {
            return refuse("cql.replication_factor must be 1 or more");
        }
        if self.request_timeout < Duration::from_millis(10) {
            return refuse("cql.request_timeout must be 10ms or more");
        }
        if self.in_flight == 0
            || !(1..=100).contains(&self.batch_rows)
            || !(1..=49_152).contains(&self.batch_bytes)
        {
            return refuse(
                "cql.in_flight must be 1 or more, cql.batch_rows 1 to 100, cql.batch_bytes 1 to \
                 49152",
            );
        }
        Ok(())
    }
}

impl Default for CqlSettings {
    fn default() -> Self {
        parlor_common::settings::defaults("cql")
    }
}

impl fmt::Debug for CqlSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, keyspace, user, datacenter, replication_factor, request_timeout, .. } =
            self;
        f.debug_struct("CqlSettings")
            .field("nodes", nodes)
            .field("keyspace", keyspace)
            .field("user", user)
            .field("datacenter", datacenter)
            .field("replication_factor", replication_factor)
            .field("request_timeout", request_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_change_a_statement_is_refused() {
        assert_eq!(CqlSettings::default().check(), Ok(()));
        for keyspace in ["", "Parlor", "1a", "a b", "a;drop", "a\"", "é", &"a".repeat(49)] {
            let settings = CqlSettings { keyspace: keyspace.to_owned(), ..CqlSettings::default() };
            assert!(settings.check().is_err(), "{keyspace}");
        }
        let settings =
            CqlSettings { datacenter: Some("dc1'".to_owned()), ..CqlSettings::default() };
        assert!(settings.check().is_err());
    }

    #[test]
    fn the_password_is_never_shown() {
        let settings =
            CqlSettings { password: Some("hunter2".to_owned()), ..CqlSettings::default() };
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&settings).unwrap().contains("hunter2"));
    }
}
