//! Authors: who did what an event tells.

use serde::{Deserialize, Serialize};

/// Who wrote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Author {
    /// What they are.
    pub kind: AuthorKind,
    /// A visitor's id, or the `sub` of an agent's token.
    pub id: String,
    /// An agent's name, where the token tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What an author is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorKind {
    /// Writes from the widget.
    Visitor,
    /// Answers from the dashboard.
    Agent,
    /// A program that answers.
    Bot,
}

// === impl AuthorKind ===

impl AuthorKind {
    /// As records and keys spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Agent => "agent",
            Self::Bot => "bot",
        }
    }
}
