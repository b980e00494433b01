//! Feeds: followed when needed, renewed when broken, honest about holes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parlor_common::{
    conversation::ConversationKey,
    id::EventId,
    position::Position,
    shard::{Shard, Shards},
};
use parlor_log::{
    Appended, Deliveries, Entry, EventLog, Filter, LogError, LogPage, ShardState, Start, Tail,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use super::{
    client::{live_visitor, upgrade, visitor},
    world::{Plan, World, open_log},
};

/// The real log, whose tails can be cut: a log in this process has no network that could break.
#[derive(Debug)]
struct CutLog {
    log: Arc<dyn EventLog>,
    cut: watch::Sender<bool>,
    /// Tails that begin after a position are refused.
    hole: AtomicBool,
    /// The next entry that a tail brings is a panic.
    panics: Arc<AtomicBool>,
}

struct CutTail {
    tail: Box<dyn Tail>,
    cut: watch::Receiver<bool>,
    panics: Arc<AtomicBool>,
}

impl CutLog {
    fn over(log: Arc<dyn EventLog>) -> Arc<Self> {
        Arc::new(Self {
            log,
            cut: watch::Sender::new(false),
            hole: AtomicBool::new(false),
            panics: Arc::default(),
        })
    }
}

#[async_trait]
impl EventLog for CutLog {
    fn shards(&self) -> Shards {
        self.log.shards()
    }

    #[expect(clippy::disallowed_methods, reason = "it hands on what the door appends")]
    async fn append(
        &self,
        key: &ConversationKey,
        id: &EventId,
        record: Bytes,
    ) -> Result<Appended, LogError> {
        self.log.append(key, id, record).await
    }

    async fn tail(&self, shard: Shard, start: Start) -> Result<Box<dyn Tail>, LogError> {
        if *self.cut.borrow() {
            return Err(LogError::Unavailable("cut off".to_owned()));
        }
        if matches!(start, Start::After(_)) && self.hole.swap(false, Ordering::SeqCst) {
            return Err(LogError::Rejected("it begins later".to_owned()));
        }
        Ok(Box::new(CutTail {
            tail: self.log.tail(shard, start).await?,
            cut: self.cut.subscribe(),
            panics: self.panics.clone(),
        }))
    }

    async fn read(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<LogPage, LogError> {
        self.log.read(filter, after, limit).await
    }

    async fn deliveries(&self, shard: Shard, group: &str) -> Result<Box<dyn Deliveries>, LogError> {
        self.log.deliveries(shard, group).await
    }

    async fn state(&self, shard: Shard) -> Result<ShardState, LogError> {
        self.log.state(shard).await
    }
}

#[async_trait]
impl Tail for CutTail {
    fn after(&self) -> Position {
        self.tail.after()
    }

    async fn next(&mut self) -> Result<Entry, LogError> {
        tokio::select! {
            biased;
            _ = self.cut.wait_for(|cut| *cut) => Err(LogError::Unavailable("cut off".to_owned())),
            entry = self.tail.next() => {
                assert!(!self.panics.load(Ordering::SeqCst), "a fault that a test has planted");
                entry
            }
        }
    }
}

async fn world_with_cut_log() -> (World, Arc<CutLog>) {
    let folder = TempDir::new().unwrap();
    let cut = CutLog::over(Arc::new(open_log(folder.path())));
    (World::over(cut.clone(), folder).await, cut)
}

#[tokio::test]
async fn a_feed_that_was_cut_goes_on_after_the_last_position() {
    let (world, log) = world_with_cut_log().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    world.agent_writes(&conversations, "before").await;
    assert_eq!(client.texts(1).await, ["before"]);
    log.cut.send_replace(true);
    for text in ["during 1", "during 2"] {
        world.agent_writes(&conversations, text).await;
    }
    node.until("the feed has noticed", |node| node.metric("parlor_feed_failures_total") > 0.0)
        .await;
    assert!(client.frames_until_pong().await.is_empty());
    log.cut.send_replace(false);
    world.agent_writes(&conversations, "after").await;
    assert_eq!(client.texts(3).await, ["during 1", "during 2", "after"]);
    assert_eq!(node.metric("parlor_feed_holes_total"), 0.0);
}

#[tokio::test]
async fn a_hole_sends_the_sessions_back_and_they_miss_nothing() {
    let (world, log) = world_with_cut_log().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    let mut widget = super::client::widget(&world, &node, "shop", &token).await;
    let before = world.agent_writes(&conversations, "before").await;
    assert_eq!(client.texts(1).await, ["before"]);
    log.cut.send_replace(true);
    world.agent_writes(&conversations, "during").await;
    log.hole.store(true, Ordering::SeqCst);
    log.cut.send_replace(false);
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
    let (world, log) = world_with_cut_log().await;
    let mut plan = world.plan();
    plan.feed.unwell_after = Duration::from_millis(100);
    plan.feed.live_within = Duration::from_millis(300);
    let node = world.node_with(plan).await;
    assert!(node.feeds.check().is_ok(), "nobody needs the shard");
    log.cut.send_replace(true);
    let refusal = upgrade("/ws/chat?tenantId=shop").origin().try_open(&node).await.err().unwrap();
    assert_eq!((refusal.status.as_u16(), refusal.code()), (503, "unavailable"));
    assert!(node.feeds.check().is_err());

    let (token, _) = world.visitor("shop");
    let mut client = visitor(&world, &node, "shop", &token).await;
    client.send(json!({"type": "subscribe"})).await;
    assert_eq!(client.close_code().await, 4000, "a subscription that cannot begin is no silence");

    log.cut.send_replace(false);
    node.until("it is well again", |node| node.feeds.check().is_ok()).await;
    assert!(upgrade("/ws/chat?tenantId=shop").origin().try_open(&node).await.is_ok());
}

#[tokio::test]
async fn a_feed_that_panics_ends_its_sessions_and_the_node_is_not_ready() {
    let (world, log) = world_with_cut_log().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    let mut widget = super::client::widget(&world, &node, "shop", &token).await;
    log.panics.store(true, Ordering::SeqCst);
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
