//! Which servers carry signals, and as whom they are asked.

use std::{fmt, path::PathBuf};

/// The log's servers and credentials (`nats.…`), which signals use by a connection of their own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NatsSignalsSettings {
    /// `nats.urls`.
    pub urls: Vec<String>,
    /// `nats.user`.
    pub user: Option<String>,
    /// `nats.password`.
    pub password: Option<String>,
    /// `nats.nkey`.
    pub nkey: Option<String>,
    /// `nats.credentials`.
    pub credentials: Option<String>,
    /// `nats.ca_file`.
    pub ca_file: Option<PathBuf>,
    /// `nats.namespace`: before each subject, with a dot between them.
    pub namespace: String,
}

// === impl NatsSignalsSettings ===

impl NatsSignalsSettings {
    /// What is before every subject.
    pub(crate) fn prefix(&self) -> String {
        if self.namespace.is_empty() { String::new() } else { format!("{}.", self.namespace) }
    }
}

impl fmt::Debug for NatsSignalsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address may carry a password, so the addresses are counted only.
        f.debug_struct("NatsSignalsSettings")
            .field("urls", &self.urls.len())
            .field("user", &self.user)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}
