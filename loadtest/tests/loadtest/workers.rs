//! Agents who work, against a real Parlor: what they did is there once, nobody wins what another
//! holds, and every view of a conversation agrees; and the judgement can fail.

use super::{
    harness::{Run, parlor, play},
    lies::Lie,
};

/// Four agents of one tenant, with few conversations, so that they meet.
const WORK: [&str; 23] = [
    "steady",
    "--tenants",
    "2",
    "--conversations",
    "6",
    "--sockets",
    "6",
    "--rate",
    "10/s",
    "--workers",
    "4",
    "--connect",
    "60s",
    "--warm",
    "0s",
    "--for",
    "8s",
    "--drain",
    "20s",
    "--seed",
    "1",
    "--kinds",
    "widget=30,parlor1=50,rest=20",
];

async fn work(lie: Lie) -> Run {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    play(&parlor, lie, &WORK).await
}

#[tokio::test]
async fn a_run_with_workers_is_clean_and_tells_what_they_did() {
    let run = work(Lie::None).await;
    run.assert_passed();
    for figure in ["claims_won", "changes", "notes", "answers", "marks"] {
        assert!(run.number(&format!("/agents/{figure}")) > 0, "{figure}: {}", run.said());
    }
    assert_eq!(run.number("/agents/workers"), 4);
    assert!(run.number("/agents/changes") >= run.number("/agents/claims_won"), "{}", run.said());
    assert_eq!(run.number("/agents/given_up"), 0, "{}", run.said());
    assert!(run.number("/agents/states") > 0 && run.number("/agents/lists") > 0, "{}", run.said());
    assert!(run.number("/score/patch/count") > 0, "{}", run.said());
    assert!(run.page.contains("views that disagree"), "the page does not tell of states");
    assert!(run.page.contains("What 4 agents did"), "the page does not tell of claims");
}

#[tokio::test]
async fn changes_that_a_socket_is_not_shown_are_missing_and_its_states_differ() {
    let run = work(Lie::DropChanges).await;
    assert_eq!(run.status, 1, "{}", run.said());
    assert!(run.number("/verdict/missing") >= 1, "{}", run.said());
    assert!(run.number("/verdict/states") >= 1, "{}", run.said());
    assert!(run.reasons().contains("views of conversations disagree"), "{}", run.reasons());
    let faults = run.report["verdict"]["faults"].to_string();
    assert!(faults.contains("was never shown work "), "{faults}");
    assert!(run.page.contains("What is wrong, and where"), "the page does not tell");
}

#[tokio::test]
async fn sockets_of_agents_that_are_cut_come_back_and_are_shown_the_work_once() {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let storm = ["reconnect-storm", "--storm-at", "1s", "--storm-every", "2s"];
    let run = play(&parlor, Lie::None, &[&storm, &WORK[1..]].concat()).await;
    run.assert_passed();
    // 6 of visitors, 2 of dashboards, 4 of workers.
    assert!(run.number("/score/totals/losses") >= 12, "{}", run.said());
    assert!(run.number("/agents/changes") > 0, "{}", run.said());
}
