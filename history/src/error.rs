//! Why history cannot answer.

use parlor_common::problem::{Code, Problem};
use parlor_log::LogError;

/// Why a page could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Worth trying again.
    #[error("{0}")]
    Unavailable(String),
    /// The position is ahead of the end, of another epoch, or, for a tenant, older than the log.
    #[error("the position is not known here")]
    UnknownPosition,
}

impl From<LogError> for HistoryError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Rejected(_) => Self::UnknownPosition,
            LogError::Unavailable(_) | LogError::Full(_) | LogError::Conflict(_) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Unavailable(_) => {
                Self::unavailable("the history cannot be read just now")
            }
            HistoryError::UnknownPosition => {
                Self::new(Code::BadCursor, "the cursor is not known here")
            }
        }
    }
}
