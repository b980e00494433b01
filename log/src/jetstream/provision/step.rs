//! What a step came to, where it is not done.

use super::super::{api::ApiFailure, shapes::ApiError};
use crate::LogError;

/// Somebody else was faster, or something is wrong.
pub(super) enum Step {
    Anew,
    Failed(LogError),
}

// === impl Step ===

impl Step {
    pub(super) fn of(what: &str, failure: ApiFailure) -> Self {
        match failure {
            ApiFailure::Refused(error) if error.is_conflict() => Self::Anew,
            failure => Self::Failed(refusal(what, failure)),
        }
    }
}

impl From<LogError> for Step {
    fn from(error: LogError) -> Self {
        Self::Failed(error)
    }
}

/// A refusal as a sentence.
pub(super) fn refusal(what: &str, failure: ApiFailure) -> LogError {
    match failure {
        ApiFailure::Refused(error) if error.is_passing() => {
            LogError::Unavailable(format!("{what}: {}", error.description))
        }
        ApiFailure::Refused(error) if error.err_code == ApiError::NO_ROOM => {
            LogError::Rejected(format!(
                "{what}: the max_bytes of all streams together do not fit the servers' \
                 max_file_store ({})",
                error.description
            ))
        }
        ApiFailure::Refused(error) => {
            LogError::Rejected(format!("{what}: {} ({})", error.description, error.err_code))
        }
        failure @ (ApiFailure::NoAnswer(_) | ApiFailure::Doubtful(_)) => {
            LogError::Unavailable(format!("{what}: {failure}"))
        }
    }
}
