//! Delivered marks: what the widget's pongs tell is noted in the log.

use std::time::Duration;

use parlor_common::{event::DeliveredBody, position::Position, state::Reader};

use super::{
    client::{live_visitor, of_visitor, widget},
    raw::{Raw, frame},
    world::World,
};

fn up_to(position: Position) -> DeliveredBody {
    DeliveredBody { reader: Reader::Visitor, up_to: position }
}

#[tokio::test]
async fn what_a_widget_has_answered_for_is_noted_a_burst_in_few_marks() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = widget(&world, &node, "shop", &token).await;
    let mut last = Position::ZERO;
    for number in 0..30 {
        last = world.agent_writes(&conversations, &number.to_string()).await.position;
    }
    client.texts(30).await;
    client.frames_until_pong().await;
    let client = node.drain.spawn(async move {
        // It goes on answering pings until it is told to go.
        client.close_code().await
    });
    node.until("the last one is noted", |_| world.door.marks().last() == Some(&up_to(last))).await;
    let marks = world.door.marks();
    assert!(marks.is_sorted_by(|one, next| one.up_to < next.up_to), "{marks:?}");
    assert!(marks.len() <= 3, "{marks:?}");
    node.drain.begin();
    assert_eq!(client.await.unwrap(), 1001);
}

#[tokio::test]
async fn what_is_not_answered_is_not_noted() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let cookie = world.tokens.set_cookie(&token);
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut raw = Raw::open_as(&node, "/ws/chat?tenantId=shop", &cookie).await;
    let (first, opening) = raw.next().await.unwrap();
    assert_eq!(first, 0x89, "the ping at the opening");
    raw.write(&frame(0x8a, &opening)).await;
    let one = world.agent_writes(&conversations, "one").await;
    assert_eq!(raw.next().await.unwrap().0, 0x81);
    let (first, after_one) = raw.next().await.unwrap();
    assert_eq!(first, 0x89);
    world.agent_writes(&conversations, "two").await;
    assert_eq!(raw.next().await.unwrap().0, 0x81);
    assert!(world.door.marks().is_empty(), "nothing that was shown has been answered");
    raw.write(&frame(0x8a, &after_one)).await;
    assert_eq!(raw.next().await.unwrap().0, 0x89, "the ping after the second one");
    node.until("the first is noted", |_| !world.door.marks().is_empty()).await;
    raw.write(&frame(0x88, &1000_u16.to_be_bytes())).await;
    assert_eq!(raw.close_code().await, 1000);
    node.until("the session is over", |node| node.visitors.open() == 0).await;
    assert_eq!(world.door.marks(), [up_to(one.position)], "the second was never answered");
}

#[tokio::test]
async fn the_last_mark_is_noted_when_the_socket_ends() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = widget(&world, &node, "shop", &token).await;
    world.agent_writes(&conversations, "one").await;
    client.texts(1).await;
    client.frames_until_pong().await;
    node.until("the first is noted", |_| world.door.marks().len() == 1).await;
    let last = world.agent_writes(&conversations, "two").await;
    client.texts(1).await;
    // The pong of the ping after it is read before this one.
    client.frames_until_pong().await;
    client.frames_until_pong().await;
    let began = std::time::Instant::now();
    drop(client);
    node.until("the last is noted", |_| world.door.marks().last() == Some(&up_to(last.position)))
        .await;
    assert!(began.elapsed() < Duration::from_secs(1), "it does not wait for its time");
}

#[tokio::test]
async fn marks_are_shown_to_nobody_and_protocol_1_makes_none() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut parlor1 = live_visitor(&world, &node, "shop", &token).await;
    let upgrade = of_visitor(&world, "shop", &token);
    let mut client = upgrade.open(&node).await;
    world.agent_writes(&conversations, "one").await;
    client.texts(1).await;
    client.frames_until_pong().await;
    node.until("it is noted", |_| world.door.marks().len() == 1).await;
    world.agent_writes(&conversations, "two").await;
    assert_eq!(parlor1.texts(2).await, ["one", "two"]);
    assert!(parlor1.frames_until_pong().await.is_empty());
    assert_eq!(client.texts(1).await, ["two"]);
}
