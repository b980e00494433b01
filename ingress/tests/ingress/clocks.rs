//! Nodes whose clocks are ten minutes wrong: they go by the log's time.

use std::time::Duration;

use parlor_auth::Role;
use parlor_common::clock::Timestamp;

use crate::{client::Ask, node::Node};

const WRONG: [i64; 3] = [600_000, -600_000, 0];

#[tokio::test]
async fn messages_stay_in_order_and_have_the_logs_time() {
    let mut node = Node::start().await;
    let cookie = Ask::say("0").send(&node).await.expect(201).cookie().unwrap();
    let mut sent = vec!["0".to_owned()];
    for round in 0..6 {
        node.clock.advance(Duration::from_secs(1));
        node = node.restarted(|setup| setup.node_ahead_ms = WRONG[round % 3]).await;
        for _ in 0..2 {
            let text = sent.len().to_string();
            Ask::say(&text).cookie(&cookie).send(&node).await.expect(201);
            sent.push(text);
        }
        let page = Ask::messages().cookie(&cookie).send(&node).await.expect(200);
        assert_eq!(page.texts(), sent);
        let body = page.json();
        let messages = body["messages"].as_array().unwrap().iter();
        let times: Vec<_> = messages
            .map(|message| Timestamp::parse(message["timestamp"].as_str().unwrap()).unwrap())
            .collect();
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(*times.last().unwrap(), node.clock.now());
    }
}

/// What decides whether a page has shown a message already compares moments of two nodes.
#[tokio::test]
async fn clients_are_told_the_logs_time() {
    for ahead_ms in WRONG {
        let node = Node::with(|setup| setup.node_ahead_ms = ahead_ms).await;
        let session = Ask::session().send(&node).await.expect(200).json();
        assert_eq!(session["serverTime"], node.clock.now().to_string());
    }
}

#[tokio::test]
async fn a_token_ends_by_the_logs_time() {
    for ahead_ms in WRONG {
        let node = Node::with(|setup| setup.node_ahead_ms = ahead_ms).await;
        let token = node.agent("a", Role::Agent);
        let inbox = Ask::bare("GET", "/api/agent/conversations").bearer(&token);
        node.clock.advance(Duration::from_secs(500));
        inbox.send(&node).await.expect(200);
        node.clock.advance(Duration::from_secs(200));
        inbox.send(&node).await.expect(401);
    }
}
