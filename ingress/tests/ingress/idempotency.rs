//! One client message id is one message, however often and wherever it is sent.

use std::{collections::HashSet, time::Duration};

use parlor_common::{clock::Timestamp, id::ClientMessageId, random::Random};
use serde_json::Value;

use crate::{
    client::{Answer, Ask},
    node::{Node, Setup},
};

/// A UUIDv7 as a client would make it at `time`.
fn made(time: Timestamp) -> String {
    ClientMessageId::made(time, &Random::system()).to_string()
}

async fn visitor(node: &Node) -> String {
    Ask::session().send(node).await.expect(200).cookie().unwrap()
}

fn id_of(answer: &Answer) -> Value {
    answer.json()["message"]["id"].clone()
}

#[tokio::test]
async fn the_same_id_again_is_the_first_message_also_with_another_text() {
    let node = Node::start().await;
    let cookie = visitor(&node).await;
    for id in [
        made(node.clock.now()),
        made(node.clock.now().minus(Duration::from_secs(600))),
        "m1".to_owned(),
    ] {
        let first = Ask::draft("first", &id).cookie(&cookie).send(&node).await.expect(201);
        assert_eq!(first.json()["duplicate"], false);
        for again in [
            Ask::draft("first", &id),
            Ask::draft("another text", &id),
            Ask::say("by header").header("Idempotency-Key", &id),
        ] {
            let again = again.cookie(&cookie).send(&node).await.expect(200);
            assert_eq!(again.json()["duplicate"], true);
            assert_eq!(again.json()["message"], first.json()["message"]);
        }
    }
    assert_eq!(Ask::messages().cookie(&cookie).send(&node).await.texts(), ["first"; 3]);
}

#[tokio::test]
async fn the_same_id_at_once_is_accepted_once() {
    let node = Node::start().await;
    let cookie = visitor(&node).await;
    for id in [made(node.clock.now()), "m1".to_owned()] {
        let ask = |text: usize| Ask::draft(&text.to_string(), &id).cookie(&cookie);
        let asks: [Ask; 8] = std::array::from_fn(ask);
        let [a, b, c, d, e, f, g, h] = &asks;
        let answers = tokio::join!(
            a.send(&node),
            b.send(&node),
            c.send(&node),
            d.send(&node),
            e.send(&node),
            f.send(&node),
            g.send(&node),
            h.send(&node),
        );
        let answers: [Answer; 8] = answers.into();
        let first: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(first.len(), 1);
        for answer in &answers {
            assert!(matches!(answer.status, 200 | 201));
            assert_eq!(answer.json()["message"], first[0].json()["message"]);
        }
    }
    assert_eq!(Ask::messages().cookie(&cookie).send(&node).await.texts().len(), 2);
}

#[tokio::test]
async fn without_an_id_the_same_text_twice_is_two_messages() {
    let node = Node::start().await;
    let cookie = visitor(&node).await;
    let (first, second) = (
        Ask::say("hm").cookie(&cookie).send(&node).await,
        Ask::say("hm").cookie(&cookie).send(&node).await,
    );
    assert_ne!(id_of(&first.expect(201)), id_of(&second.expect(201)));
    assert_eq!(node.metric("parlor_door_lookups_total", None), 0.0);
}

#[tokio::test]
async fn a_repeat_over_a_restart_is_a_repeat() {
    let node = Node::start().await;
    let cookie = visitor(&node).await;
    let ids = [
        made(node.clock.now()),
        made(node.clock.now().minus(Duration::from_secs(86_400))),
        "m1".to_owned(),
    ];
    let mut first = Vec::new();
    for id in &ids {
        first.push(id_of(&Ask::draft("x", id).cookie(&cookie).send(&node).await.expect(201)));
    }
    let node = node.restarted(|_| {}).await;
    for (id, first) in ids.iter().zip(&first) {
        assert_eq!(
            id_of(&Ask::draft("x", id).cookie(&cookie).send(&node).await.expect(200)),
            *first
        );
    }
}

/// The log is another one, so that only the store can know.
#[tokio::test]
async fn an_old_id_is_a_repeat_beyond_the_logs_memory() {
    let node = Node::start().await;
    let cookie = visitor(&node).await;
    let young = made(node.clock.now());
    let first = Ask::draft("first", &young).cookie(&cookie).send(&node).await.expect(201);
    let other = Ask::draft("second", "m1").cookie(&cookie).send(&node).await.expect(201);
    node.persist().await;
    node.stop().await;
    node.clock.advance(Duration::from_secs(45));
    let setup = Setup {
        folders: node.at.folders.without_log(),
        clock: node.clock.clone(),
        ..Setup::default()
    };
    let node = Node::of(setup).await;
    for (id, first) in [(young.as_str(), &first), ("m1", &other)] {
        let again = Ask::draft("again", id).cookie(&cookie).send(&node).await.expect(200);
        assert_eq!(again.json()["message"], first.json()["message"]);
    }
    assert_eq!(node.metric("parlor_door_lookups_total", None), 2.0);
}

#[tokio::test]
async fn only_an_id_that_is_not_young_is_looked_up() {
    let node = Node::start().await;
    let cookie = visitor(&node).await;
    let ago = |seconds| made(node.clock.now().minus(Duration::from_secs(seconds)));
    let ahead = made(node.clock.now().plus(Duration::from_secs(30)));
    for (id, lookups) in
        [(ago(0), 0.0), (ago(44), 0.0), (ahead, 0.0), (ago(45), 1.0), ("m1".to_owned(), 2.0)]
    {
        Ask::draft("x", &id).cookie(&cookie).send(&node).await.expect(201);
        assert_eq!(node.metric("parlor_door_lookups_total", None), lookups, "{id}");
    }
}

#[tokio::test]
async fn an_id_from_the_future_is_refused_with_the_servers_time() {
    let node = Node::start().await;
    let cookie = visitor(&node).await;
    let id = made(node.clock.now().plus(Duration::from_millis(30_001)));
    let answer = Ask::draft("early", &id).cookie(&cookie).send(&node).await.expect(422);
    assert_eq!(answer.problem(), "id_from_future");
    assert_eq!(answer.json()["error"]["serverTime"], node.clock.now().to_string());
    assert!(Ask::messages().cookie(&cookie).send(&node).await.texts().is_empty());
    node.clock.advance(Duration::from_millis(1));
    Ask::draft("in time", &id).cookie(&cookie).send(&node).await.expect(201);
}

#[tokio::test]
async fn a_node_whose_clock_is_wrong_looks_everything_up_and_goes_by_the_logs_time() {
    for ahead_ms in [600_000, -600_000] {
        let node = Node::with(|setup| setup.node_ahead_ms = ahead_ms).await;
        let cookie = visitor(&node).await;
        let id = made(node.clock.now());
        Ask::draft("now", &id).cookie(&cookie).send(&node).await.expect(201);
        Ask::draft("now", &id).cookie(&cookie).send(&node).await.expect(200);
        assert_eq!(node.metric("parlor_door_lookups_total", None), 2.0);
        let early = made(node.clock.now().plus(Duration::from_secs(31)));
        let answer = Ask::draft("early", &early).cookie(&cookie).send(&node).await.expect(422);
        assert_eq!(answer.json()["error"]["serverTime"], node.clock.now().to_string());
    }
}

#[tokio::test]
async fn one_id_of_many_tenants_and_visitors_is_many_messages() {
    let node = Node::start().await;
    let cookies = [visitor(&node).await, visitor(&node).await];
    let id = made(node.clock.now());
    let mut ids = HashSet::new();
    for tenant in 0..500 {
        for cookie in &cookies {
            let ask = Ask::draft("x", &id).tenant(&format!("tenant-{tenant}")).cookie(cookie);
            ids.insert(id_of(&ask.send(&node).await.expect(201)).to_string());
        }
    }
    assert_eq!(ids.len(), 1_000);
}

#[tokio::test]
async fn what_an_absorbed_visitor_sent_is_a_repeat_also_while_young() {
    let node = Node::start().await;
    let (primary, absorbed) = (node.visitors.issue(), node.visitors.issue());
    let id = made(node.clock.now());
    let first = Ask::draft("x", &id)
        .bearer(&node.visitors.write(&absorbed))
        .send(&node)
        .await
        .expect(201)
        .json();
    let merged = node.visitors.write(&primary.absorbing([&absorbed]));
    let again = Ask::draft("x", &id).bearer(&merged).send(&node).await.expect(200).json();
    assert_eq!(again["message"], first["message"]);
    let fresh = Ask::draft("y", &made(node.clock.now()))
        .bearer(&merged)
        .send(&node)
        .await
        .expect(201)
        .json();
    assert_ne!(fresh["message"]["conversationId"], first["message"]["conversationId"]);
    assert_eq!(Ask::messages().bearer(&merged).send(&node).await.texts(), ["x", "y"]);
}
