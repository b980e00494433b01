//! The widget.

use std::time::Duration;

use parlor_common::problem::{Code, Problem};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{
    client::{Client, agent, live_visitor, of_visitor, upgrade, widget},
    door::TestDoor,
    raw::{Raw, frame},
    world::{Plan, SocketSettings, World, agent_author},
};

fn says(text: &str) -> Value {
    let timestamp = "2026-01-01T00:00:00.000Z";
    json!({"type": "message", "text": text, "tenantId": "shop", "timestamp": timestamp})
}

/// The texts a widget was sent up to now.
async fn shown(client: &mut Client) -> Vec<String> {
    let frames = client.frames_until_pong().await;
    frames.iter().map(|frame| frame["message"]["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_first_ping_comes_at_once_and_the_frame_is_the_contracts() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let upgrade = of_visitor(&world, "shop", &token);
    let mut client = upgrade.open(&node).await;
    assert!(client.next_message().await.is_ping(), "nothing was asked for, and a ping comes");
    let event = world.agent_writes(&conversations, "hello").await;
    let frame = client.next().await;
    assert_eq!(
        frame,
        json!({"type": "message", "message": {
            "id": event.record.id, "text": "hello", "sender": "agent",
            "timestamp": event.record.at.to_string(),
        }})
    );
    assert!(client.next_message().await.is_ping(), "a push is followed by a ping");
}

#[tokio::test]
async fn what_is_accepted_after_the_101_is_shown() {
    let world = World::new().await;
    let node = world.node().await;
    for round in 0..20 {
        let (token, conversations) = world.visitor("shop");
        let upgrade = of_visitor(&world, "shop", &token);
        let mut client = upgrade.open(&node).await;
        world.agent_writes(&conversations, &round.to_string()).await;
        assert_eq!(client.texts(1).await, [round.to_string()]);
    }
}

#[tokio::test]
async fn a_widget_is_never_sent_what_it_said_on_whichever_node() {
    let world = World::new().await;
    let (one, two) = (world.node().await, world.node().await);
    let (token, conversations) = world.visitor("shop");
    let mut tabs = [
        widget(&world, &one, "shop", &token).await,
        widget(&world, &one, "shop", &token).await,
        widget(&world, &two, "shop", &token).await,
    ];
    let mut client = live_visitor(&world, &two, "shop", &token).await;
    let mut dashboard = agent(&world, &two, "shop").await;
    dashboard.subscribe(None).await;
    for (tab, widget) in tabs.iter_mut().enumerate() {
        widget.send(says(&format!("from {tab}"))).await;
        // Everyone but the sender: the wait makes the order of the three.
        assert_eq!(client.texts(1).await, [format!("from {tab}")]);
        assert_eq!(dashboard.texts(1).await, [format!("from {tab}")]);
    }
    world.agent_writes(&conversations, "from the agent").await;
    for (index, tab) in tabs.iter_mut().enumerate() {
        let mut expected: Vec<_> =
            (0..3).filter(|other| *other != index).map(|other| format!("from {other}")).collect();
        expected.push("from the agent".to_owned());
        assert_eq!(tab.texts(3).await, expected);
        assert!(shown(tab).await.is_empty());
    }
}

#[tokio::test]
async fn a_page_that_comes_back_is_not_shown_what_it_sent_before_also_where_that_is_accepted_late()
{
    let world = World::new().await;
    let door = TestDoor::shut(world.log.clone());
    let node = world.node_with(Plan { door: door.clone(), ..world.plan() }).await;
    let (token, conversations) = world.visitor("shop");
    let mut page = widget(&world, &node, "shop", &token).await;
    page.send(says("held")).await;
    node.until("it is with the door", |_| !door.calls().is_empty()).await;
    drop(page);
    let mut page = widget(&world, &node, "shop", &token).await;
    let mut dashboard = agent(&world, &node, "shop").await;
    dashboard.subscribe(None).await;
    door.let_through(1);
    assert_eq!(dashboard.texts(1).await, ["held"]);
    world.agent_writes(&conversations, "answer").await;
    assert_eq!(page.texts(1).await, ["answer"]);
}

#[tokio::test]
async fn the_same_text_twice_is_two_messages() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, _) = world.visitor("shop");
    let mut dashboard = agent(&world, &node, "shop").await;
    dashboard.subscribe(None).await;
    let mut client = widget(&world, &node, "shop", &token).await;
    client.send(says("hi")).await;
    client.send(says("hi")).await;
    assert_eq!(dashboard.texts(2).await, ["hi", "hi"]);
}

#[tokio::test]
async fn a_post_is_shown_to_the_sockets_that_had_answered_a_ping() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut known = widget(&world, &node, "shop", &token).await;
    // This one's page has its first ping and does not answer it.
    let cookie = world.tokens.set_cookie(&token);
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut raw = Raw::open_as(&node, "/ws/chat?tenantId=shop", &cookie).await;
    assert_eq!(raw.next().await.unwrap().0, 0x89);
    // The pong's millisecond has to be over: only what is later counts.
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.door.post(&conversations, token.author(), "posted").await;
    assert_eq!(known.texts(1).await, ["posted"]);
    world.door.post(&conversations, agent_author(), "from the agent").await;
    let (first, payload) = raw.next().await.unwrap();
    assert_eq!(first, 0x81);
    assert!(
        String::from_utf8(payload).unwrap().contains("from the agent"),
        "the post was not shown"
    );
}

#[tokio::test]
async fn what_can_be_no_message_is_ignored() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, _) = world.visitor("shop");
    let mut dashboard = agent(&world, &node, "shop").await;
    dashboard.subscribe(None).await;
    let mut client = widget(&world, &node, "shop", &token).await;
    for text in [
        "{nonsense".to_owned(),
        "7".to_owned(),
        json!({"type": "typing"}).to_string(),
        json!({"type": "message"}).to_string(),
        json!({"type": "message", "text": 7}).to_string(),
        says("").to_string(),
        says(" ").to_string(),
        says("a\0b").to_string(),
        says(&"x".repeat(16_385)).to_string(),
    ] {
        client.send_text(text).await;
    }
    client.send(says("fine")).await;
    assert_eq!(dashboard.texts(1).await, ["fine"]);
    assert!(client.frames_until_pong().await.is_empty(), "never an error frame");
    assert_eq!(node.metric("parlor_socket_ignored_frames_total"), 9.0);
}

#[tokio::test]
async fn a_binary_message_is_ignored_like_other_garbage() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, _) = world.visitor("shop");
    let mut dashboard = agent(&world, &node, "shop").await;
    dashboard.subscribe(None).await;
    let cookie = world.tokens.set_cookie(&token);
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut raw = Raw::open_as(&node, "/ws/chat?tenantId=shop", &cookie).await;
    let said = says("fine").to_string();
    raw.write(&frame(0x82, said.as_bytes())).await;
    let in_fragments = [frame(0x02, b"\xff"), frame(0x00, b"\xfe"), frame(0x80, b"x")].concat();
    raw.write(&in_fragments).await;
    raw.write(&frame(0x81, said.as_bytes())).await;
    assert_eq!(dashboard.texts(1).await, ["fine"]);
    assert!(dashboard.frames_until_pong().await.is_empty(), "what was binary is no message");
    assert_eq!(node.metric("parlor_socket_ignored_frames_total"), 2.0);
}

#[tokio::test]
async fn a_frame_that_cannot_be_accepted_now_is_held_and_tried_again_in_order() {
    let world = World::new().await;
    let door = TestDoor::open(world.log.clone());
    let node = world.node_with(Plan { door: door.clone(), ..world.plan() }).await;
    let (token, _) = world.visitor("shop");
    let mut dashboard = agent(&world, &node, "shop").await;
    dashboard.subscribe(None).await;
    let mut client = widget(&world, &node, "shop", &token).await;
    door.fail_next(Problem::busy(Duration::from_millis(10), "busy"), 2);
    door.fail_next(
        Problem::new(Code::RateLimited, "too fast").retry_after(Duration::from_millis(20)),
        1,
    );
    for text in ["one", "two", "three"] {
        client.send(says(text)).await;
    }
    assert_eq!(dashboard.texts(3).await, ["one", "two", "three"]);
    let calls = door.calls();
    let texts: Vec<_> = calls.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["one", "one", "one", "one", "two", "three"]);
    assert!(calls[..4].iter().all(|(_, id)| *id == calls[0].1), "every try has the same id");
    assert!(client.frames_until_pong().await.is_empty());
}

#[tokio::test]
async fn a_frame_that_is_refused_for_good_holds_up_nothing() {
    let world = World::new().await;
    let door = TestDoor::open(world.log.clone());
    let node = world.node_with(Plan { door: door.clone(), ..world.plan() }).await;
    let (token, _) = world.visitor("shop");
    let mut dashboard = agent(&world, &node, "shop").await;
    dashboard.subscribe(None).await;
    let mut client = widget(&world, &node, "shop", &token).await;
    door.fail_next(Problem::new(Code::Forbidden, "not this one"), 1);
    client.send(says("one")).await;
    client.send(says("two")).await;
    assert_eq!(dashboard.texts(1).await, ["two"]);
}

#[tokio::test]
async fn a_frame_that_is_held_for_too_long_ends_the_socket() {
    let world = World::new().await;
    let door = TestDoor::open(world.log.clone());
    let mut plan = Plan { door: door.clone(), ..world.plan() };
    plan.sockets.hold_for = Duration::from_millis(300);
    let node = world.node_with(plan).await;
    let (token, _) = world.visitor("shop");
    let mut client = widget(&world, &node, "shop", &token).await;
    door.fail_next(Problem::unavailable("the log is down"), 1_000);
    client.send(says("one")).await;
    assert_eq!(client.close_code().await, 1011);
    node.until("the session is over", |node| node.visitors.open() == 0).await;
    let tried = door.calls().len();
    assert!(tried >= 1);
    assert!(door.calls().iter().all(|(text, _)| text == "one"));
}

#[tokio::test]
async fn a_mute_socket_lives_on_its_pongs_and_is_ended_without_them() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.sockets.ping_every = Duration::from_millis(50);
    plan.sockets.silence_limit = Duration::from_millis(400);
    plan.sockets.close_within = Duration::from_millis(100);
    let node = world.node_with(plan).await;
    let dead = Raw::open_with(&node, "/ws/chat?tenantId=shop", None, |_| {}).await;
    let mut mute = upgrade("/ws/chat?tenantId=shop").origin().open(&node).await;
    // Longer than it may be silent, by its own pings.
    while mute.pings < 20 {
        assert!(matches!(mute.next_message().await, Message::Ping(_)));
        mute.pings += 1;
    }
    let mut dead = dead;
    assert_eq!(dead.close_code().await, 1012);
    assert!(mute.frames_until_pong().await.is_empty());
    node.until("the dead one is let go of", |node| node.visitors.open() == 1).await;
}

#[tokio::test]
async fn a_burst_of_pushes_costs_few_pings() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let cookie = world.tokens.set_cookie(&token);
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut raw = Raw::open_as(&node, "/ws/chat?tenantId=shop", &cookie).await;
    for number in 0..20 {
        world.agent_writes(&conversations, &number.to_string()).await;
    }
    let (mut texts, mut pings) = (0, Vec::new());
    while texts < 20 {
        match raw.next().await.unwrap() {
            (0x81, _) => texts += 1,
            (0x89, payload) => pings.push(payload),
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert_eq!(pings.len(), 1, "the first is unanswered, and none stacks upon it");
    raw.write(&frame(0x8a, &pings[0])).await;
    assert_eq!(raw.next().await.unwrap().0, 0x89, "its answer brings the one that covers them all");
}

#[tokio::test]
async fn a_peer_that_closes_and_does_not_hang_up_delays_nothing_it_said() {
    let world = World::new().await;
    // Longer than the test waits: only what does not wait for the peer can be in time.
    let close_within = Duration::from_secs(60);
    let sockets = SocketSettings { close_within, ..world.plan().sockets };
    let node = world.node_with(Plan { sockets, ..world.plan() }).await;
    let (token, _) = world.visitor("shop");
    let cookie = world.tokens.set_cookie(&token);
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut raw = Raw::open_as(&node, "/ws/chat?tenantId=shop", &cookie).await;
    let mut said = Vec::new();
    for number in 0..20 {
        said.extend(frame(0x81, says(&number.to_string()).to_string().as_bytes()));
    }
    said.extend(frame(0x88, &1000_u16.to_be_bytes()));
    raw.write(&said).await;
    assert_eq!(raw.close_code().await, 1000);
    node.until("all that it said has been accepted", |_| world.door.calls().len() == 20).await;
    let texts: Vec<_> = world.door.calls().into_iter().map(|(text, _)| text).collect();
    assert_eq!(texts, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn pongs_that_answer_our_pings_are_never_too_many() {
    let world = World::new().await;
    let sockets = SocketSettings { controls_per_second: 2, ..world.plan().sockets };
    let node = world.node_with(Plan { sockets, ..world.plan() }).await;
    let (token, conversations) = world.visitor("shop");
    let upgrade = of_visitor(&world, "shop", &token);
    let mut client = upgrade.open(&node).await;
    for number in 0..30 {
        world.agent_writes(&conversations, &number.to_string()).await;
        assert_eq!(
            client.texts(1).await,
            [number.to_string()],
            "each is followed by a ping, which the client answers"
        );
    }
    assert_eq!(node.closes("policy"), 0.0);
}
