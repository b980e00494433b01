//! Nodes of Parlor as processes of a test's own, on free ports of loopback.

#![expect(clippy::unwrap_used, reason = "a test ends where its nodes cannot be started or stopped")]

use std::{
    ffi::OsStr,
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{client::http, process};

/// A running `parlor`; killed when dropped.
#[derive(Debug)]
pub struct Parlor {
    child: Child,
    /// How it was started, to be started again.
    command: Command,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The operators' port.
    pub admin: SocketAddr,
    /// The file that it logs to.
    pub log: PathBuf,
}

/// What a process that ended by itself said.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status, unless a signal ended it.
    pub status: Option<i32>,
    /// Everything it printed.
    pub stdout: String,
    /// Everything it logged.
    pub stderr: String,
}

/// Variables of a node's environment, which has no others.
pub type Variables = Vec<(&'static str, String)>;

/// The ports of servers that tests start.
const PORTS: std::ops::Range<u32> = 26_000..32_700;

/// An address of loopback that is free now.
pub fn free_address() -> SocketAddr {
    free_addresses()[0]
}

/// Different addresses of loopback that are free now. None is given twice soon: who asked for one
/// takes it a moment later. They are below the ports that Linux gives to connections, which come
/// and go meanwhile.
pub fn free_addresses() -> [SocketAddr; 3] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id() * 97;
    [(); 3].map(|()| {
        loop {
            let number = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let port = PORTS.start + number % (PORTS.end - PORTS.start);
            let port = u16::try_from(port).expect("ports end before 65,536");
            if let Ok(bound) = TcpListener::bind(("127.0.0.1", port)) {
                return bound.local_addr().expect("it is bound");
            }
        }
    })
}

/// The binary that `PARLOR_TEST_BIN` names, or the one that cargo built beside the running test.
#[expect(clippy::disallowed_methods, reason = "a test is told by the environment what to test")]
fn binary() -> PathBuf {
    let beside = || {
        let test = std::env::current_exe().unwrap();
        test.ancestors().nth(2).expect("cargo puts tests into a folder").join("parlor")
    };
    let binary = std::env::var("PARLOR_TEST_BIN").map_or_else(|_| beside(), PathBuf::from);
    let place = binary.display();
    assert!(
        binary.is_file(),
        "there is no {place}: build it with `cargo build -p parlor`, or set PARLOR_TEST_BIN"
    );
    binary
}

/// `parlor` with nothing of this process's environment, in `folder`.
pub fn command<S: AsRef<OsStr>>(
    folder: &Path,
    arguments: &[S],
    variables: &[(&str, String)],
) -> Command {
    command_of(&binary(), folder, arguments, variables)
}

/// The same with the `parlor` of this path.
pub fn command_of<S: AsRef<OsStr>>(
    binary: &Path,
    folder: &Path,
    arguments: &[S],
    variables: &[(&str, String)],
) -> Command {
    let mut command = Command::new(binary);
    command.args(arguments).env_clear().envs(variables.iter().map(|(name, value)| (*name, value)));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs `parlor` until it ends by itself.
pub fn run<S: AsRef<OsStr>>(folder: &Path, arguments: &[S], variables: &[(&str, String)]) -> Ended {
    let mut command = command(folder, arguments, variables);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { status: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

// === impl Parlor ===

impl Parlor {
    /// Starts a role (none is the all-in-one) on free ports and waits until it is ready.
    pub async fn start(folder: &Path, role: Option<&str>, variables: &[(&str, String)]) -> Self {
        Self::start_of(&binary(), folder, role, variables).await
    }

    /// The same with the `parlor` of this path.
    pub async fn start_of(
        binary: &Path,
        folder: &Path,
        role: Option<&str>,
        variables: &[(&str, String)],
    ) -> Self {
        let [listen, admin, _] = free_addresses();
        let log = folder.join(format!("{}-{}.log", role.unwrap_or("parlor"), listen.port()));
        let mut all =
            vec![("PARLOR_LISTEN", listen.to_string()), ("PARLOR_ADMIN", admin.to_string())];
        all.extend(variables.iter().cloned());
        let arguments: Vec<&str> = role.into_iter().collect();
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = command_of(binary, folder, &arguments, &all);
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let mut parlor = Self { child, command, listen, admin, log };
        parlor.ready().await;
        parlor
    }

    /// Waits until the admin port says that it is ready; fails after 30 s, or when the process
    /// ends.
    pub async fn ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if self.is_ready().await {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended with {status}:\n{}", self.said());
            }
            assert!(Instant::now() < deadline, "it is not ready after 30 s:\n{}", self.said());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether the admin port says so now.
    pub async fn is_ready(&self) -> bool {
        http::get(self.admin, "/ready").await.is_ok_and(|answer| answer.status == 200)
    }

    /// `kill -9`, and the same again on the same ports.
    pub async fn kill_and_start_again(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = self.command.spawn().unwrap();
        self.ready().await;
    }

    /// SIGTERM, its orderly end, and the same again on the same ports.
    pub async fn restart(&mut self) {
        self.terminate();
        assert!(self.ended().await.success(), "{}", self.said());
        self.child = self.command.spawn().unwrap();
        self.ready().await;
    }

    /// SIGTERM, and its exit status; fails after 30 s.
    pub async fn stop(mut self) -> ExitStatus {
        self.terminate();
        self.ended().await
    }

    async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.said());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM alone.
    pub fn terminate(&self) {
        assert!(process::send("-TERM", self.child.id()), "it does not run");
    }

    /// Everything it has logged.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Parlor {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
