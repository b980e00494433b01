//! A world: one log, one store and one set of keys, and nodes over them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

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
    random::Random,
    tenant::TenantId,
};
pub use parlor_fanout::SocketSettings;
use parlor_fanout::{
    FeedParts, FeedSettings, Feeds, Hub, Metrics, Parts, SignalSettings, Sockets, Switchboard,
    SwitchboardParts,
};
use parlor_http::page_loads::PageLoads;
use parlor_http::{self as http, HttpSettings};
use parlor_log::{EventLog, monitor::Monitor};
use parlor_signals::{LocalSignals, Signals};
use parlor_testbed::{
    clock::TestClock,
    defaults,
    faulty::log::FaultyLog,
    installation::{self, Installation, Setup},
};
use tokio::net::TcpListener;

use super::door::TestDoor;

/// How long a test waits for what must come.
pub const SOON: Duration = Duration::from_secs(10);

/// A page of the tenants' own machine.
pub use parlor_testbed::client::http::ORIGIN;

pub struct World {
    /// What the nodes follow: the installation's, or what stands before it.
    pub log: Arc<dyn EventLog>,
    pub at: Installation,
    pub monitor: Monitor,
    pub tenants: Tenants,
    pub tokens: VisitorTokens,
    pub agents: Agents,
    pub cursors: Cursors,
    /// The way in that is not a socket.
    pub door: Arc<TestDoor>,
    /// What the nodes hear each other by.
    pub signals: LocalSignals,
}

/// What a node is made of, to be changed by a test.
pub struct Plan {
    pub sockets: SocketSettings,
    pub feed: FeedSettings,
    pub limits: LimitSettings,
    pub log: Arc<dyn EventLog>,
    pub door: Arc<TestDoor>,
    pub tenants: Tenants,
    pub signals: SignalSettings,
}

#[derive(Debug)]
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

impl From<&TestNode> for SocketAddr {
    fn from(node: &TestNode) -> Self {
        node.address
    }
}

pub fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub fn agent_author() -> Author {
    Author { kind: AuthorKind::Agent, id: "ann".to_owned(), name: Some("Ann".to_owned()) }
}

impl World {
    pub async fn new() -> Self {
        let at = Installation::open(Setup::default()).await;
        Self::over(Arc::new(at.log.clone()), at).await
    }

    /// A world whose log has a clock that the test moves.
    pub async fn by(clock: &TestClock) -> Self {
        let at = Installation::open(Setup::by(clock)).await;
        Self::over(Arc::new(at.log.clone()), at).await
    }

    /// A world whose log can be told to fail.
    pub async fn faulty() -> (Self, Arc<FaultyLog>) {
        let at = Installation::open(Setup::default()).await;
        let log = Arc::new(FaultyLog::over(Arc::new(at.log.clone())));
        (Self::over(log.clone(), at).await, log)
    }

    async fn over(log: Arc<dyn EventLog>, at: Installation) -> Self {
        let monitor = installation::monitor(log.clone(), Clock::system()).await;
        let keys = InstallationKeys::new(Secret::new(vec![7; 32]).unwrap(), None);
        let tenants = Tenants::development(&keys);
        Self {
            monitor,
            tokens: VisitorTokens::new(
                &keys,
                Clock::system(),
                Random::system(),
                CookieSettings::default(),
            ),
            agents: Agents::new(tenants.clone(), Clock::system()),
            cursors: Cursors::new(&keys),
            door: TestDoor::open(log.clone()),
            signals: LocalSignals::new(
                log.shards(),
                Clock::system(),
                parlor_signals::Metrics::unregistered(),
            ),
            tenants,
            log,
            at,
        }
    }

    pub fn plan(&self) -> Plan {
        Plan {
            sockets: socket_settings(),
            feed: FeedSettings { ring_events: 1_000, ..defaults::section("feed") },
            limits: LimitSettings::default(),
            log: self.log.clone(),
            door: self.door.clone(),
            tenants: self.tenants.clone(),
            signals: defaults::section("signals"),
        }
    }

    pub async fn node(&self) -> TestNode {
        self.node_with(self.plan()).await
    }

    pub async fn node_with(&self, plan: Plan) -> TestNode {
        let registry = Registry::new();
        let metrics = parlor_signals::Metrics::new(&registry).unwrap();
        let signals = Arc::new(self.signals.also_by(Clock::system(), metrics.clone()));
        self.node_over(plan, signals, registry, metrics).await
    }

    /// A node that hears others by these signals.
    pub async fn node_over(
        &self,
        plan: Plan,
        signals: Arc<dyn Signals>,
        registry: Registry,
        of_signals: parlor_signals::Metrics,
    ) -> TestNode {
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
        let signals = Switchboard::new(SwitchboardParts {
            signals,
            shards: plan.log.shards(),
            settings: plan.signals,
            random: Random::system(),
            metrics: of_signals,
            drain: feeds_drain.clone(),
        });
        let history = installation::history(
            plan.log.clone(),
            self.at.store.clone(),
            self.monitor.clone(),
            Duration::from_secs(2),
            &registry,
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
            signals: Some(signals),
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
    /// What the browser of this visitor sends.
    pub fn cookie_of(&self, token: &VisitorToken) -> String {
        let cookie = self.tokens.set_cookie(token);
        cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
    }

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
        self.metric_of("parlor_socket_closes_total", code)
    }

    /// The value of the counter of this name that has this label; 0 where there is none.
    pub fn metric_of(&self, name: &str, label: &str) -> f64 {
        let families = self.registry.gather();
        let families = families.iter().filter(|family| family.name() == name);
        let mut metrics = families.flat_map(|family| family.get_metric());
        let labelled =
            metrics.find(|metric| metric.get_label().iter().any(|other| other.value() == label));
        labelled.map_or(0.0, |metric| metric.get_counter().get_value())
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

/// The shipped ones, with fewer bad frames until a socket is closed.
pub fn socket_settings() -> SocketSettings {
    SocketSettings { bad_frames: 3, load_within: Duration::ZERO, ..defaults::section("sockets") }
}
