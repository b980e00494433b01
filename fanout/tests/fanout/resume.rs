//! Exactly the missed set, or an honest gap.

use std::{sync::Arc, time::Duration};

use parlor_common::{
    conversation::ConversationSet,
    position::{Epoch, Position},
    shard::Shard,
};
use parlor_log::Trim;
use parlor_testbed::{clock::TestClock, wait::until};
use serde_json::json;

use super::{
    client::{agent, live_visitor, visitor},
    world::{Plan, TestNode, World, tenant},
};

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// So many messages of an agent; the cursor of each.
async fn write(
    world: &World,
    conversations: &ConversationSet,
    range: std::ops::Range<usize>,
) -> Vec<String> {
    let mut cursors = Vec::new();
    for text in numbered(range) {
        cursors.push(world.cursor(&world.agent_writes(conversations, &text).await));
    }
    cursors
}

/// Waits until the node has been brought everything that was written so far.
async fn caught_up(world: &World, node: &TestNode, conversations: &ConversationSet) {
    let mut fence = agent(world, node, conversations.tenant().as_str()).await;
    fence.subscribe(None).await;
    let other = world.visitor(conversations.tenant().as_str()).1;
    world.agent_writes(&other, "fence").await;
    while fence.texts(1).await != ["fence"] {}
}

#[tokio::test]
async fn a_client_that_comes_back_gets_exactly_what_it_missed() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    let cursors = write(&world, &conversations, 0..10).await;
    assert_eq!(client.texts(10).await, numbered(0..10));
    drop(client);
    caught_up(&world, &node, &conversations).await;
    for (since, cursor) in cursors.iter().enumerate() {
        let mut client = visitor(&world, &node, "shop", &token).await;
        let (replayed, subscribed) = client.subscribe(Some(cursor)).await;
        assert_eq!(replayed, numbered(since + 1..10));
        assert_eq!(subscribed["recovered"], true);
        assert_eq!(subscribed["replayed"], 9 - since);
        assert!(client.frames_until_pong().await.is_empty());
    }
    assert_eq!(
        node.metric("parlor_resume_replayed_events_total"),
        0.0,
        "all of it came from the ring"
    );
}

#[tokio::test]
async fn below_the_rings_floor_the_log_is_read_in_pages() {
    let world = World::new().await;
    for (ring_events, page) in [(0, 3), (2, 1), (5, 7), (7, 100)] {
        let mut plan = world.plan();
        plan.feed.ring_events = ring_events;
        plan.sockets.resume.page = page;
        let node = world.node_with(plan).await;
        let (token, conversations) = world.visitor("shop");
        let cursors = write(&world, &conversations, 0..20).await;
        caught_up(&world, &node, &conversations).await;
        let mut client = visitor(&world, &node, "shop", &token).await;
        let (replayed, subscribed) = client.subscribe(Some(&cursors[0])).await;
        assert_eq!(replayed, numbered(1..20), "ring {ring_events}, page {page}");
        assert_eq!((&subscribed["recovered"], &subscribed["replayed"]), (&json!(true), &json!(19)));
        write(&world, &conversations, 20..23).await;
        assert_eq!(client.texts(3).await, numbered(20..23));
    }
}

#[tokio::test]
async fn a_replay_loses_and_doubles_nothing_while_the_conversation_goes_on() {
    let world = Arc::new(World::new().await);
    let mut plan = world.plan();
    plan.feed.ring_events = 3;
    plan.sockets.resume.page = 2;
    // The writer may be quicker than the socket once that is live, and all it writes has room: what
    // a full outbox comes to is the subject of other tests.
    plan.sockets.outbox_frames = 128;
    let node = world.node_with(plan).await;
    let (token, conversations) = world.visitor("shop");
    let cursors = write(&world, &conversations, 0..50).await;
    let writer = {
        let (world, conversations) = (world.clone(), conversations.clone());
        node.drain.spawn(async move { write(&world, &conversations, 50..150).await })
    };
    let mut client = visitor(&world, &node, "shop", &token).await;
    let (mut texts, subscribed) = client.subscribe(Some(&cursors[0])).await;
    assert_eq!(subscribed["recovered"], true);
    assert_eq!(subscribed["replayed"], texts.len());
    while texts.len() < 149 {
        texts.extend(client.texts(1).await);
    }
    assert_eq!(texts, numbered(1..150));
    writer.await.unwrap();
    assert!(client.frames_until_pong().await.is_empty());
}

#[tokio::test]
async fn an_agent_resumes_the_whole_tenant() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.feed.ring_events = 3;
    plan.sockets.resume.page = 4;
    plan.sockets.outbox_frames = 6;
    let node = world.node_with(plan).await;
    let ((_, one), (_, two)) = (world.visitor("shop"), world.visitor("shop"));
    let cursors = write(&world, &one, 0..5).await;
    write(&world, &world.visitor("other").1, 100..105).await;
    write(&world, &two, 5..12).await;
    let mut client = agent(&world, &node, "shop").await;
    let (replayed, subscribed) = client.subscribe(Some(&cursors[1])).await;
    assert_eq!(replayed, numbered(2..12));
    assert_eq!(subscribed["recovered"], true);
}

#[tokio::test]
async fn the_ring_is_replayed_in_parts_where_it_holds_more_than_an_outbox() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.sockets.outbox_frames = 8;
    let node = world.node_with(plan).await;
    let (token, conversations) = world.visitor("shop");
    let mut first = live_visitor(&world, &node, "shop", &token).await;
    let mut cursors = Vec::new();
    for number in 0..100 {
        cursors.extend(write(&world, &conversations, number..number + 1).await);
        first.texts(1).await;
    }
    let mut client = visitor(&world, &node, "shop", &token).await;
    let (replayed, subscribed) = client.subscribe(Some(&cursors[0])).await;
    assert_eq!(replayed, numbered(1..100));
    assert_eq!(subscribed["recovered"], true);
    assert_eq!(node.metric("parlor_resume_replayed_events_total"), 0.0, "the log was not read");
}

#[tokio::test]
async fn a_cursor_that_cannot_be_proven_is_a_gap_and_the_subscription_lives() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let cursors = write(&world, &conversations, 0..3).await;
    let at = |epoch, sequence| Position::new(Epoch::new(epoch).unwrap(), sequence).unwrap();
    let genuine = world.cursors.read(&tenant("shop"), &cursors[0]).unwrap();
    let epoch = genuine.epoch().number();
    for (what, cursor) in [
        ("foreign", world.cursors.write(&tenant("other"), genuine)),
        ("forged", "AAAAAAAAAAAAAAAAAAAAAA".to_owned()),
        ("junk", "§".to_owned()),
        ("future", world.cursors.write(&tenant("shop"), at(epoch, 1_000_000))),
        ("of a later epoch", world.cursors.write(&tenant("shop"), at(epoch + 1, 1))),
        ("of an earlier epoch", world.cursors.write(&tenant("shop"), at(epoch - 1, 1))),
    ] {
        let mut client = visitor(&world, &node, "shop", &token).await;
        let (replayed, subscribed) = client.subscribe(Some(&cursor)).await;
        assert!(replayed.is_empty(), "{what}: there is never a partial replay");
        assert_eq!(
            (&subscribed["recovered"], &subscribed["replayed"]),
            (&json!(false), &json!(0)),
            "{what}"
        );
        world.agent_writes(&conversations, what).await;
        assert_eq!(client.texts(1).await, [what], "it is live all the same");
    }
}

#[tokio::test]
async fn the_cursor_of_an_answer_leads_on() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    write(&world, &conversations, 0..3).await;
    let mut client = visitor(&world, &node, "shop", &token).await;
    let (_, subscribed) = client.subscribe(None).await;
    drop(client);
    write(&world, &conversations, 3..5).await;
    caught_up(&world, &node, &conversations).await;
    let mut client = visitor(&world, &node, "shop", &token).await;
    let (replayed, answer) = client.subscribe(subscribed["cursor"].as_str()).await;
    assert_eq!(replayed, numbered(3..5));
    assert_eq!(answer["recovered"], true);
}

#[tokio::test]
async fn a_second_subscription_replaces_the_first_and_doubles_nothing() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.feed.ring_events = 4;
    let node = world.node_with(plan).await;
    let (token, conversations) = world.visitor("shop");
    let cursors = write(&world, &conversations, 0..20).await;
    let mut client = visitor(&world, &node, "shop", &token).await;
    let (replayed, _) = client.subscribe(Some(&cursors[9])).await;
    assert_eq!(replayed, numbered(10..20));

    for since in [None, Some(&cursors[9]), Some(&cursors[15]), Some(&cursors[19])] {
        let (replayed, subscribed) = client.subscribe(since.map(String::as_str)).await;
        assert!(replayed.is_empty(), "{since:?}: this socket has been shown all of it");
        assert_eq!(subscribed["recovered"], true);
    }
    let (replayed, subscribed) = client.subscribe(Some(&cursors[4])).await;
    assert_eq!(replayed, numbered(5..10), "what the first one did not reach back to");
    assert_eq!(subscribed["replayed"], 5);
    let (_, gap) = client.subscribe(Some("junk")).await;
    assert_eq!(gap["recovered"], false);
    write(&world, &conversations, 20..23).await;
    assert_eq!(client.texts(3).await, numbered(20..23));
    assert!(client.frames_until_pong().await.is_empty());
}

#[tokio::test]
async fn subscriptions_in_a_burst_end_in_one() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.feed.ring_events = 2;
    plan.sockets.resume.page = 3;
    let node = world.node_with(plan).await;
    let (token, conversations) = world.visitor("shop");
    let cursors = write(&world, &conversations, 0..20).await;
    let mut client = visitor(&world, &node, "shop", &token).await;
    for _ in 0..5 {
        client.send(json!({"type": "subscribe", "since": cursors[9]})).await;
    }
    let mut texts = Vec::new();
    let mut answers = 0;
    while texts.len() < 10 || answers == 0 {
        let frame = client.next().await;
        match frame["type"].as_str().unwrap() {
            "message" => texts.push(frame["message"]["text"].as_str().unwrap().to_owned()),
            _ => answers += 1,
        }
    }
    assert_eq!(texts, numbered(10..20));
    write(&world, &conversations, 20..21).await;
    assert_eq!(client.texts(1).await, ["20"]);
}

#[tokio::test]
async fn a_replay_that_takes_too_many_pages_comes_back_for_the_rest() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.feed.ring_events = 1;
    plan.sockets.resume.page = 2;
    plan.sockets.resume.pages = 3;
    let node = world.node_with(plan).await;
    let (token, conversations) = world.visitor("shop");
    let cursors = write(&world, &conversations, 0..20).await;
    caught_up(&world, &node, &conversations).await;
    let mut since = cursors[0].clone();
    let mut texts = Vec::new();
    let mut connections = 0;
    'connect: loop {
        connections += 1;
        let mut client = visitor(&world, &node, "shop", &token).await;
        client.send(json!({"type": "subscribe", "since": since})).await;
        loop {
            match client.next_message().await {
                tokio_tungstenite::tungstenite::Message::Text(text) => {
                    let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] == "subscribed" {
                        assert_eq!(frame["recovered"], true);
                        break 'connect;
                    }
                    texts.push(frame["message"]["text"].as_str().unwrap().to_owned());
                    since = frame["message"]["cursor"].as_str().unwrap().to_owned();
                }
                tokio_tungstenite::tungstenite::Message::Close(close) => {
                    assert_eq!(u16::from(close.unwrap().code), 4000);
                    continue 'connect;
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
    }
    assert_eq!(texts, numbered(1..20), "nothing is lost or doubled on the way");
    assert!(connections > 1);
}

#[tokio::test]
async fn a_node_resumes_what_another_node_showed() {
    let world = World::new().await;
    let (first, second) = (world.node().await, world.node_with(Plan { ..world.plan() }).await);
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &first, "shop", &token).await;
    let cursors = write(&world, &conversations, 0..5).await;
    assert_eq!(client.texts(2).await, numbered(0..2));
    drop(client);
    let mut client = visitor(&world, &second, "shop", &token).await;
    let (replayed, subscribed) = client.subscribe(Some(&cursors[1])).await;
    assert_eq!(replayed, numbered(2..5));
    assert_eq!(subscribed["recovered"], true);
}

/// Everything that was written is stored, the node's monitor knows it, and of the log only the last
/// entry is left.
async fn store_and_trim(world: &World, clock: &TestClock, node: &TestNode) {
    world.at.persist(usize::MAX).await;
    let end = world.at.end().await;
    node.drain.spawn(world.monitor.clone().run(Duration::from_millis(5), node.drain.clone()));
    until("the node knows it", async || world.monitor.persisted(Shard::ONLY) == end).await;
    clock.advance(Duration::from_secs(3600));
    let trim = Trim { through: end, down_to: 0, keep: Duration::from_secs(600) };
    assert!(world.log.trim(Shard::ONLY, trim).await.unwrap() > 0);
    assert_eq!(world.log.state(Shard::ONLY).await.unwrap().start, end.before());
}

#[tokio::test]
async fn after_a_trim_a_visitor_resumes_from_the_store_and_an_agent_is_told_of_a_gap() {
    let clock = TestClock::default();
    let world = World::by(&clock).await;
    let (token, conversations) = world.visitor("shop");
    let cursors = write(&world, &conversations, 0..20).await;
    // A node that has none of it in its ring.
    let node = world.node().await;
    store_and_trim(&world, &clock, &node).await;

    let mut client = visitor(&world, &node, "shop", &token).await;
    let (replayed, subscribed) = client.subscribe(Some(&cursors[3])).await;
    assert_eq!((replayed, &subscribed["recovered"]), (numbered(4..20), &json!(true)));
    let mut agent = agent(&world, &node, "shop").await;
    let (replayed, subscribed) = agent.subscribe(Some(&cursors[3])).await;
    assert_eq!((replayed, &subscribed["recovered"]), (numbered(0..0), &json!(false)));
    // What is left of the log is whole.
    let (replayed, subscribed) = agent.subscribe(Some(&cursors[18])).await;
    assert_eq!((replayed, &subscribed["recovered"]), (numbered(19..20), &json!(true)));
    write(&world, &conversations, 20..22).await;
    assert_eq!(agent.texts(2).await, numbered(20..22));
    assert_eq!(client.texts(2).await, numbered(20..22));
}
