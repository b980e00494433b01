//! A reader that is slower than what it is sent is closed, in bound, and nobody else waits for it.

use std::time::Duration;

use serde_json::json;
use tokio::{io::AsyncWriteExt, time::timeout};

use super::{
    client::live_visitor,
    door::TestDoor,
    raw::{Raw, frame},
    world::{Plan, World},
};

#[tokio::test]
async fn a_reader_that_stops_is_closed_slow_while_others_go_on() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.sockets.outbox_frames = 64;
    plan.sockets.outbox_bytes = 256 << 10;
    plan.sockets.close_within = Duration::from_millis(500);
    let node = world.node_with(plan).await;
    let (token, conversations) = world.visitor("shop");
    let mut others = live_visitor(&world, &node, "shop", &token).await;

    let cookie = world.tokens.set_cookie(&token);
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut slow = Raw::open_as_parlor1(&node, "/ws/chat?tenantId=shop", &cookie).await;
    slow.write(&frame(0x81, json!({"type": "hello", "protocol": 1}).to_string().as_bytes())).await;
    slow.write(&frame(0x81, json!({"type": "subscribe"}).to_string().as_bytes())).await;
    for _ in 0..2 {
        assert_eq!(slow.next().await.unwrap().0, 0x81);
    }
    // More than the kernel's buffers and the outbox hold together, and the slow one reads none of
    // it.
    let text = "x".repeat(16_000);
    let mut written = 0;
    while node.visitors.open() == 2 {
        assert!(written < 4_000, "64 MB went somewhere");
        world.agent_writes(&conversations, &text).await;
        assert_eq!(others.texts(1).await[0].len(), 16_000, "the other one goes on");
        written += 1;
    }
    assert_eq!(node.closes("slow"), 1.0);
    assert!(others.frames_until_pong().await.is_empty());
}

#[tokio::test]
async fn a_slow_reader_that_still_reads_is_told_4002() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.sockets.outbox_frames = 4;
    let node = world.node_with(plan).await;
    let (token, conversations) = world.visitor("shop");
    let mut others = super::client::agent(&world, &node, "shop").await;
    others.subscribe(None).await;
    let mut slow = live_visitor(&world, &node, "shop", &token).await;
    // It reads nothing until it has been closed.
    let text = "x".repeat(16_000);
    while node.closes("slow") == 0.0 {
        world.agent_writes(&conversations, &text).await;
        others.texts(1).await;
    }
    assert_eq!(slow.close_code().await, 4002);
}

#[tokio::test]
async fn a_client_that_sends_more_than_the_door_takes_is_not_read() {
    let world = World::new().await;
    let door = TestDoor::shut(world.log.clone());
    let node = world.node_with(Plan { door: door.clone(), ..world.plan() }).await;
    let mut raw = Raw::open(&node).await;
    raw.write(&frame(0x81, json!({"type": "hello", "protocol": 1}).to_string().as_bytes())).await;
    assert_eq!(raw.next().await.unwrap().0, 0x81);
    let mut message =
        json!({"type": "message", "text": "x".repeat(16_000)}).to_string().into_bytes();
    message.resize(65_536, b' ');
    let message = frame(0x81, &message);
    // The kernel's buffers take some megabytes; what the node took would have no end.
    let mut written = 0;
    while timeout(Duration::from_secs(1), raw.stream.write_all(&message)).await.is_ok() {
        written += 1;
        assert!(written < 500, "32 MB were read and kept");
    }
    assert_eq!(door.calls().len(), 1);
}
