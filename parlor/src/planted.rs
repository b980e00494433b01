//! Planted faults: which one this process makes. A build that can make any says so before it does
//! anything else.

use std::{
    env,
    io::{self, Write},
};

use parlor_common::planted::{AVAILABLE, plant};

use crate::exit::Exit;

/// Names the fault. In other builds it is an unknown setting, and refused.
pub(crate) const VARIABLE: &str = "PARLOR_PLANTED";

/// Plants the fault that the environment names, if it names one and the build can make it.
///
/// # Errors
/// There is no such fault.
#[expect(clippy::disallowed_methods, reason = "what is no setting is read here")]
pub(crate) fn begin() -> Result<(), Exit> {
    if !AVAILABLE {
        return Ok(());
    }
    let warning = "parlor: THIS BUILD MAKES MISTAKES ON PURPOSE (feature `planted`): for tests \
                   alone, never for messages that matter\n";
    drop(io::stderr().write_all(warning.as_bytes()));
    match env::var(VARIABLE) {
        Ok(name) if !name.is_empty() => plant(&name).map_err(Exit::usage),
        _ => Ok(()),
    }
}
