//! A node under test: the door and REST behind the real accept loop, on the real embedded log and
//! store.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parlor_auth::{
    Agents, CookieSettings, LimitSettings, Limits, Rate, Role, Tenants, VisitorTokens,
};
use parlor_common::{
    cursor::Cursors,
    door::Door,
    drain::Drain,
    keys::{InstallationKeys, Secret},
    position::Position,
    random::Random,
    tenant::TenantId,
};
use parlor_http::page_loads::PageLoads;
use parlor_http::{HttpSettings, serve};
use parlor_ingress::{Deps, DoorParts, DoorSettings, LogDoor, Metrics, RestSettings, router};
use parlor_log::{
    EventLog,
    sqlite::{SqliteLog, SqliteLogSettings},
};
use parlor_testbed::{
    clock::TestClock,
    defaults,
    faulty::store::StoreFault,
    installation::{self, Folders, Installation},
};
use tokio::net::TcpListener;

/// How a node is built; a test changes what it is about.
pub(crate) struct Setup {
    pub(crate) log: SqliteLogSettings,
    pub(crate) door: DoorSettings,
    pub(crate) rest: RestSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) clock: TestClock,
    /// How far the node's clock is ahead of the log's.
    pub(crate) node_ahead_ms: i64,
    pub(crate) tenants: Tenants,
    pub(crate) store_fault: StoreFault,
    /// Stands between the node and the log.
    pub(crate) wrap: fn(SqliteLog) -> Arc<dyn EventLog>,
    pub(crate) folders: Arc<Folders>,
}

type Metric = dyn Fn(&str, Option<&str>) -> f64;

/// A node that runs.
pub(crate) struct Node {
    address: SocketAddr,
    pub(crate) door: Arc<dyn Door>,
    pub(crate) at: Installation,
    pub(crate) clock: TestClock,
    pub(crate) visitors: VisitorTokens,
    pub(crate) cursors: Cursors,
    pub(crate) page_loads: PageLoads,
    agents: Agents,
    metrics: Box<Metric>,
    drain: Drain,
}

pub(crate) fn keys() -> InstallationKeys {
    InstallationKeys::new(Secret::new(vec![7; 32]).unwrap(), None)
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        let plenty = Rate::new(100_000, 100_000);
        let plenty_of_bytes = Rate::new(1_000_000_000, 1_000_000_000);
        Self {
            log: defaults::section("embedded.log"),
            door: defaults::section("door"),
            rest: defaults::section("rest"),
            limits: LimitSettings {
                visitor_messages: plenty,
                tenant_messages: plenty,
                visitor_bytes: plenty_of_bytes,
                tenant_bytes: plenty_of_bytes,
                address_requests: plenty,
                address_upgrades: plenty,
                keys: 1000,
            },
            clock: TestClock::default(),
            node_ahead_ms: 0,
            tenants: Tenants::development(&keys()),
            store_fault: StoreFault::None,
            wrap: |log| Arc::new(log),
            folders: Folders::new(),
        }
    }
}

impl From<&Node> for SocketAddr {
    fn from(node: &Node) -> Self {
        node.address
    }
}

// === impl Node ===

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup::default();
        change(&mut setup);
        Self::of(setup).await
    }

    pub(crate) async fn of(setup: Setup) -> Self {
        let Setup {
            log,
            door,
            rest,
            limits,
            clock,
            node_ahead_ms,
            tenants,
            store_fault,
            wrap,
            folders,
        } = setup;
        let registry = parlor_common::metrics::registry().unwrap();
        let at = Installation::open(installation::Setup {
            log,
            clock: clock.clock(),
            folders,
            store_fault,
            registry: registry.clone(),
        })
        .await;
        let log = wrap(at.log.clone());
        let node_clock = clock.ahead(node_ahead_ms);
        let random = Random::system();
        let monitor = installation::monitor(log.clone(), node_clock).await;
        let node_clock = monitor.clock();
        let store_deadline = Duration::from_secs(2);
        let history = installation::history(
            log.clone(),
            at.store.clone(),
            monitor.clone(),
            store_deadline,
            &registry,
        );
        let limits = Limits::new(limits, tenants.clone(), node_clock.clone());
        let metrics = Metrics::new(&registry).unwrap();
        let cookies = CookieSettings { secure: true, max_age: Duration::from_secs(86_400) };
        let visitors = VisitorTokens::new(&keys(), node_clock.clone(), random.clone(), cookies);
        let agents = Agents::new(tenants.clone(), node_clock.clone());
        let cursors = Cursors::new(&keys());
        let door = Arc::new(LogDoor::new(DoorParts {
            log: log.clone(),
            history: history.clone(),
            monitor: monitor.clone(),
            limits: limits.clone(),
            random: random.clone(),
            settings: door,
            metrics: metrics.clone(),
        }));
        let page_loads = PageLoads::new();
        let app = router(Deps {
            door: door.clone(),
            log,
            history,
            monitor,
            tenants,
            visitors: visitors.clone(),
            page_loads: page_loads.clone(),
            agents: agents.clone(),
            limits,
            cursors: cursors.clone(),
            clock: node_clock,
            random: random.clone(),
            settings: rest,
            metrics,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let drain = Drain::new();
        let metrics = parlor_http::Metrics::new(&registry).unwrap();
        drain.spawn(serve(listener, app, HttpSettings::default(), random, metrics, drain.clone()));
        let metrics = Box::new(move |name: &str, label: Option<&str>| {
            let families = registry.gather();
            let family =
                families.iter().find(|family| family.name() == name).expect("the metric is there");
            let metrics = family.get_metric().iter().filter(|metric| {
                label
                    .is_none_or(|label| metric.get_label().iter().any(|pair| pair.value() == label))
            });
            metrics
                .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
                .sum()
        });
        Self { address, door, at, clock, visitors, cursors, page_loads, agents, metrics, drain }
    }

    /// Ends it and frees its folders.
    pub(crate) async fn stop(&self) {
        self.drain.begin();
        assert!(self.drain.finished(Duration::from_secs(10)).await);
        self.at.log.close().await.unwrap();
    }

    /// A node on the same folders, after this one.
    pub(crate) async fn restarted(&self, change: impl FnOnce(&mut Setup)) -> Self {
        self.stop().await;
        let mut setup = Setup {
            folders: self.at.folders.clone(),
            clock: self.clock.clone(),
            ..Setup::default()
        };
        change(&mut setup);
        Self::of(setup).await
    }

    /// Stores everything that was accepted, as the persister would. The node's monitor learns of it
    /// at its restart.
    pub(crate) async fn persist(&self) {
        self.at.persist(usize::MAX).await;
    }

    /// The last position the log has given.
    pub(crate) async fn end(&self) -> Position {
        self.at.end().await
    }

    /// A token of an agent of `tenant`.
    pub(crate) fn agent(&self, name: &str, role: Role) -> String {
        self.token(name, "ann", Some("Ann"), role)
    }

    /// A token of the agent of `tenant` with this id.
    pub(crate) fn agent_named(&self, name: &str, id: &str) -> String {
        self.token(name, id, None, Role::Agent)
    }

    fn token(&self, name: &str, id: &str, shown: Option<&str>, role: Role) -> String {
        let life = Duration::from_secs(600);
        self.agents.mint_development(&tenant(name), id, shown, role, life).unwrap().0
    }

    /// The cursor of the last position that the log has given.
    pub(crate) async fn cursor(&self, name: &str) -> String {
        self.cursors.write(&tenant(name), self.end().await)
    }

    /// The sum of a counter's or gauge's children, or of those that have this label's value.
    pub(crate) fn metric(&self, name: &str, label: Option<&str>) -> f64 {
        (self.metrics)(name, label)
    }
}
