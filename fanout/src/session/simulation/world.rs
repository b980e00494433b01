//! The world of a run: one log and store, one door, a tenant with its visitors, and the nodes that
//! come and go over them.

use std::{fs, sync::Arc, time::Duration};

use parlor_auth::{
    Agents, CookieSettings, LimitSettings, Limits, Tenants, VisitorToken, VisitorTokens,
};
use parlor_common::{
    author::{Author, AuthorKind},
    clock::{Clock, Timestamp},
    conversation::ConversationKey,
    cursor::Cursors,
    drain::Drain,
    keys::{InstallationKeys, Secret},
    metrics::Registry,
    random::Random,
    tenant::TenantId,
};
use parlor_history::History;
use parlor_http::page_loads::PageLoads;
use parlor_log::monitor::{Monitor, MonitorMetrics};
use parlor_testbed::defaults;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{dice::Dice, door::SimDoor, log::Scripted};
use crate::{FeedParts, FeedSettings, Feeds, Hub, Metrics, Parts, SocketSettings, node::Node};

/// What all nodes stand over.
pub(crate) struct World {
    pub(crate) log: Scripted,
    pub(crate) door: Arc<SimDoor>,
    pub(crate) tokens: VisitorTokens,
    pub(crate) tenants: Tenants,
    pub(crate) tenant: TenantId,
    pub(crate) cursors: Cursors,
    pub(crate) visitors: Vec<VisitorToken>,
    pub(crate) agent_token: String,
    pub(crate) random: Random,
    pub(crate) clock: Clock,
    pub(crate) settings: (SocketSettings, FeedSettings),
    /// The settled part of a run: nothing fails any more, so that nothing may be given up.
    pub(crate) calm: bool,
    pub(crate) suspended: bool,
    /// The number of the next message.
    pub(crate) next: u64,
    folder: TempDir,
}

/// One node.
pub(crate) struct SimNode {
    pub(crate) node: Arc<Node>,
    pub(crate) agents: Arc<Node>,
    pub(crate) sockets: Drain,
    pub(crate) feeds: Drain,
}

/// When the world begins.
const EPOCH_MS: i64 = 1_800_000_000_000;
const SECRET: [u8; 32] = [5; 32];

// === impl World ===

impl World {
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let began = Instant::now();
        let now = move || Timestamp::from_millis(EPOCH_MS).plus(began.elapsed());
        let (clock, random) = (Clock::new(now), Random::seeded(dice.number()));
        let keys = InstallationKeys::new(Secret::new(vec![7; 32]).unwrap(), None);
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("secret"), SECRET).unwrap();
        fs::write(folder.path().join("tenants.toml"), tenants_file(false)).unwrap();
        let log = Scripted::new(clock.clone());
        let tokens =
            VisitorTokens::new(&keys, clock.clone(), random.clone(), CookieSettings::default());
        Self {
            door: SimDoor::new(log.clone(), clock.clone()),
            log,
            visitors: (0..3).map(|_| tokens.issue()).collect(),
            tokens,
            tenants: Tenants::from_file(&folder.path().join("tenants.toml")).unwrap(),
            tenant: TenantId::parse("shop").unwrap(),
            cursors: Cursors::new(&keys),
            agent_token: agent_token(),
            random,
            clock,
            settings: settings(dice),
            calm: false,
            suspended: false,
            next: 1,
            folder,
        }
    }

    /// A node that begins now.
    pub(crate) async fn node(&self) -> SimNode {
        let registry = Registry::new();
        let (sockets, feeds_drain) = (Drain::new(), Drain::new());
        let metrics = Metrics::new(&registry).unwrap();
        let (socket_settings, feed_settings) = self.settings.clone();
        let shards = parlor_common::shard::Shards::ONE;
        let hub = Hub::new(shards, &feed_settings, self.cursors.clone(), metrics.clone());
        let log = Arc::new(self.log.clone());
        let feeds = Feeds::new(FeedParts {
            log: log.clone(),
            hub: hub.clone(),
            settings: feed_settings,
            random: self.random.clone(),
            metrics: metrics.clone(),
            drain: feeds_drain.clone(),
        });
        let monitor = MonitorMetrics::unregistered().unwrap();
        let monitor = Monitor::start(log.clone(), self.clock.clone(), monitor).await.unwrap();
        feeds_drain.spawn(monitor.clone().run(Duration::from_secs(1), feeds_drain.clone()));
        let store_deadline = Duration::from_secs(2);
        let history_metrics = parlor_history::Metrics::new(&registry).unwrap();
        let history = History::new(log.clone(), log, monitor, store_deadline, history_metrics);
        let limits =
            Limits::new(LimitSettings::default(), self.tenants.clone(), self.clock.clone());
        let parts = Parts {
            hub,
            feeds,
            history,
            cursors: self.cursors.clone(),
            tenants: self.tenants.clone(),
            limits,
            clock: self.clock.clone(),
            random: self.random.clone(),
            page_loads: PageLoads::new(),
            signals: None,
            settings: socket_settings,
            metrics,
            drain: sockets.clone(),
        };
        SimNode {
            node: Node::new(parts.clone(), Some(self.door.clone())),
            agents: Node::new(parts, None),
            sockets,
            feeds: feeds_drain,
        }
    }

    /// Who verifies agents on a node.
    pub(crate) fn agents(&self) -> Agents {
        Agents::new(self.tenants.clone(), self.clock.clone())
    }

    pub(crate) fn suspend(&mut self, suspended: bool) {
        if suspended != self.suspended {
            let file = self.folder.path().join("tenants.toml");
            fs::write(file, tenants_file(suspended)).unwrap();
            assert!(self.tenants.reload_if_changed().unwrap());
            self.suspended = suspended;
        }
    }

    /// The conversation of a visitor.
    pub(crate) fn conversation(&self, visitor: usize) -> ConversationKey {
        self.visitors[visitor].conversations(&self.tenant).primary()
    }

    /// A number for a new message.
    pub(crate) const fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// An agent, or now and then the visitor itself, posts into a visitor's conversation; or
    /// somebody does with another tenant of the same shard.
    pub(crate) fn post(&mut self, dice: &mut Dice) {
        let (number, visitor) = (self.number(), dice.below(self.visitors.len()));
        let mut conversation = self.conversation(visitor);
        let mut author = Author { kind: AuthorKind::Agent, id: "ann".to_owned(), name: None };
        match dice.below(10) {
            0 => conversation.tenant = TenantId::parse("other").unwrap(),
            1 => author = self.visitors[visitor].author(),
            _ => {}
        }
        self.door.post(&conversation, &author, number);
    }
}

/// The shipped settings, with the bounds so small that a run meets all of them.
fn settings(dice: &mut Dice) -> (SocketSettings, FeedSettings) {
    let mut sockets: SocketSettings = defaults::section("sockets");
    sockets.outbox_frames = dice.one_of(&[4, 8, 32, 256]);
    sockets.outbox_bytes = dice.one_of(&[2_000, 8_000, 1 << 20]);
    sockets.drafts = dice.one_of(&[1, 2, 8]);
    sockets.bad_frames = u32::MAX;
    sockets.controls_per_second = u32::MAX;
    sockets.resume.page = dice.one_of(&[1, 2, 5, 20]);
    sockets.resume.pages = dice.one_of(&[2, 5, 100]);
    sockets.resume.parallel = dice.one_of(&[1, 2, 64]);
    let mut feed: FeedSettings = defaults::section("feed");
    feed.ring_events = dice.one_of(&[0, 1, 3, 10, 100]);
    feed.ring_bytes = dice.one_of(&[9_000, 1 << 20]);
    feed.linger = dice.millis(30_000);
    (sockets, feed)
}

fn tenants_file(suspended: bool) -> String {
    format!(
        "[[tenant]]\nname = \"shop\"\norigins = []\nsuspended = {suspended}\n\
         [[tenant.agent_key]]\nissuer = \"shop\"\nkid = \"k\"\nalgorithm = \"HS256\"\n\
         secret_file = \"secret\"\n"
    )
}

fn agent_token() -> String {
    let header =
        jsonwebtoken::Header { kid: Some("k".to_owned()), ..jsonwebtoken::Header::default() };
    let claims = serde_json::json!({
        "iss": "shop", "sub": "ann", "aud": "parlor", "role": "agent",
        "exp": EPOCH_MS / 1_000 + 86_000,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(&SECRET);
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}
