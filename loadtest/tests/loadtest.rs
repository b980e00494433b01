//! The harness against a real Parlor, through a proxy that tells the truth or one lie: each lie is
//! found, and named.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "loadtest/lies.rs"]
mod lies;

use std::{path::Path, process::Stdio, time::Duration};

use parlor_testbed::nodes::Parlor;
use serde_json::Value;
use tokio::{process::Command, time::timeout};

use self::lies::{Lie, proxy};

/// Plays a small run with `lie` and gives the exit status and the report; it has a page, too.
async fn play(lie: Lie, more: &[&str]) -> (i32, Value) {
    let data = tempfile::tempdir().unwrap();
    let parlor = Parlor::start(data.path(), None, &[]).await;
    let proxy = proxy(&parlor.listen.to_string(), lie).await;
    let folder = tempfile::tempdir().unwrap();
    let rest = format!("http://{}", proxy.address);
    let mut harness = Command::new(env!("CARGO_BIN_EXE_parlor-loadtest"));
    harness.args(["steady", "--rest", &rest, "--origin", &format!("http://{}", parlor.listen)]);
    harness.args([
        "--tenants",
        "2",
        "--conversations",
        "4",
        "--sockets",
        "8",
        "--rate",
        "50/s",
        "--seed",
        "1",
    ]);
    harness.args(["--warm", "500ms", "--for", "2s", "--drain", "4s", "--connect", "20s"]);
    harness.arg("--report").arg(folder.path()).args(more);
    harness.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let status = timeout(Duration::from_secs(60), harness.status())
        .await
        .expect("the run did not end")
        .unwrap();
    let page = std::fs::read_to_string(folder.path().join("report.html"))
        .expect("the run ended without a page");
    assert!(page.contains("<polyline"), "the page has no plot");
    (status.code().unwrap(), report(folder.path()))
}

fn report(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap()
}

/// The run was found guilty of this alone, so many times, and it is said where.
fn assert_found((status, report): &(i32, Value), name: &str, count: u64) {
    assert_eq!(*status, 1, "{report:#}");
    let verdict = &report["verdict"];
    for kind in ["lost", "missing", "doubled", "reordered", "foreign", "invented"] {
        let expected = if kind == name { count } else { 0 };
        assert_eq!(verdict[kind], expected, "{kind}: {verdict:#}");
    }
    let fault = verdict["faults"][0].as_str().unwrap();
    assert!(fault.starts_with(&format!("{name}: tenant ")) && fault.contains(" draft "), "{fault}");
}

#[tokio::test]
async fn an_honest_server_passes() {
    let kinds = "widget=25,widget-post=25,parlor1=25,rest=25";
    let (status, report) = play(Lie::None, &["--kinds", kinds]).await;
    assert_eq!(status, 0, "{report:#}");
    assert!(report["counts"]["accepted"].as_u64().unwrap() > 100, "{report:#}");
}

#[tokio::test]
async fn a_message_that_is_not_delivered_is_missing() {
    assert_found(&play(Lie::Drop, &["--kinds", "parlor1=1"]).await, "missing", 1);
}

#[tokio::test]
async fn a_message_that_is_delivered_twice_is_doubled() {
    assert_found(&play(Lie::Repeat, &["--kinds", "parlor1=1"]).await, "doubled", 1);
}

#[tokio::test]
async fn two_messages_that_change_places_are_reordered() {
    assert_found(&play(Lie::Swap, &["--kinds", "parlor1=1"]).await, "reordered", 1);
}

#[tokio::test]
async fn a_message_of_another_tenant_is_foreign() {
    assert_found(&play(Lie::Foreign, &["--kinds", "parlor1=1"]).await, "foreign", 1);
}

#[tokio::test]
async fn a_draft_that_is_acknowledged_and_dropped_is_lost() {
    assert_found(&play(Lie::Swallow, &["--kinds", "parlor1=1"]).await, "lost", 1);
}

#[tokio::test]
async fn sockets_that_are_cut_come_back_and_miss_nothing() {
    let (status, report) = play(Lie::Cut, &["--kinds", "parlor1=1"]).await;
    assert_eq!(status, 0, "{report:#}");
    assert!(report["score"]["totals"]["losses"].as_u64().unwrap() >= 1, "{report:#}");
}
