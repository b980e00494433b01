//! Limits and pressure: who is refused, how, and that others are not.

use std::{
    num::NonZeroU16,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parlor_auth::Rate;
use parlor_common::shard::Shards;
use parlor_log::{EventLog, sqlite::SqliteLog};
use parlor_testbed::faulty::log::{AppendFault, FaultyLog};
use serde_json::json;

use crate::{
    client::{Answer, Ask},
    node::{Node, tenant},
};

const SIXTEEN: Shards = Shards::new(NonZeroU16::new(16).unwrap());

/// What only a cluster does to an append, to the tenants `mute`, `retried` and `once`.
fn far(log: SqliteLog) -> FaultyLog {
    FaultyLog::over(Arc::new(log))
        .with_append_fault("mute", AppendFault::Silent)
        .with_append_fault("retried", AppendFault::Repeated)
        .with_append_fault("once", AppendFault::FirstSilent)
}

fn of_one_shard(log: SqliteLog) -> Arc<dyn EventLog> {
    Arc::new(far(log))
}

fn of_16_shards(log: SqliteLog) -> Arc<dyn EventLog> {
    Arc::new(far(log).with_shards(SIXTEEN))
}

#[tokio::test]
async fn a_duplicate_that_only_the_logs_own_retry_caused_is_no_repeat() {
    let node = Node::with(|setup| setup.wrap = of_one_shard).await;
    let first = Ask::draft("x", "m1").tenant("retried").send(&node).await.expect(201);
    assert_eq!(first.json()["duplicate"], false);
    let cookie = first.cookie().unwrap();
    let again =
        Ask::draft("x", "m1").tenant("retried").cookie(&cookie).send(&node).await.expect(200);
    assert_eq!(again.json()["message"], first.json()["message"]);
    assert_eq!(Ask::messages().tenant("retried").cookie(&cookie).send(&node).await.texts(), ["x"]);
}

/// A visitor of tenant `once`, whose POST of `text` is in the log, and whose connection has ended
/// before the answer.
async fn cut_off(node: &Node, text: &str) -> String {
    let token = node.visitors.write(&node.visitors.issue());
    let start = node.end().await;
    let connection = Ask::say(text).tenant("once").bearer(&token).begin(node).await.unwrap();
    while node.end().await == start {
        tokio::task::yield_now().await;
    }
    drop(connection);
    while node.metric("parlor_door_actions_total", Some("abandoned")) < 1.0 {
        tokio::task::yield_now().await;
    }
    token
}

#[tokio::test]
async fn a_post_that_the_browser_sends_again_by_itself_is_the_same_message() {
    let node = Node::with(|setup| setup.wrap = of_one_shard).await;
    let token = cut_off(&node, "once").await;
    let say = async |text: &str| Ask::say(text).tenant("once").bearer(&token).send(&node).await;
    let again = say("once").await.expect(200);
    assert_eq!(again.json()["duplicate"], true);
    // Now that it has been answered, the same text is said anew, as often as it comes.
    say("once").await.expect(201);
    say("once").await.expect(201);
    let page = Ask::messages().tenant("once").bearer(&token).send(&node).await;
    assert_eq!(page.texts(), ["once"; 3]);
}

#[tokio::test]
async fn a_text_that_was_given_back_though_the_log_has_it_is_the_same_message_when_it_comes_again()
{
    let node = Node::with(|setup| {
        setup.wrap = of_one_shard;
        setup.door.append_within = Duration::from_millis(200);
    })
    .await;
    let token = node.visitors.write(&node.visitors.issue());
    let say = async || Ask::say("once").tenant("once").bearer(&token).send(&node).await;
    assert_eq!(say().await.expect(503).problem(), "unavailable");
    say().await.expect(200);
    say().await.expect(201);
    let page = Ask::messages().tenant("once").bearer(&token).send(&node).await;
    assert_eq!(page.texts(), ["once"; 2]);
}

#[tokio::test]
async fn what_is_said_later_or_otherwise_or_by_another_is_a_message_of_its_own() {
    let node = Node::with(|setup| setup.wrap = of_one_shard).await;
    let token = cut_off(&node, "once").await;
    Ask::say("other").tenant("once").bearer(&token).send(&node).await.expect(201);
    let stranger = node.visitors.write(&node.visitors.issue());
    Ask::say("once").tenant("once").bearer(&stranger).send(&node).await.expect(201);
    node.clock.advance(Duration::from_millis(10_001));
    Ask::say("once").tenant("once").bearer(&token).send(&node).await.expect(201);
    let page = Ask::messages().tenant("once").bearer(&token).send(&node).await;
    assert_eq!(page.texts(), ["once", "other", "once"]);
}

#[tokio::test]
async fn a_draft_that_gets_no_acknowledgement_is_answered_within_the_deadline() {
    let node = Node::with(|setup| {
        setup.wrap = of_one_shard;
        setup.door.append_within = Duration::from_millis(200);
    })
    .await;
    let answer = Ask::say("x").tenant("mute").send(&node).await.expect(503);
    assert_eq!(answer.problem(), "unavailable");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_tenant_that_fills_its_share_is_busy_at_once_and_others_are_not() {
    let node = Node::with(|setup| {
        setup.wrap = of_one_shard;
        setup.door.in_flight_per_tenant = 1;
        setup.door.in_flight = 2;
        setup.door.append_within = Duration::from_secs(5);
    })
    .await;
    let refused = AtomicBool::new(false);
    let stuck = Ask::say("stuck").tenant("mute");
    let waiting = async {
        let answer = stuck.send(&node).await;
        assert!(refused.load(Ordering::Relaxed), "the second was refused while the first waited");
        answer
    };
    let meanwhile = async {
        while node.metric("parlor_door_in_flight_actions", None) < 1.0 {
            tokio::task::yield_now().await;
        }
        let answer = stuck.send(&node).await.expect(503);
        refused.store(true, Ordering::Relaxed);
        assert_eq!(answer.problem(), "busy");
        assert_eq!(answer.json()["error"]["retryAfterMs"], 1000);
        Ask::say("fine").send(&node).await.expect(201);
    };
    let (stuck, ()) = tokio::join!(waiting, meanwhile);
    assert_eq!(stuck.expect(503).problem(), "unavailable");
    assert_eq!(node.metric("parlor_door_in_flight_actions", None), 0.0);
}

#[tokio::test]
async fn a_shard_that_does_not_answer_leaves_room_for_the_others() {
    let node = Node::with(|setup| {
        setup.wrap = of_16_shards;
        setup.door.in_flight = 4;
        setup.door.in_flight_per_tenant = 4;
        setup.door.append_within = Duration::from_secs(2);
    })
    .await;
    assert_ne!(SIXTEEN.of(&tenant("mute")), SIXTEEN.of(&tenant("a")));
    let stuck = async || Ask::say("stuck").tenant("mute").send(&node).await.expect(503).problem();
    let meanwhile = async {
        let waiting = || node.metric("parlor_door_in_flight_actions", None);
        let refused = || node.metric("parlor_door_busy_total", None);
        while waiting() + refused() < 4.0 {
            tokio::task::yield_now().await;
        }
        let fine = Ask::say("fine").send(&node).await;
        assert!(waiting() > 0.0, "the other shard is still silent");
        fine.expect(201);
    };
    let (first, second, third, fourth, ()) =
        tokio::join!(stuck(), stuck(), stuck(), stuck(), meanwhile);
    let mut problems = [first, second, third, fourth];
    problems.sort();
    assert_eq!(problems, ["busy", "busy", "unavailable", "unavailable"]);
    assert_eq!(node.metric("parlor_door_busy_total", Some("shard")), 2.0);
}

#[tokio::test]
async fn a_full_log_is_busy_and_reads_go_on() {
    let node = Node::with(|setup| setup.log.max_bytes = 256 * 1024).await;
    let text = "x".repeat(16_000);
    let cookie = Ask::say("first").send(&node).await.expect(201).cookie().unwrap();
    let mut accepted = 1;
    let full = loop {
        let answer = Ask::say(&text).cookie(&cookie).send(&node).await;
        if answer.status != 201 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 100, "it never filled");
    };
    assert_eq!(full.expect(503).problem(), "busy");
    assert_eq!(node.metric("parlor_door_actions_total", Some("busy")), 1.0);
    assert_eq!(node.metric("parlor_door_busy_total", Some("log")), 1.0);
    assert_eq!(Ask::messages().cookie(&cookie).send(&node).await.texts().len(), accepted);
}

#[tokio::test]
async fn while_age_could_delete_what_is_not_stored_the_door_is_busy() {
    let node = Node::with(|setup| setup.log.max_age = Duration::from_secs(3600)).await;
    let cookie = Ask::say("waits").send(&node).await.expect(201).cookie().unwrap();
    node.clock.advance(Duration::from_secs(1801));
    let node = node.restarted(|setup| setup.log.max_age = Duration::from_secs(3600)).await;
    let answer = Ask::say("too much").cookie(&cookie).send(&node).await.expect(503);
    assert_eq!(answer.problem(), "busy");
    node.persist().await;
    let node = node.restarted(|setup| setup.log.max_age = Duration::from_secs(3600)).await;
    Ask::say("again").cookie(&cookie).send(&node).await.expect(201);
}

#[tokio::test]
async fn a_visitor_over_the_rate_is_told_so_and_when_to_come_back() {
    let node = Node::with(|setup| setup.limits.visitor_messages = Rate::new(1, 2)).await;
    let cookie = Ask::say("1").send(&node).await.expect(201).cookie().unwrap();
    Ask::say("2").cookie(&cookie).send(&node).await.expect(201);
    let answer = Ask::say("3").cookie(&cookie).send(&node).await.expect(429);
    assert_eq!(answer.problem(), "rate_limited");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(
        answer.json()["error"]["details"],
        json!([{ "field": "visitor", "code": "rate_limited" }])
    );
    // Neither another visitor nor another tenant is meant.
    Ask::say("1").send(&node).await.expect(201);
    Ask::say("1").tenant("b").cookie(&cookie).send(&node).await.expect(201);
    node.clock.advance(Duration::from_secs(1));
    Ask::say("3").cookie(&cookie).send(&node).await.expect(201);
}

#[tokio::test]
async fn a_tenant_over_the_rate_leaves_others_alone() {
    let node = Node::with(|setup| setup.limits.tenant_messages = Rate::new(1, 2)).await;
    for text in ["1", "2"] {
        Ask::say(text).send(&node).await.expect(201);
    }
    let answer = Ask::say("3").send(&node).await.expect(429);
    assert_eq!(
        answer.json()["error"]["details"],
        json!([{ "field": "tenant", "code": "rate_limited" }])
    );
    assert_eq!(answer.json()["error"]["retryable"], true);
    Ask::say("1").tenant("b").send(&node).await.expect(201);
}

#[tokio::test]
async fn texts_over_the_rate_of_bytes_are_refused_and_short_ones_are_not() {
    let node = Node::with(|setup| {
        setup.limits.visitor_bytes = Rate::new(1000, 20_000);
        setup.limits.tenant_bytes = Rate::new(1000, 40_000);
    })
    .await;
    let text = "x".repeat(15_000);
    let cookie = Ask::say(&text).send(&node).await.expect(201).cookie().unwrap();
    let of = |answer: &Answer| answer.json()["error"]["details"][0]["field"].clone();
    let answer = Ask::say(&text).cookie(&cookie).send(&node).await.expect(429);
    assert_eq!((answer.problem().as_str(), of(&answer)), ("rate_limited", json!("visitor")));
    assert_eq!(answer.header("retry-after"), Some("10"));
    Ask::say("short").cookie(&cookie).send(&node).await.expect(201);
    // Another visitor has a share of its own, and the tenant's is for all of them.
    Ask::say(&text).send(&node).await.expect(201);
    let answer = Ask::say(&text).send(&node).await.expect(429);
    assert_eq!((answer.problem().as_str(), of(&answer)), ("rate_limited", json!("tenant")));
    Ask::say(&text).tenant("b").cookie(&cookie).send(&node).await.expect(201);
    node.clock.advance(Duration::from_secs(11));
    Ask::say(&text).cookie(&cookie).send(&node).await.expect(201);
}

#[tokio::test]
async fn an_address_over_the_rate_is_refused_whatever_it_asks() {
    let node = Node::with(|setup| setup.limits.address_requests = Rate::new(1, 3)).await;
    for _ in 0..3 {
        Ask::messages().send(&node).await.expect(200);
    }
    for ask in [
        Ask::messages(),
        Ask::say("x"),
        Ask::bare("GET", "/nothing"),
        Ask::bare("GET", "/api/agent/conversations"),
    ] {
        let answer = ask.send(&node).await.expect(429);
        assert_eq!(
            answer.json()["error"]["details"],
            json!([{ "field": "address", "code": "rate_limited" }])
        );
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
}
