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
async fn many_readers_that_stop_are_each_closed_and_counted_and_others_miss_nothing() {
    const STALLED: usize = 8;
    let world = World::new().await;
    let mut plan = world.plan();
    plan.sockets.outbox_frames = 8;
    plan.sockets.close_within = Duration::from_millis(100);
    let node = world.node_with(plan).await;
    let (token, conversations) = world.visitor("shop");
    let (neighbour, of_neighbour) = world.visitor("other");
    let mut others = [
        live_visitor(&world, &node, "shop", &token).await,
        live_visitor(&world, &node, "other", &neighbour).await,
    ];
    let cookie = world.cookie_of(&token);
    let mut stalled = Vec::new();
    for number in 0..STALLED {
        // Half of them are pages of the widget, which know no code for it.
        let path = "/ws/chat?tenantId=shop";
        let socket = if number % 2 == 0 {
            Raw::open_as(&node, path, &cookie).await
        } else {
            let mut socket = Raw::open_as_parlor1(&node, path, &cookie).await;
            for text in [json!({"type": "hello", "protocol": 1}), json!({"type": "subscribe"})] {
                socket.write(&frame(0x81, text.to_string().as_bytes())).await;
                assert_eq!(socket.next().await.unwrap().0, 0x81);
            }
            socket
        };
        stalled.push(socket);
    }
    let text = "x".repeat(16_000);
    let mut written = 0;
    while node.visitors.open() > others.len() {
        assert!(written < 4_000, "64 MB for each went somewhere");
        world.agent_writes(&conversations, &text).await;
        world.agent_writes(&of_neighbour, &written.to_string()).await;
        assert_eq!(others[0].texts(1).await, [text.as_str()]);
        assert_eq!(others[1].texts(1).await, [written.to_string()]);
        written += 1;
    }
    let shed = |why| node.metric_of("parlor_socket_sheds_total", why);
    assert_eq!(shed("outbox_full") + shed("write_stalled"), STALLED as f64);
    assert_eq!(node.metric("parlor_socket_sheds_total"), STALLED as f64, "of one class each");
    for other in &mut others {
        assert!(other.frames_until_pong().await.is_empty());
    }
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
