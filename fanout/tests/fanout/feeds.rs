//! Feeds: followed when needed, renewed when broken, honest about holes.

use std::time::Duration;

use serde_json::json;

use super::{
    client::{live_visitor, upgrade, visitor},
    world::{Plan, TestNode, World},
};

#[tokio::test]
async fn a_feed_that_was_cut_goes_on_after_the_last_position() {
    let (world, log) = World::faulty().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    world.agent_writes(&conversations, "before").await;
    assert_eq!(client.texts(1).await, ["before"]);
    log.cut_tails();
    for text in ["during 1", "during 2"] {
        world.agent_writes(&conversations, text).await;
    }
    node.until("the feed has noticed", |node| node.metric("parlor_feed_failures_total") > 0.0)
        .await;
    assert!(client.frames_until_pong().await.is_empty());
    log.mend_tails();
    world.agent_writes(&conversations, "after").await;
    assert_eq!(client.texts(3).await, ["during 1", "during 2", "after"]);
    assert_eq!(node.metric("parlor_feed_holes_total"), 0.0);
}

#[tokio::test]
async fn a_hole_sends_the_sessions_back_and_they_miss_nothing() {
    let (world, log) = World::faulty().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    let mut widget = super::client::widget(&world, &node, "shop", &token).await;
    let before = world.agent_writes(&conversations, "before").await;
    assert_eq!(client.texts(1).await, ["before"]);
    log.cut_tails();
    world.agent_writes(&conversations, "during").await;
    log.make_hole();
    log.mend_tails();
    assert_eq!(client.close_code().await, 4000);
    assert_eq!(widget.close_code().await, 1012);
    let mut client = visitor(&world, &node, "shop", &token).await;
    let (replayed, subscribed) = client.subscribe(Some(&world.cursor(&before))).await;
    assert_eq!(replayed, ["during"]);
    assert_eq!(subscribed["recovered"], json!(true));
    assert_eq!(node.metric("parlor_feed_holes_total"), 1.0);
}

#[tokio::test]
async fn a_shard_that_cannot_be_followed_makes_the_node_unwell_and_refuses_the_widget() {
    let (world, log) = World::faulty().await;
    let mut plan = world.plan();
    plan.feed.unwell_after = Duration::from_millis(100);
    plan.feed.live_within = Duration::from_millis(300);
    let node = world.node_with(plan).await;
    assert!(node.feeds.check().is_ok(), "nobody needs the shard");
    log.cut_tails();
    let refusal = upgrade("/ws/chat?tenantId=shop").origin().try_open(&node).await.err().unwrap();
    assert_eq!((refusal.status.as_u16(), refusal.code()), (503, "unavailable"));
    assert!(node.feeds.check().is_err());

    let (token, _) = world.visitor("shop");
    let mut client = visitor(&world, &node, "shop", &token).await;
    client.send(json!({"type": "subscribe"})).await;
    assert_eq!(client.close_code().await, 4000, "a subscription that cannot begin is no silence");

    log.mend_tails();
    node.until("it is well again", |node| node.feeds.check().is_ok()).await;
    assert!(upgrade("/ws/chat?tenantId=shop").origin().try_open(&node).await.is_ok());
}

#[tokio::test]
async fn a_feed_that_panics_ends_its_sessions_and_the_node_is_not_ready() {
    let (world, log) = World::faulty().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    let mut widget = super::client::widget(&world, &node, "shop", &token).await;
    log.panic_at_next_entry();
    world.agent_writes(&conversations, "a silence would follow").await;
    assert_eq!(client.close_code().await, 4000);
    assert_eq!(widget.close_code().await, 1012);
    assert!(node.feeds.check().unwrap_err().to_string().contains("has panicked"));
    assert_eq!(node.metric("parlor_feed_running_feeds"), 0.0);
}

#[tokio::test]
async fn a_shard_is_followed_from_the_first_session_until_a_while_after_the_last() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.feed.linger = Duration::from_millis(300);
    let node = world.node_with(plan).await;
    let running = |node: &super::world::TestNode| node.metric("parlor_feed_running_feeds");
    assert_eq!(running(&node), 0.0);
    let (token, conversations) = world.visitor("shop");
    let first = live_visitor(&world, &node, "shop", &token).await;
    let second = live_visitor(&world, &node, "shop", &token).await;
    assert_eq!(running(&node), 1.0);
    drop(first);
    node.until("the first is gone", |node| node.visitors.open() == 1).await;
    drop(second);
    node.until("the second is gone", |node| node.visitors.open() == 0).await;
    // One that comes before the end finds the shard followed.
    let third = live_visitor(&world, &node, "shop", &token).await;
    assert_eq!(running(&node), 1.0);
    drop(third);
    node.until("nobody needs it any more", |node| running(node) == 0.0).await;
    let mut fourth = live_visitor(&world, &node, "shop", &token).await;
    world.agent_writes(&conversations, "again").await;
    assert_eq!(fourth.texts(1).await, ["again"]);
}

#[tokio::test]
async fn two_nodes_over_one_log_show_the_same() {
    let world = World::new().await;
    let (one, two) = (world.node().await, world.node_with(Plan { ..world.plan() }).await);
    let (token, conversations) = world.visitor("shop");
    let mut clients = [
        live_visitor(&world, &one, "shop", &token).await,
        live_visitor(&world, &two, "shop", &token).await,
    ];
    for number in 0..20 {
        world.agent_writes(&conversations, &number.to_string()).await;
    }
    let expected: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    for client in &mut clients {
        assert_eq!(client.texts(20).await, expected);
    }
}

/// A plan of a node that gives a shard up as soon as a test can wait for.
fn impatient(world: &World) -> Plan {
    let mut plan = world.plan();
    plan.feed.unwell_after = Duration::from_millis(500);
    plan.feed.stale_after = Duration::from_secs(1);
    plan.feed.live_within = Duration::from_millis(200);
    plan
}

#[tokio::test]
async fn a_shard_that_brings_nothing_and_proves_nothing_sends_its_sessions_back() {
    let (world, log) = World::faulty().await;
    let node = world.node_with(impatient(&world)).await;
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    let mut widget = super::client::widget(&world, &node, "shop", &token).await;
    let before = world.agent_writes(&conversations, "before").await;
    assert_eq!(client.texts(1).await, ["before"]);
    // The tail stands, and nothing tells that it is cut off.
    log.mute_tails();
    world.agent_writes(&conversations, "during").await;
    let reconnect = client.next().await;
    assert_eq!((&reconnect["type"], &reconnect["code"]), (&json!("reconnect"), &json!(4000)));
    assert!((500..=5_000).contains(&reconnect["afterMs"].as_u64().unwrap()), "{reconnect}");
    assert_eq!(client.close_code().await, 4000);
    assert_eq!(widget.close_code().await, 1012);
    assert!(node.feeds.check().unwrap_err().to_string().contains("has not been proven live"));
    assert_eq!(node.metric("parlor_feed_stale_total"), 1.0);

    // Nobody is let in whom the node could not tell what is said: the page sees a refusal, and is
    // not let in and closed again and again.
    let refusal = upgrade("/ws/chat?tenantId=shop").origin().try_open(&node).await.err().unwrap();
    assert_eq!((refusal.status.as_u16(), refusal.code()), (503, "unavailable"));
    let mut early = visitor(&world, &node, "shop", &token).await;
    early.send(json!({"type": "subscribe", "since": world.cursor(&before)})).await;
    assert_eq!(early.close_code().await, 4000);
    assert_eq!(node.metric("parlor_feed_stale_total"), 1.0, "it is told once");

    log.unmute_tails();
    node.until("it is well again", |node| node.feeds.check().is_ok()).await;
    let mut client = visitor(&world, &node, "shop", &token).await;
    let (replayed, subscribed) = client.subscribe(Some(&world.cursor(&before))).await;
    assert_eq!((replayed, &subscribed["recovered"]), (vec!["during".to_owned()], &json!(true)));
    world.agent_writes(&conversations, "after").await;
    assert_eq!(client.texts(1).await, ["after"]);
}

#[tokio::test]
async fn a_shard_without_a_tail_is_stale_as_well_and_its_ring_goes_on_afterwards() {
    let (world, log) = World::faulty().await;
    let node = world.node_with(impatient(&world)).await;
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    let before = world.agent_writes(&conversations, "before").await;
    assert_eq!(client.texts(1).await, ["before"]);
    log.cut_tails();
    world.agent_writes(&conversations, "during").await;
    assert_eq!(client.close_code().await, 4000);
    log.mend_tails();
    node.until("it is well again", |node| node.feeds.check().is_ok()).await;
    let mut client = visitor(&world, &node, "shop", &token).await;
    let (replayed, _) = client.subscribe(Some(&world.cursor(&before))).await;
    assert_eq!(replayed, ["during"]);
    assert_eq!(node.metric("parlor_feed_holes_total"), 0.0);
    assert_eq!(node.metric("parlor_resume_replayed_events_total"), 0.0, "it came from the ring");
}

#[tokio::test]
async fn a_quiet_shard_is_proven_live_and_nobody_is_disturbed() {
    let world = World::new().await;
    let node = world.node_with(impatient(&world)).await;
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    // Some times as long as it takes without a proof: were silence one, nothing would end here.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(node.metric("parlor_feed_stale_total"), 0.0);
    world.agent_writes(&conversations, "still there").await;
    assert_eq!(client.texts(1).await, ["still there"]);
}

#[tokio::test]
async fn many_are_sent_back_in_batches() {
    let (world, log) = World::faulty().await;
    let mut plan = impatient(&world);
    plan.sockets.drain.batch = 2;
    plan.sockets.drain.every = Duration::from_secs(3_600);
    let node = world.node_with(plan).await;
    let (token, _) = world.visitor("shop");
    let mut clients = Vec::new();
    for number in 0..6 {
        clients.push(if number % 2 == 0 {
            super::client::widget(&world, &node, "shop", &token).await
        } else {
            live_visitor(&world, &node, "shop", &token).await
        });
    }
    log.mute_tails();
    let told = |node: &TestNode| node.closes("again") + node.closes("restart");
    node.until("the first batch is told", |node| told(node) >= 2.0).await;
    // They have nobody who answers the close, and are let go of all the same.
    node.until("they are gone", |node| node.visitors.open() == 4).await;
    assert_eq!(told(&node), 2.0, "the next batch has an hour");
}
