//! A real, whole Parlor in one process, on a folder and ports of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::{sleep, timeout},
};

/// It is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Parlor {
    /// `host:port`.
    pub(crate) address: String,
    _process: Child,
    _data: TempDir,
}

impl Parlor {
    /// Starts it in development mode and waits until it listens.
    pub(crate) async fn start() -> Self {
        let (address, admin) = (free_address().await, free_address().await);
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(binary());
        // The binary refuses variables of ours that it does not know, and the tests have some.
        command.env_clear();
        command
            .env("PARLOR_LISTEN", &address)
            .env("PARLOR_ADMIN", &admin)
            .env("PARLOR_DATA", data.path());
        command
            .current_dir(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let process = command.spawn().unwrap();
        let listens = async {
            while TcpStream::connect(&address).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(Duration::from_secs(20), listens).await.expect("parlor did not listen within 20 s");
        Self { address, _process: process, _data: data }
    }
}

/// `PARLOR_TEST_BIN`, or the binary beside the harness.
#[expect(clippy::disallowed_methods, reason = "a test is told by the environment what to test")]
fn binary() -> PathBuf {
    let beside = || Path::new(env!("CARGO_BIN_EXE_parlor-loadtest")).with_file_name("parlor");
    let binary = std::env::var("PARLOR_TEST_BIN").map_or_else(|_| beside(), PathBuf::from);
    let place = binary.display();
    assert!(
        binary.is_file(),
        "there is no {place}: build it with `cargo build -p parlor`, or set PARLOR_TEST_BIN"
    );
    binary
}

async fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}
