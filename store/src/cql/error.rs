//! The errors of a database, as the store tells them.

use crate::StoreError;

/// Whatever the database says, the same statement may succeed later: an event is never given up
/// because of it.
pub(super) fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
