//! Disks without room: small ones that fill up, and files that may not grow.

use std::{path::Path, process::Command};

/// A command that runs the program it is given on a disk of so many MiB, mounted at `folder` in a
/// mount namespace that ends with it. `None` where this machine lets nobody mount one.
pub fn small(folder: &Path, mebibytes: u32) -> Option<Command> {
    let script =
        format!("mount -t tmpfs -o size={mebibytes}m parlor-test \"$1\" && shift && exec \"$@\"");
    let on_it = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.arg(folder);
        command
    };
    let tried = on_it().arg("true").output();
    tried.is_ok_and(|output| output.status.success()).then(on_it)
}

/// Sets how long this process's files may become, so that every write beyond that fails;
/// [`u64::MAX`] for no limit. A process that is not to end at such a write must handle SIGXFSZ.
pub fn limit_files(bytes: u64) {
    let soft = if bytes == u64::MAX { "unlimited".to_owned() } else { bytes.to_string() };
    let done = Command::new("prlimit")
        .args([&format!("--pid={}", std::process::id()), &format!("--fsize={soft}:")])
        .status()
        .expect("prlimit of util-linux is there");
    assert!(done.success(), "the limit was not set");
}
