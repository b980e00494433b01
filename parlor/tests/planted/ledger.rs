//! Mistakes that can be seen from outside: the load test finds each, and names it.

use std::{process::Stdio, time::Duration};

use parlor_common::planted::Fault;
use parlor_testbed::{nodes::Parlor, planted::VARIABLE, wait::within};
use serde_json::Value;
use tokio::process::Command;

/// What a run looks like.
struct Play {
    fault: Option<Fault>,
    /// How often the node is killed while the load runs.
    kills: u32,
    kinds: &'static str,
}

/// The load test on the all-in-one: its exit status, and the verdict of its report.
async fn play(play: &Play) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let variables = play.fault.map(|fault| (VARIABLE, fault.name().to_owned()));
    let mut parlor = Parlor::start(folder.path(), None, variables.as_slice()).await;
    let url = format!("http://{}", parlor.listen);
    let beside = std::env::current_exe().unwrap();
    let program = beside.ancestors().nth(2).unwrap().join("parlor-loadtest");
    let mut harness = Command::new(program);
    harness.args(["steady", "--rest", &url, "--origin", &url, "--kinds", play.kinds]);
    harness.args(["--tenants", "2", "--conversations", "8", "--sockets", "16", "--rate", "100/s"]);
    harness.args(["--warm", "500ms", "--for", "5s", "--drain", "10s", "--connect", "30s"]);
    // The ledger alone decides: a node that is killed fails sends.
    harness.args(["--allow-failed", "100", "--allow-gaps", "1000"]);
    harness.arg("--report").arg(folder.path());
    harness.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut harness = harness.spawn().unwrap();
    for _ in 0..play.kills {
        // Not a wait for something: a kill comes at any moment.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        parlor.kill_and_start_again().await;
    }
    let status = within("the load test", harness.wait()).await.unwrap();
    let report = std::fs::read(folder.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    (status.code().unwrap(), report["verdict"].clone())
}

/// The run finds a fault of this kind, and says of which draft and who noticed.
async fn assert_found(fault: Fault, kind: &str, kills: u32, kinds: &'static str) {
    let (status, verdict) = play(&Play { fault: Some(fault), kills, kinds }).await;
    assert_eq!(status, 1, "{verdict:#}");
    let faults = verdict["faults"].as_array().unwrap();
    let found = faults.iter().filter_map(Value::as_str).find(|fault| fault.starts_with(kind));
    let found = found.unwrap_or_else(|| panic!("nothing is {kind}: {verdict:#}"));
    println!("{}: {found}", fault.name());
    assert!(found.contains(": tenant ") && found.contains(" draft "), "{found}");
}

const ANY: &str = "widget=25,widget-post=25,parlor1=25,rest=25";
const RESUMING: &str = "parlor1=1";

#[tokio::test]
async fn honest_nodes_pass_the_same_runs() {
    for (kills, kinds) in [(0, ANY), (3, ANY), (3, RESUMING)] {
        let (status, verdict) = play(&Play { fault: None, kills, kinds }).await;
        assert_eq!(status, 0, "{kills} kills, {kinds}: {verdict:#}");
    }
}

#[tokio::test]
async fn an_acknowledgement_before_the_append_is_found() {
    assert_found(Fault::AcknowledgeBeforeAppend, "lost", 3, ANY).await;
}

#[tokio::test]
async fn an_acknowledgement_to_the_log_before_the_store_is_found() {
    assert_found(Fault::AcknowledgeBeforeStore, "lost", 3, ANY).await;
}

#[tokio::test]
async fn a_key_without_its_tenant_is_found() {
    assert_found(Fault::KeyWithoutTenant, "foreign", 0, ANY).await;
}

#[tokio::test]
async fn a_resume_that_is_off_by_one_is_found() {
    assert_found(Fault::ResumeOffByOne, "missing", 3, RESUMING).await;
}

#[tokio::test]
async fn a_replay_that_starts_one_message_late_is_found() {
    assert_found(Fault::ReplayStartsLate, "missing", 3, RESUMING).await;
}

#[tokio::test]
async fn a_subscription_that_begins_one_position_late_is_found() {
    assert_found(Fault::AttachLate, "missing", 3, RESUMING).await;
}

#[tokio::test]
async fn a_subscription_that_begins_one_position_early_is_found() {
    assert_found(Fault::AttachEarly, "doubled", 3, RESUMING).await;
}
