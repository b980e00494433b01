//! Runs of the harness, each against a Parlor of its own.

use std::{path::Path, process::Stdio, time::Duration};

use parlor_testbed::nodes::Parlor;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{process::Command, time::timeout};

use super::lies::{Lie, proxy};

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    /// The exit status: 0 passed, 1 failed, 2 could not be judged.
    pub(crate) status: i32,
    /// `report.json`; null where there is none.
    pub(crate) report: Value,
    /// `report.html`; empty where there is none.
    pub(crate) page: String,
    pub(crate) stderr: String,
    folder: TempDir,
}

/// So long may a run take on a machine that has other work.
const DEADLINE: Duration = Duration::from_secs(240);

/// Parlor as one process, with these settings.
pub(crate) async fn parlor(data: &TempDir, variables: &[(&str, String)]) -> Parlor {
    Parlor::start(data.path(), None, variables).await
}

/// Plays a scenario against `parlor`, through a proxy that tells the truth or one lie.
pub(crate) async fn play(parlor: &Parlor, lie: Lie, arguments: &[&str]) -> Run {
    let proxy = proxy(&parlor.listen.to_string(), lie).await;
    let rest = format!("http://{}", proxy.address);
    let origin = format!("http://{}", parlor.listen);
    run(&[arguments, &["--rest", &rest, "--origin", &origin]].concat()).await
}

/// Runs the harness with these arguments and a folder for its report.
pub(crate) async fn run(arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = Command::new(env!("CARGO_BIN_EXE_parlor-loadtest"));
    harness.args(arguments).arg("--report").arg(folder.path());
    harness.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = timeout(DEADLINE, harness.output()).await.expect("the run did not end").unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    Run {
        status: output.status.code().unwrap(),
        report: serde_json::from_str(&read("report.json")).unwrap_or_default(),
        page: read("report.html"),
        stderr: String::from_utf8(output.stderr).unwrap(),
        folder,
    }
}

// === impl Run ===

impl Run {
    /// A number of the report.
    pub(crate) fn number(&self, pointer: &str) -> u64 {
        let value = self.report.pointer(pointer).and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("no {pointer}: {}", self.said()))
    }

    /// Why it has not passed, in one line.
    pub(crate) fn reasons(&self) -> String {
        self.report["reasons"].to_string()
    }

    /// The run has passed, and what its page says of it can be seen.
    pub(crate) fn assert_passed(&self) {
        assert_eq!(self.status, 0, "{}", self.said());
        assert_eq!(self.report["passed"], true);
        assert!(self.page.contains("<polyline"), "the page has no plot");
    }

    /// The run was found guilty of this alone, so many times, and it is said where.
    pub(crate) fn assert_found(&self, name: &str, count: u64) {
        assert_eq!(self.status, 1, "{}", self.said());
        let verdict = &self.report["verdict"];
        for kind in ["lost", "missing", "doubled", "reordered", "foreign", "invented"] {
            let expected = if kind == name { count } else { 0 };
            assert_eq!(verdict[kind], expected, "{kind}: {verdict:#}");
        }
        let fault = verdict["faults"][0].as_str().unwrap();
        let begins = format!("{name}: tenant ");
        assert!(fault.starts_with(&begins) && fault.contains(" draft "), "{fault}");
        assert!(self.page.contains("What is wrong, and where"), "the page does not tell");
    }

    /// Where its report.json is.
    pub(crate) fn file(&self) -> String {
        self.path("report.json").to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    /// For a failed assertion; the course of every second is left out.
    pub(crate) fn said(&self) -> String {
        let mut report = self.report.clone();
        if let Some(score) = report.get_mut("score") {
            score["series"] = Value::Null;
        }
        format!("{report:#}\n{}", self.stderr)
    }
}
