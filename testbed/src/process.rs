//! A process that outlives the command that started it: it is known by the folder it runs in.

use std::{
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::ensure;
use tokio::time::{Instant, sleep};

/// A folder with `pid`, `log` and whatever else the process keeps there.
#[derive(Clone, Debug)]
pub struct Process {
    folder: PathBuf,
}

// === impl Process ===

impl Process {
    /// The process of this folder, whether it runs or not.
    pub fn of(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where it lives.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of its folder.
    pub fn name(&self) -> String {
        self.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Starts it, apart from the terminal's interrupts. Its output is added to the folder's `log`.
    ///
    /// # Errors
    /// The folder cannot be written, or the program cannot be started.
    pub async fn launch(&self, command: Command) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let log = File::options().append(true).create(true).open(self.log_file())?;
        self.launch_into(command, log.into()).await
    }

    /// The same with a standard error of the caller's. Where that is a pipe, its other end is
    /// closed.
    ///
    /// # Errors
    /// As [`launch`](Self::launch).
    pub async fn launch_into(&self, mut command: Command, errors: Stdio) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let log = File::options().append(true).create(true).open(self.log_file())?;
        command.env("TESTBED_NODE", self.mark()).current_dir(&self.folder).process_group(0);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let mut child = command.spawn()?;
        drop(child.stderr.take());
        fs::write(self.folder.join("pid"), child.id().to_string())?;
        // Until it has its own environment, it cannot be told from any other process.
        while !self.is_alive() && child.try_wait()?.is_none() {
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    /// Its id while it runs. A process that got the id of an ended one does not name our folder.
    pub fn pid(&self) -> Option<u32> {
        let pid: u32 = fs::read_to_string(self.folder.join("pid")).ok()?.trim().parse().ok()?;
        let mark = self.mark();
        let names = |file: &str| {
            fs::read(format!("/proc/{pid}/{file}"))
                .is_ok_and(|text| text.windows(mark.len()).any(|part| part == mark.as_bytes()))
        };
        (names("cmdline") || names("environ")).then_some(pid)
    }

    /// Whether it runs.
    pub fn is_alive(&self) -> bool {
        self.pid().is_some()
    }

    /// Sends it a signal, such as `-KILL`.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let sent = self.pid().is_some_and(|pid| send(signal, pid));
        ensure!(sent, "{} does not run", self.name());
        Ok(())
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.signal("-KILL")?;
        self.ended(Duration::from_secs(10)).await;
        Ok(())
    }

    /// SIGTERM, and SIGKILL when it has not ended after `grace`; waits for its end.
    pub async fn end(&self, grace: Duration) {
        if let Some(pid) = self.pid() {
            send("-TERM", pid);
            if !self.ended(grace).await {
                println!("{} does not end, killing it", self.name());
                send("-KILL", pid);
                self.ended(grace).await;
            }
        }
    }

    async fn ended(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while self.is_alive() {
            if Instant::now() > deadline {
                return false;
            }
            sleep(Duration::from_millis(20)).await;
        }
        true
    }

    /// The file that its output is added to.
    pub fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The last lines of its output.
    pub fn last_lines(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(30)..].join("\n");
        format!("--- the end of {}:\n{last}", self.log_file().display())
    }

    /// What its command line or its environment names, and no other process does.
    fn mark(&self) -> String {
        format!("{}/", self.folder.display())
    }
}

/// Sends a signal; false when there is no such process.
pub fn send(signal: &str, pid: u32) -> bool {
    let mut kill = Command::new("kill");
    kill.args([signal, &pid.to_string()]).stderr(Stdio::null());
    kill.status().is_ok_and(|status| status.success())
}

/// The running program: what is built with it lies beside it.
///
/// # Errors
/// The system does not tell.
pub fn own_program() -> io::Result<PathBuf> {
    std::env::current_exe()
}
