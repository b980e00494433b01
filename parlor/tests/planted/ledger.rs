//! Mistakes that can be seen from outside: the load test finds each, and names it.

use std::{
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use parlor_common::planted::Fault;
use parlor_testbed::{
    client::http,
    network::{Network, Proxy},
    nodes::{Parlor, Variables},
    planted::VARIABLE,
    wait::within,
};
use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::sleep,
};

use crate::installation::{Servers, fresh_name, provision, variables};

/// What happens three times while the load runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// The node is killed, and started again.
    Kills,
    /// Every connection is cut, and the node stands.
    Cuts,
}

/// From the first message that a node has accepted to its trouble. Nobody waits for anything then:
/// trouble comes at any moment.
const APART: Duration = Duration::from_millis(1_500);

const ANY: &str = "widget=25,widget-post=25,parlor1=25,rest=25";
const RESUMING: &str = "parlor1=1";

/// The mistake as nodes are told of it.
fn planted(fault: Option<Fault>) -> Variables {
    fault.map(|fault| (VARIABLE, fault.name().to_owned())).into_iter().collect()
}

/// Starts the load test, with its report in `folder`.
fn load(folder: &Path, rest: SocketAddr, agents: SocketAddr, kinds: &str) -> Child {
    let beside = std::env::current_exe().unwrap();
    let mut harness = Command::new(beside.ancestors().nth(2).unwrap().join("parlor-loadtest"));
    let [rest, agents] = [rest, agents].map(|address| format!("http://{address}"));
    harness.args(["steady", "--rest", &rest, "--agents", &agents, "--kinds", kinds]);
    harness.args(["--tenants", "2", "--conversations", "8", "--sockets", "16", "--rate", "100/s"]);
    harness.args(["--warm", "500ms", "--for", "8s", "--drain", "10s", "--connect", "30s"]);
    // The ledger alone decides: a node that is killed fails sends.
    harness.args(["--allow-failed", "100", "--allow-gaps", "1000"]);
    harness.arg("--report").arg(folder);
    harness.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    harness.spawn().unwrap()
}

/// Waits until the node has accepted a message; `false` where the load is over before.
async fn accepts(node: &Parlor, harness: &mut Child) -> bool {
    while harness.try_wait().unwrap().is_none() {
        let shown = http::get(node.admin, "/metrics").await;
        let shown = shown.map(|answer| answer.text()).unwrap_or_default();
        let accepted = r#"parlor_door_actions_total{action="send",outcome="accepted"} "#;
        let count = shown.lines().find_map(|line| line.strip_prefix(accepted));
        if count.is_some_and(|count| count != "0") {
            return true;
        }
        sleep(Duration::from_millis(20)).await;
    }
    false
}

fn verdict(folder: &Path, status: ExitStatus) -> (i32, Value) {
    let report = std::fs::read(folder.join("report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    (status.code().unwrap(), report["verdict"].clone())
}

/// The load test on the all-in-one: its exit status, and the verdict of its report.
async fn alone(fault: Option<Fault>, trouble: Trouble, kinds: &str) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let mut parlor = Parlor::start(folder.path(), None, &planted(fault)).await;
    let proxy = Proxy::before(&parlor.listen.to_string()).await;
    let mut harness = load(folder.path(), proxy.address, proxy.address, kinds);
    for _ in 0..3 {
        if trouble == Trouble::None || !accepts(&parlor, &mut harness).await {
            break;
        }
        sleep(APART).await;
        match trouble {
            Trouble::None => {}
            Trouble::Kills => parlor.kill_and_start_again().await,
            Trouble::Cuts => {
                proxy.turn(Network::Broken);
                sleep(Duration::from_millis(50)).await;
                proxy.turn(Network::Whole);
            }
        }
    }
    verdict(folder.path(), within("the load test", harness.wait()).await.unwrap())
}

/// The same on tiers, whose persister makes the mistake and is killed: the embedded log finds out
/// by itself that its store has seen less than was acknowledged.
async fn tiers(fault: Option<Fault>) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let mut variables = variables(folder.path(), &fresh_name(), &Servers::given());
    let provisioned = provision(folder.path(), &variables);
    assert_eq!(provisioned.status, Some(0), "{provisioned:?}");
    let ingress = Parlor::start(folder.path(), Some("ingress"), &variables).await;
    let fanout = Parlor::start(folder.path(), Some("fanout"), &variables).await;
    variables.extend(planted(fault));
    let mut persister = Parlor::start(folder.path(), Some("persister"), &variables).await;
    let mut harness = load(folder.path(), ingress.listen, fanout.listen, RESUMING);
    for _ in 0..3 {
        if !accepts(&ingress, &mut harness).await {
            break;
        }
        sleep(APART).await;
        persister.kill_and_start_again().await;
    }
    verdict(folder.path(), within("the load test", harness.wait()).await.unwrap())
}

/// The run found a fault of this kind, and says of which draft and who noticed.
fn assert_found(fault: Fault, kind: &str, (status, verdict): &(i32, Value)) {
    assert_eq!(*status, 1, "{verdict:#}");
    let faults = verdict["faults"].as_array().unwrap();
    let found = faults.iter().filter_map(Value::as_str).find(|fault| fault.starts_with(kind));
    let found = found.unwrap_or_else(|| panic!("nothing is {kind}: {verdict:#}"));
    println!("{}: {found}", fault.name());
    assert!(found.contains(": tenant ") && found.contains(" draft "), "{found}");
}

async fn assert_found_alone(fault: Fault, kind: &str, trouble: Trouble, kinds: &str) {
    assert_found(fault, kind, &alone(Some(fault), trouble, kinds).await);
}

#[tokio::test]
async fn honest_nodes_pass_the_same_runs() {
    for (trouble, kinds) in [(Trouble::None, ANY), (Trouble::Kills, ANY), (Trouble::Cuts, RESUMING)]
    {
        let (status, verdict) = alone(None, trouble, kinds).await;
        assert_eq!(status, 0, "{trouble:?}, {kinds}: {verdict:#}");
    }
    let (status, verdict) = tiers(None).await;
    assert_eq!(status, 0, "tiers: {verdict:#}");
}

#[tokio::test]
async fn an_acknowledgement_before_the_append_is_found() {
    assert_found_alone(Fault::AcknowledgeBeforeAppend, "lost", Trouble::Kills, ANY).await;
}

#[tokio::test]
async fn an_acknowledgement_to_the_log_before_the_store_is_found() {
    let fault = Fault::AcknowledgeBeforeStore;
    assert_found(fault, "lost", &tiers(Some(fault)).await);
}

#[tokio::test]
async fn a_key_without_its_tenant_is_found() {
    assert_found_alone(Fault::KeyWithoutTenant, "foreign", Trouble::None, ANY).await;
}

#[tokio::test]
async fn a_resume_that_is_off_by_one_is_found() {
    assert_found_alone(Fault::ResumeOffByOne, "missing", Trouble::Kills, RESUMING).await;
}

#[tokio::test]
async fn a_replay_that_starts_one_message_late_is_found() {
    assert_found_alone(Fault::ReplayStartsLate, "missing", Trouble::Kills, RESUMING).await;
}

#[tokio::test]
async fn a_subscription_that_begins_one_position_late_is_found() {
    assert_found_alone(Fault::AttachLate, "missing", Trouble::Cuts, RESUMING).await;
}

#[tokio::test]
async fn a_subscription_that_begins_one_position_early_is_found() {
    assert_found_alone(Fault::AttachEarly, "doubled", Trouble::Cuts, RESUMING).await;
}
