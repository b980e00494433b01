//! The log's errors; each answers whether it is worth trying again.

/// Why the log could not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Worth trying again: it cannot be reached, or its answer did not come in time.
    #[error("the log is unavailable: {0}")]
    Unavailable(String),
    /// Worth trying again once somebody has made room: its bound is reached, or its disk is full.
    #[error("the log is full: {0}")]
    Full(String),
    /// Nothing was appended: the conversation's last entry is not where it was expected. The same
    /// again makes no sense; the caller reads anew and decides again.
    #[error("the conversation's last entry is not where it was expected: {0}")]
    Conflict(String),
    /// Not worth trying again.
    #[error("the log refuses: {0}")]
    Rejected(String),
}
