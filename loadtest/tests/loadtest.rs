//! The harness against a real Parlor, through a proxy that tells the truth or one lie: each lie is
//! found, and named.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "loadtest/drive.rs"]
mod drive;
#[path = "loadtest/harness.rs"]
mod harness;
#[path = "loadtest/lies.rs"]
mod lies;
#[path = "loadtest/scenarios.rs"]
mod scenarios;
#[path = "loadtest/workers.rs"]
mod workers;

use self::{
    harness::{Run, parlor},
    lies::Lie,
};

/// Plays a small steady load with `lie`.
async fn play(lie: Lie, kinds: &str) -> Run {
    let data = tempfile::tempdir().unwrap();
    let parlor = parlor(&data, &[]).await;
    let cast = ["steady", "--tenants", "2", "--conversations", "4", "--sockets", "8"];
    let load = ["--rate", "50/s", "--seed", "1", "--warm", "500ms", "--for", "2s"];
    let times = ["--drain", "4s", "--connect", "60s", "--kinds", kinds];
    harness::play(&parlor, lie, &[&cast[..], &load, &times].concat()).await
}

#[tokio::test]
async fn an_honest_server_passes() {
    let run = play(Lie::None, "widget=25,widget-post=25,parlor1=25,rest=25").await;
    run.assert_passed();
    assert!(run.number("/views/accepted") > 100, "{}", run.said());
    assert_eq!(run.number("/views/seen"), run.number("/views/listed"));
    assert_eq!(run.report["views"]["stored"], serde_json::Value::Null);
    assert!(run.page.contains("not compared: no --cql was given"));
}

#[tokio::test]
async fn a_message_that_is_not_delivered_is_missing() {
    let run = play(Lie::Drop, "parlor1=1").await;
    run.assert_found("missing", 1);
    let at = &run.report["verdict"]["missing_at"];
    assert_eq!(at["prefix"].as_u64().unwrap() + at["middle"].as_u64().unwrap(), 1, "{at}");
}

#[tokio::test]
async fn a_message_that_is_delivered_twice_is_doubled() {
    play(Lie::Repeat, "parlor1=1").await.assert_found("doubled", 1);
}

#[tokio::test]
async fn two_messages_that_change_places_are_reordered() {
    play(Lie::Swap, "parlor1=1").await.assert_found("reordered", 1);
}

#[tokio::test]
async fn a_message_of_another_tenant_is_foreign() {
    play(Lie::Foreign, "parlor1=1").await.assert_found("foreign", 1);
}

#[tokio::test]
async fn a_draft_that_is_acknowledged_and_dropped_is_lost() {
    play(Lie::Swallow, "parlor1=1").await.assert_found("lost", 1);
}

#[tokio::test]
async fn sockets_that_are_cut_come_back_and_miss_nothing() {
    let run = play(Lie::Cut, "parlor1=1").await;
    run.assert_passed();
    assert!(run.number("/score/totals/losses") >= 1, "{}", run.said());
}
