//! A node that stops tells its sockets, in batches, and finishes what it took.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{
    client::{agent, live_visitor, upgrade, visitor, widget},
    door::TestDoor,
    raw::{Raw, frame},
    world::{Plan, World},
};

#[tokio::test]
async fn clients_of_protocol_1_are_told_when_to_come_back() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, _) = world.visitor("shop");
    let mut clients =
        vec![visitor(&world, &node, "shop", &token).await, agent(&world, &node, "shop").await];
    clients.push(upgrade("/ws/agent").open(&node).await);
    node.drain.begin();
    for client in &mut clients {
        let reconnect = client.next().await;
        assert_eq!((&reconnect["type"], &reconnect["code"]), (&json!("reconnect"), &json!(4001)));
        assert!((500..=5_000).contains(&reconnect["afterMs"].as_u64().unwrap()), "{reconnect}");
        assert_eq!(client.close_code().await, 4001);
    }
    assert!(node.stop().await, "every task has ended");
}

#[tokio::test]
async fn sockets_are_told_in_batches() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.sockets.drain.batch = 2;
    plan.sockets.drain.every = Duration::from_millis(200);
    let node = world.node_with(plan).await;
    let (token, _) = world.visitor("shop");
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(visitor(&world, &node, "shop", &token).await);
    }
    let began = Instant::now();
    node.drain.begin();
    let told = clients.iter_mut().map(|client| async {
        assert_eq!(client.next().await["type"], "reconnect");
        let told = began.elapsed();
        assert_eq!(client.close_code().await, 4001);
        told
    });
    let mut told = futures_util::future::join_all(told).await;
    told.sort();
    assert!(
        told[2] >= Duration::from_millis(200) && told[4] >= Duration::from_millis(400),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_was_sent_is_accepted_and_answered_before_the_close() {
    let world = World::new().await;
    let door = TestDoor::shut(world.log.clone());
    let node = world.node_with(Plan { door: door.clone(), ..world.plan() }).await;
    let (token, _) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    for id in ["m-1", "m-2"] {
        client.send(json!({"type": "message", "clientMessageId": id, "text": id})).await;
    }
    assert!(client.frames_until_pong().await.is_empty());
    node.drain.begin();
    door.let_through(2);
    let mut kinds = Vec::new();
    loop {
        match client.next_message().await {
            Message::Text(text) => {
                let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                if frame["type"] != "message" {
                    kinds.push(frame["type"].as_str().unwrap().to_owned());
                }
            }
            Message::Close(close) => break assert_eq!(u16::from(close.unwrap().code), 4001),
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!(kinds, ["accepted", "accepted", "reconnect"]);
}

#[tokio::test]
async fn a_widget_is_closed_1001_and_heard_until_it_closes_too() {
    let world = World::new().await;
    let (node, other) = (world.node().await, world.node().await);
    let (token, _) = world.visitor("shop");
    let mut dashboard = agent(&world, &other, "shop").await;
    dashboard.subscribe(None).await;
    let mut raw = Raw::open_with(&node, "/ws/chat?tenantId=shop", None, |_| {}).await;
    let mut polite = widget(&world, &node, "shop", &token).await;
    node.drain.begin();
    assert_eq!(raw.close_code().await, 1001);
    for text in ["typed", "just then"] {
        raw.write(&frame(0x81, json!({"type": "message", "text": text}).to_string().as_bytes()))
            .await;
    }
    assert_eq!(dashboard.texts(2).await, ["typed", "just then"]);
    raw.write(&frame(0x88, &1001_u16.to_be_bytes())).await;
    assert_eq!(raw.next().await, None);
    assert_eq!(polite.close_code().await, 1001);
    assert!(node.stop().await);
}

#[tokio::test]
async fn a_widget_that_never_closes_is_cut_off() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.sockets.close_within = Duration::from_millis(100);
    let node = world.node_with(plan).await;
    let mut raw = Raw::open_with(&node, "/ws/chat?tenantId=shop", None, |_| {}).await;
    node.drain.begin();
    assert_eq!(raw.close_code().await, 1001);
    assert_eq!(raw.next().await, None);
    assert!(node.stop().await);
}
