//! Delivered marks: what the widget's pongs tell is noted in the log.

use std::time::Duration;

use parlor_common::{
    event::{DeliveredBody, SocketIs},
    position::Position,
    state::Reader,
};

use super::{
    client::{live_visitor, of_visitor, widget},
    raw::{Raw, frame},
    world::World,
};

/// How far each mark reaches, and what it tells of its socket.
fn marks(world: &World) -> Vec<(Position, SocketIs)> {
    let told = |mark: DeliveredBody| {
        assert_eq!(mark.reader, Reader::Visitor);
        (mark.up_to, mark.socket.expect("a socket has answered").is)
    };
    world.door.marks().into_iter().map(told).collect()
}

fn last(world: &World) -> Option<(Position, SocketIs)> {
    marks(world).pop()
}

#[tokio::test]
async fn what_a_widget_has_answered_for_is_noted_a_burst_in_few_marks() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = widget(&world, &node, "shop", &token).await;
    let mut newest = Position::ZERO;
    for number in 0..30 {
        newest = world.agent_writes(&conversations, &number.to_string()).await.position;
    }
    client.texts(30).await;
    client.frames_until_pong().await;
    let client = node.drain.spawn(async move {
        // It goes on answering pings until it is told to go.
        client.close_code().await
    });
    let noted = Some((newest, SocketIs::Open));
    node.until("the last one is noted", |_| last(&world) == noted).await;
    let marks = marks(&world);
    assert!(marks.is_sorted_by(|one, next| one.0 < next.0), "{marks:?}");
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
    assert!(world.door.marks().is_empty(), "the first is noted before it was answered");
    raw.write(&frame(0x8a, &after_one)).await;
    assert_eq!(raw.next().await.unwrap().0, 0x89, "the ping after the second one");
    node.until("the first is noted", |_| !world.door.marks().is_empty()).await;
    raw.write(&frame(0x88, &1000_u16.to_be_bytes())).await;
    assert_eq!(raw.close_code().await, 1000);
    node.until("the session is over", |node| node.visitors.open() == 0).await;
    let noted = [(one.position, SocketIs::Open), (one.position, SocketIs::Closed)];
    assert_eq!(marks(&world), noted, "the second is noted before it was answered");
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
    let newest = world.agent_writes(&conversations, "two").await;
    client.texts(1).await;
    // The pong of the ping after it is read before this one.
    client.frames_until_pong().await;
    client.frames_until_pong().await;
    let began = std::time::Instant::now();
    drop(client);
    let noted = Some((newest.position, SocketIs::Lost));
    node.until("the last is noted", |_| last(&world) == noted).await;
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
