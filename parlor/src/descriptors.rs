//! Descriptors: how many files and sockets the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

use crate::exit::Exit;

/// What a node needs besides its clients' connections: files, NATS and the database, refused
/// connections that are still told why, and the operators' port.
const RESERVE: usize = 512;

/// The most connections of the operators' port, within the reserve.
pub(crate) const OPERATORS: usize = 64;

/// Raises the limit to the highest one that is allowed; tells it.
pub(crate) fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // What is refused leaves the limit as it was.
    let current = setrlimit(Resource::Nofile, raised).map_or(limit.current, |()| limit.maximum);
    current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

/// How many of the `wanted` connections fit into so many `files`, with what else a node needs.
///
/// # Errors
/// Where not even one does.
pub(crate) fn room_for(wanted: usize, files: usize) -> Result<usize, Exit> {
    let room = files.saturating_sub(RESERVE);
    if room == 0 {
        return Err(Exit::usage(format_args!(
            "the process may open {files} files, and needs {RESERVE} besides its connections: \
             raise its limit (ulimit -n, LimitNOFILE)"
        )));
    }
    if room < wanted {
        warn!(
            files,
            max_connections = room,
            "the process may not open enough files for http.max_connections = {wanted}: fewer \
             connections are taken; raise its limit (ulimit -n, LimitNOFILE)"
        );
    }
    Ok(room.min(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_reserve() {
        assert_eq!(room_for(100, 10_000), Ok(100));
        assert_eq!(room_for(100, RESERVE + 100), Ok(100));
        assert_eq!(room_for(100, RESERVE + 99), Ok(99));
        assert!(room_for(100, RESERVE).is_err());
    }
}
