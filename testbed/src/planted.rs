//! Planted faults in tests of libraries: the one that `PARLOR_PLANTED` names.

/// How a run is told which fault to plant; `parlor` reads it too.
pub const VARIABLE: &str = "PARLOR_PLANTED";

/// Plants the fault that this process was started with, if with any. The fixtures of the tests that
/// are to find one call it first.
#[expect(clippy::disallowed_methods, reason = "a test is told by the environment what to test")]
pub fn begin() {
    if let Ok(name) = std::env::var(VARIABLE)
        && !name.is_empty()
    {
        parlor_common::planted::plant(&name).unwrap_or_else(|error| panic!("{VARIABLE}: {error}"));
    }
}
