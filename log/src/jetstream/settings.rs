//! Settings of the JetStream log.

use std::{fmt, num::NonZeroU16, path::PathBuf, time::Duration};

use parlor_common::settings::duration;
use serde::{Deserialize, Serialize};

use crate::LogError;

/// Which servers, how they are asked, and what is expected of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JetStreamSettings {
    /// `nats.urls`: the servers, as `nats://host:port` or `tls://host:port`. All of them: none is
    /// discovered.
    pub urls: Vec<String>,
    /// `nats.user`: the user to log in as; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `nats.password`: the user's password; a secret that is never shown.
    #[serde(default, skip_serializing)]
    pub password: Option<String>,
    /// `nats.nkey`: the seed of an nkey to log in with instead; a secret that is never shown.
    #[serde(default, skip_serializing)]
    pub nkey: Option<String>,
    /// `nats.credentials`: the contents of a credentials file to log in with instead; a secret that
    /// is never shown.
    #[serde(default, skip_serializing)]
    pub credentials: Option<String>,
    /// `nats.ca_file`: the root certificates that the servers' certificates are checked against;
    /// the system's by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// `nats.namespace`: what sets this installation apart from others in the same account: up to
    /// 32 of `[A-Za-z0-9-]` before the names of its streams and subjects. None by default.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// `nats.shards`: how many shards the log has. Tenants find theirs by it, so it never changes.
    pub shards: NonZeroU16,
    /// `nats.replicas`: how many servers keep each event, 1 to 5.
    pub replicas: u8,
    /// `nats.allow_unsynced`: runs on servers that do not fsync every message, and loses what was
    /// accepted in a power cut.
    #[serde(default)]
    pub allow_unsynced: bool,
    /// `nats.append_deadline`: how long an append is tried, elections included; 12 s at most, since
    /// identity counts on it.
    #[serde(with = "duration")]
    pub append_deadline: Duration,
    /// `nats.appends_in_flight`: the most appends that wait for the servers at once.
    pub appends_in_flight: usize,
    /// `nats.request_timeout`: how long one question to the servers may take.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// `nats.read_deadline`: how long a page may take.
    #[serde(with = "duration")]
    pub read_deadline: Duration,
    /// `nats.renewal_deadline`: how long a tail tries to go on after a miss, elections included.
    #[serde(with = "duration")]
    pub renewal_deadline: Duration,
}

// === impl JetStreamSettings ===

impl JetStreamSettings {
    /// The longest an append may be tried: the duplicate window is reckoned with it.
    const MAX_APPEND_DEADLINE: Duration = Duration::from_secs(12);

    /// Checks what becomes part of names, and the bounds.
    ///
    /// # Errors
    /// [`LogError::Rejected`] names the setting.
    pub fn check(&self) -> Result<(), LogError> {
        let refuse = |sentence: &str| Err(LogError::Rejected(sentence.to_owned()));
        if self.urls.is_empty() {
            return refuse("nats.urls must name a server");
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if self.namespace.len() > 32 || !self.namespace.bytes().all(plain) {
            return refuse("nats.namespace may have up to 32 letters, digits and '-'");
        }
        if !(1..=5).contains(&self.replicas) {
            return refuse("nats.replicas must be 1 to 5");
        }
        if self.append_deadline.is_zero() || self.append_deadline > Self::MAX_APPEND_DEADLINE {
            return refuse("nats.append_deadline must be more than 0 and 12s at most");
        }
        if self.appends_in_flight == 0 {
            return refuse("nats.appends_in_flight must be 1 or more");
        }
        let least = Duration::from_millis(100);
        if [self.request_timeout, self.read_deadline, self.renewal_deadline]
            .iter()
            .any(|wait| *wait < least)
        {
            return refuse(
                "nats.request_timeout, nats.read_deadline and nats.renewal_deadline must be 100ms \
                 or more",
            );
        }
        let ways = [self.user.is_some(), self.nkey.is_some(), self.credentials.is_some()];
        if ways.iter().filter(|given| **given).count() > 1 {
            return refuse("nats.user, nats.nkey and nats.credentials exclude each other");
        }
        if self.user.is_some() != self.password.is_some() {
            return refuse("nats.user and nats.password go together");
        }
        Ok(())
    }
}

impl Default for JetStreamSettings {
    fn default() -> Self {
        parlor_common::settings::defaults("nats")
    }
}

impl fmt::Debug for JetStreamSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may carry a password, so the addresses are counted only.
        f.debug_struct("JetStreamSettings")
            .field("urls", &self.urls.len())
            .field("user", &self.user)
            .field("namespace", &self.namespace)
            .field("shards", &self.shards)
            .field("replicas", &self.replicas)
            .field("allow_unsynced", &self.allow_unsynced)
            .field("append_deadline", &self.append_deadline)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_would_change_a_subject_is_refused() {
        assert_eq!(JetStreamSettings::default().check(), Ok(()));
        for namespace in ["a.b", "a*", ">", "a b", "a_b", "é", &"a".repeat(33)] {
            let settings = JetStreamSettings {
                namespace: namespace.to_owned(),
                ..JetStreamSettings::default()
            };
            assert!(settings.check().is_err(), "{namespace}");
        }
    }

    #[test]
    fn an_append_deadline_beyond_what_identity_counts_on_is_refused() {
        let settings = JetStreamSettings {
            append_deadline: Duration::from_secs(13),
            ..JetStreamSettings::default()
        };
        assert!(settings.check().is_err());
    }

    #[test]
    fn no_secret_is_ever_shown() {
        let settings = JetStreamSettings {
            urls: vec!["nats://u:hunter2@host:4222".to_owned()],
            user: Some("u".to_owned()),
            password: Some("hunter2".to_owned()),
            nkey: Some("hunter2".to_owned()),
            credentials: Some("hunter2".to_owned()),
            ..JetStreamSettings::default()
        };
        assert!(!format!("{settings:?}").contains("hunter2"));
        let shown =
            serde_json::to_string(&JetStreamSettings { urls: Vec::new(), ..settings }).unwrap();
        assert!(!shown.contains("hunter2"));
    }
}
