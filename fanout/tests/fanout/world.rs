//! A world: one log, one store and one set of keys, and nodes over them.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::Router;
use parlor_auth::{
    Agents, CookieSettings, LimitSettings, Limits, Role, Tenants, VisitorToken, VisitorTokens,
};
use parlor_common::{
    author::{Author, AuthorKind},
    clock::Clock,
    conversation::ConversationSet,
    cursor::Cursors,
    drain::Drain,
    event::Event,
    keys::{InstallationKeys, Secret},
    metrics::Registry,
    page_loads::PageLoads,
    random::Random,
    tenant::TenantId,
};
pub use parlor_fanout::SocketSettings;
use parlor_fanout::{
    DrainSettings, FeedParts, FeedSettings, Feeds, Hub, Metrics, Parts, ResumeSettings, Sockets,
};
use parlor_history::History;
use parlor_http::{self as http, HttpSettings};
use parlor_log::{
    EventLog,
    monitor::{Monitor, MonitorMetrics},
    sqlite::{SqliteLog, SqliteLogSettings},
};
use parlor_store::{HistoryStore, SqliteStore};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::door::TestDoor;

/// How long a test waits for what must come.
pub const SOON: Duration = Duration::from_secs(10);

/// A page of the tenants' own machine.
pub const ORIGIN: &str = "http://localhost:3000";

pub struct World {
    pub log: Arc<dyn EventLog>,
    pub monitor: Monitor,
    pub store: Arc<dyn HistoryStore>,
    pub tenants: Tenants,
    pub tokens: VisitorTokens,
    pub agents: Agents,
    pub cursors: Cursors,
    /// The way in that is not a socket.
    pub door: Arc<TestDoor>,
    pub folder: TempDir,
}

/// What a node is made of, to be changed by a test.
pub struct Plan {
    pub sockets: SocketSettings,
    pub feed: FeedSettings,
    pub limits: LimitSettings,
    pub log: Arc<dyn EventLog>,
    pub door: Arc<TestDoor>,
    pub tenants: Tenants,
}

pub struct TestNode {
    pub address: SocketAddr,
    pub feeds: Feeds,
    pub visitors: Sockets,
    pub agents: Sockets,
    pub drain: Drain,
    pub registry: Registry,
    pub page_loads: PageLoads,
    feeds_drain: Drain,
    http_drain: Drain,
}

pub fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub fn agent_author() -> Author {
    Author { kind: AuthorKind::Agent, id: "ann".to_owned(), name: Some("Ann".to_owned()) }
}

impl World {
    pub async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let log = Arc::new(open_log(folder.path()));
        Self::over(log, folder).await
    }

    pub async fn over(log: Arc<dyn EventLog>, folder: TempDir) -> Self {
        let registry = Registry::new();
        let store =
            SqliteStore::open(folder.path(), parlor_store::Metrics::new(&registry).unwrap())
                .await
                .unwrap();
        let monitor =
            Monitor::start(log.clone(), Clock::system(), MonitorMetrics::unregistered().unwrap())
                .await
                .unwrap();
        let keys = InstallationKeys::new(Secret::new(vec![7; 32]).unwrap(), None);
        let tenants = Tenants::development(&keys);
        Self {
            monitor,
            store: Arc::new(store),
            tokens: VisitorTokens::new(
                &keys,
                Clock::system(),
                Random::system(),
                CookieSettings::default(),
            ),
            agents: Agents::new(tenants.clone(), Clock::system()),
            cursors: Cursors::new(&keys),
            door: TestDoor::open(log.clone()),
            tenants,
            log,
            folder,
        }
    }

    pub fn plan(&self) -> Plan {
        Plan {
            sockets: socket_settings(),
            feed: FeedSettings {
                ring_events: 1_000,
                ring_bytes: 16 << 20,
                linger: Duration::from_secs(30),
                live_within: Duration::from_secs(5),
                unwell_after: Duration::from_secs(15),
            },
            limits: LimitSettings::default(),
            log: self.log.clone(),
            door: self.door.clone(),
            tenants: self.tenants.clone(),
        }
    }

    pub async fn node(&self) -> TestNode {
        self.node_with(self.plan()).await
    }

    pub async fn node_with(&self, plan: Plan) -> TestNode {
        let registry = Registry::new();
        let (drain, feeds_drain, http_drain) = (Drain::new(), Drain::new(), Drain::new());
        let metrics = Metrics::new(&registry).unwrap();
        let hub = Hub::new(plan.log.shards(), &plan.feed, self.cursors.clone(), metrics.clone());
        let feeds = Feeds::new(FeedParts {
            log: plan.log.clone(),
            hub: hub.clone(),
            settings: plan.feed,
            random: Random::system(),
            metrics: metrics.clone(),
            drain: feeds_drain.clone(),
        });
        let history = History::new(
            plan.log.clone(),
            self.store.clone(),
            self.monitor.clone(),
            Duration::from_secs(2),
            parlor_history::Metrics::new(&registry).unwrap(),
        );
        let page_loads = PageLoads::new();
        let parts = Parts {
            hub,
            feeds: feeds.clone(),
            history,
            cursors: self.cursors.clone(),
            tenants: plan.tenants.clone(),
            limits: Limits::new(plan.limits, plan.tenants.clone(), Clock::system()),
            clock: Clock::system(),
            random: Random::system(),
            page_loads: page_loads.clone(),
            settings: plan.sockets,
            metrics,
            drain: drain.clone(),
        };
        let visitors = Sockets::visitors(parts.clone(), plan.door, self.tokens.clone());
        let agents = Sockets::agents(parts, Agents::new(plan.tenants, Clock::system()));
        let inner = Router::new().route("/", axum::routing::get(|| async { "demo" }));
        let app = agents.wrap(visitors.wrap(inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings =
            HttpSettings { max_connections_per_address: 10_000, ..HttpSettings::default() };
        let served = http::serve(
            listener,
            app,
            settings,
            Random::system(),
            http::Metrics::new(&registry).unwrap(),
            http_drain.clone(),
        );
        http_drain.spawn(served);
        TestNode {
            address,
            feeds,
            visitors,
            agents,
            drain,
            registry,
            page_loads,
            feeds_drain,
            http_drain,
        }
    }

    pub fn agent_token(&self, tenant_name: &str, ttl: Duration) -> String {
        self.agents
            .mint_development(&tenant(tenant_name), "ann", Some("Ann"), Role::Agent, ttl)
            .unwrap()
            .0
    }

    /// A new visitor, and the conversations it has with a tenant.
    pub fn visitor(&self, tenant_name: &str) -> (VisitorToken, ConversationSet) {
        let token = self.tokens.issue();
        let conversations = token.conversations(&tenant(tenant_name));
        (token, conversations)
    }

    /// What an agent writes by REST into a conversation.
    pub async fn agent_writes(&self, conversations: &ConversationSet, text: &str) -> Event {
        self.door.post(conversations, agent_author(), text).await
    }

    pub fn cursor(&self, event: &Event) -> String {
        self.cursors.write(&event.conversation.tenant, event.position)
    }
}

impl TestNode {
    /// The value of a counter or gauge, all its labels added.
    pub fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let metrics = families
            .iter()
            .filter(|family| family.name() == name)
            .flat_map(|family| family.get_metric());
        metrics
            .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
            .sum()
    }

    /// How many sockets were closed with this code.
    pub fn closes(&self, code: &str) -> f64 {
        let families = self.registry.gather();
        let closes = families.iter().filter(|family| family.name() == "parlor_socket_closes_total");
        let mut metrics = closes.flat_map(|family| family.get_metric());
        let of_code =
            metrics.find(|metric| metric.get_label().iter().any(|label| label.value() == code));
        of_code.map_or(0.0, |metric| metric.get_counter().get_value())
    }

    /// Waits, within the deadline of every test, until the node says so of itself.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// Stops the node in the order of a process; tells whether every task ended.
    pub async fn stop(self) -> bool {
        self.http_drain.begin();
        self.drain.begin();
        let sessions = self.drain.finished(SOON).await;
        self.feeds_drain.begin();
        sessions && self.feeds_drain.finished(SOON).await
    }
}

pub fn open_log(folder: &Path) -> SqliteLog {
    let settings = SqliteLogSettings {
        max_bytes: 1 << 30,
        max_age: Duration::from_secs(86_400),
        ack_wait: Duration::from_secs(5),
        groups: Vec::new(),
    };
    let metrics = parlor_log::Metrics::new(&Registry::new()).unwrap();
    SqliteLog::open(folder, settings, Clock::system(), None, metrics).unwrap()
}

pub fn socket_settings() -> SocketSettings {
    SocketSettings {
        max: 10_000,
        hello_within: Duration::from_secs(10),
        load_within: Duration::ZERO,
        ping_every: Duration::from_secs(25),
        silence_limit: Duration::from_secs(60),
        write_within: Duration::from_secs(10),
        close_within: Duration::from_secs(3),
        finish_within: Duration::from_secs(15),
        controls_per_second: 50,
        bad_frames: 3,
        hold_for: Duration::from_secs(15),
        outbox_frames: 1_024,
        outbox_bytes: 1 << 20,
        drafts: 32,
        draft_bytes: 256 << 10,
        resume: ResumeSettings {
            page: 100,
            pages: 100,
            parallel: 16,
            page_within: Duration::from_secs(10),
        },
        drain: DrainSettings {
            batch: 500,
            every: Duration::from_millis(50),
            back_after: Duration::from_millis(500),
            back_within: Duration::from_secs(5),
        },
    }
}
