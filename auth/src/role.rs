//! What an agent is, as tokens say it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whom an agent's token is for, where nothing else is said of its issuer.
pub(crate) const AUDIENCE: &str = "parlor";

/// What an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A person.
    Agent,
    /// A program.
    Bot,
    /// A person with the role of an administrator, which allows nothing more yet.
    Admin,
}

// === impl Role ===

impl Role {
    /// Reads the claim of a token.
    pub(crate) fn of(said: &Value) -> Option<Self> {
        Self::deserialize(said).ok()
    }
}
