//! What is answered while the store or the log is down.

use std::time::Duration;

use parlor_auth::Role;
use parlor_common::{id::ClientMessageId, random::Random};
use parlor_testbed::faulty::store::StoreFault;

use crate::{client::Ask, node::Node};

async fn without_store() -> Node {
    Node::with(|setup| setup.store_fault = StoreFault::Down).await
}

#[tokio::test]
async fn while_the_store_is_down_messages_are_accepted_and_read() {
    let node = without_store().await;
    let cookie = Ask::say("one").send(&node).await.expect(201).cookie().unwrap();
    let young = ClientMessageId::made(node.clock.now(), &Random::system()).to_string();
    Ask::draft("two", &young).cookie(&cookie).send(&node).await.expect(201);
    Ask::draft("two", &young).cookie(&cookie).send(&node).await.expect(200);
    let answer = Ask::messages().cookie(&cookie).send(&node).await.expect(200);
    assert_eq!(answer.texts(), ["one", "two"]);
    // The log has never forgotten anything, so that nothing can be missing.
    assert_eq!(answer.json().get("incomplete"), None);
    assert_eq!(answer.json()["hasMore"], false);
    Ask::session().cookie(&cookie).send(&node).await.expect(200);
}

#[tokio::test]
async fn while_the_store_is_down_an_id_that_must_be_looked_up_is_no_guess() {
    let node = without_store().await;
    let cookie = Ask::session().send(&node).await.cookie().unwrap();
    let old =
        ClientMessageId::made(node.clock.now().minus(Duration::from_secs(60)), &Random::system());
    for id in [old.as_str(), "m1"] {
        let answer = Ask::draft("x", id).cookie(&cookie).send(&node).await.expect(503);
        assert_eq!(answer.problem(), "unavailable");
        assert_eq!(answer.json()["error"]["retryable"], true);
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert!(Ask::messages().cookie(&cookie).send(&node).await.texts().is_empty());
}

#[tokio::test]
async fn while_the_store_is_down_an_agent_still_answers_and_has_no_inbox() {
    let node = without_store().await;
    let message = Ask::say("hello").send(&node).await.expect(201).json()["message"].clone();
    let agent = node.agent("a", Role::Agent);
    let path = format!(
        "/api/agent/conversations/{}/messages",
        message["conversationId"].as_str().unwrap()
    );
    assert_eq!(
        Ask::bare("GET", &path).bearer(&agent).send(&node).await.expect(200).texts(),
        ["hello"]
    );
    Ask::bare("POST", &path).bearer(&agent).body(r#"{"text":"hi"}"#).send(&node).await.expect(201);
    let inbox =
        Ask::bare("GET", "/api/agent/conversations").bearer(&agent).send(&node).await.expect(503);
    assert_eq!(inbox.problem(), "unavailable");
    // Whether an unknown conversation is in the store cannot be told.
    let unknown = format!("/api/agent/conversations/{}/messages", "0".repeat(32));
    Ask::bare("GET", &unknown).bearer(&agent).send(&node).await.expect(503);
}

/// The log was made anew while the store has what came before, and is down.
#[tokio::test]
async fn a_page_that_may_lack_what_is_older_than_the_log_says_so() {
    let node = Node::start().await;
    let cookie = Ask::say("old").send(&node).await.expect(201).cookie().unwrap();
    node.persist().await;
    node.stop().await;
    let folders = node.at.folders.without_log();
    let clock = node.clock.clone();
    // A first start with the store, which tells the epoch of the new log.
    let node = Node::with(|setup| (setup.folders, setup.clock) = (folders, clock)).await;
    Ask::say("new").cookie(&cookie).send(&node).await.expect(201);
    assert_eq!(Ask::messages().cookie(&cookie).send(&node).await.texts(), ["old", "new"]);
    let node = node.restarted(|setup| setup.store_fault = StoreFault::Down).await;
    let answer = Ask::messages().cookie(&cookie).send(&node).await.expect(200);
    assert_eq!(answer.texts(), ["new"]);
    assert_eq!(answer.json()["incomplete"], true);
    assert_eq!(answer.json()["hasMore"], true);
    let start = node.end().await.epoch().start();
    let before = node.cursors.write(&crate::node::tenant("a"), start);
    let older = Ask::of_page("GET", &format!("/api/chat/messages?before={before}")).cookie(&cookie);
    assert_eq!(older.send(&node).await.expect(503).problem(), "unavailable");
}

#[tokio::test]
async fn while_the_log_is_down_a_draft_gets_a_retryable_503_and_the_visitor_keeps_the_cookie() {
    let node = Node::start().await;
    node.at.log.close().await.unwrap();
    let answer = Ask::say("lost?").send(&node).await.expect(503);
    assert_eq!(answer.problem(), "unavailable");
    assert_eq!(answer.json()["error"]["retryable"], true);
    assert!(answer.cookie().is_some(), "trying again must meet the same conversation");
    assert_eq!(node.metric("parlor_door_actions_total", Some("unavailable")), 1.0);
    assert_eq!(node.metric("parlor_door_in_flight_actions", None), 0.0);
}
