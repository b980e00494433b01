//! A node under test: the door and REST behind the real accept loop, on the real embedded log and
//! store.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use parlor_auth::{
    Agents, CookieSettings, LimitSettings, Limits, Rate, Role, Tenants, VisitorTokens,
};
use parlor_common::{
    clock::{Clock, Timestamp},
    cursor::Cursors,
    door::Door,
    drain::Drain,
    event::Event,
    keys::{InstallationKeys, Secret},
    page_loads::PageLoads,
    position::Position,
    random::Random,
    shard::Shard,
    tenant::TenantId,
};
use parlor_history::History;
use parlor_http::{HttpSettings, serve};
use parlor_ingress::{Deps, DoorParts, DoorSettings, LogDoor, Metrics, RestSettings, router};
use parlor_log::{
    BatchLimit, EventLog, PERSISTER,
    monitor::{Monitor, MonitorMetrics},
    sqlite::{SqliteLog, SqliteLogSettings},
};
use parlor_store::{HistoryStore, SqliteStore};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A clock that stands still until the test moves it.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

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
    /// Stands in for the store.
    pub(crate) store: Option<Arc<dyn HistoryStore>>,
    /// Stands between the node and the log.
    pub(crate) wrap: fn(SqliteLog) -> Arc<dyn EventLog>,
    pub(crate) folders: Arc<Folders>,
}

/// Where log and store are.
pub(crate) struct Folders {
    pub(crate) log: PathBuf,
    pub(crate) store: PathBuf,
    _root: TempDir,
}

type Metric = dyn Fn(&str, Option<&str>) -> f64;

/// A node that runs.
pub(crate) struct Node {
    address: SocketAddr,
    pub(crate) door: Arc<dyn Door>,
    pub(crate) log: SqliteLog,
    pub(crate) store: Arc<dyn HistoryStore>,
    pub(crate) clock: TestClock,
    pub(crate) visitors: VisitorTokens,
    pub(crate) cursors: Cursors,
    pub(crate) page_loads: PageLoads,
    pub(crate) folders: Arc<Folders>,
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

// === impl TestClock ===

impl TestClock {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(Clock::system().now().as_millis())))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.store(self.now().plus(by).as_millis(), Ordering::Relaxed);
    }

    fn ahead(&self, millis: i64) -> Clock {
        let clock = self.clone();
        Clock::new(move || Timestamp::from_millis(clock.now().as_millis() + millis))
    }
}

// === impl Folders ===

impl Folders {
    pub(crate) fn new() -> Arc<Self> {
        let root = tempfile::tempdir().unwrap();
        Arc::new(Self {
            log: root.path().join("log"),
            store: root.path().join("store"),
            _root: root,
        })
    }

    /// The same store, and a log that was lost.
    pub(crate) fn without_log(self: &Arc<Self>) -> Arc<Self> {
        let root = tempfile::tempdir().unwrap();
        Arc::new(Self { log: root.path().join("log"), store: self.store.clone(), _root: root })
    }
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        let plenty = Rate::new(100_000, 100_000);
        let plenty_of_bytes = Rate::new(1_000_000_000, 1_000_000_000);
        Self {
            log: SqliteLogSettings {
                max_bytes: 1 << 30,
                max_age: Duration::from_secs(7 * 86_400),
                ack_wait: Duration::from_secs(5),
                groups: Vec::new(),
            },
            door: DoorSettings {
                in_flight: 2048,
                in_flight_per_tenant: 512,
                append_within: Duration::from_secs(13),
                lookup_within: Duration::from_secs(3),
                retry_after: Duration::from_secs(1),
            },
            rest: RestSettings {
                socket_url: String::new(),
                max_body: 65_536,
                body_stall: Duration::from_secs(15),
                read_within: Duration::from_secs(5),
            },
            limits: LimitSettings {
                visitor_messages: plenty,
                tenant_messages: plenty,
                visitor_bytes: plenty_of_bytes,
                tenant_bytes: plenty_of_bytes,
                address_requests: plenty,
                address_upgrades: plenty,
                keys: 1000,
            },
            clock: TestClock::new(),
            node_ahead_ms: 0,
            tenants: Tenants::development(&keys()),
            store: None,
            wrap: |log| Arc::new(log),
            folders: Folders::new(),
        }
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
        let Setup { log, door, rest, limits, clock, node_ahead_ms, tenants, store, wrap, folders } =
            setup;
        let registry = parlor_common::metrics::registry().unwrap();
        let store = match store {
            Some(store) => store,
            None => {
                let metrics = parlor_store::Metrics::new(&registry).unwrap();
                Arc::new(SqliteStore::open(&folders.store, metrics).await.unwrap())
            }
        };
        let shard = Shard::ONLY;
        // A store that is down knows of no log that was lost; none of the tests has both.
        let seen = store.watermark(shard).await.unwrap_or_default();
        let metrics = parlor_log::Metrics::new(&registry).unwrap();
        let embedded = SqliteLog::open(&folders.log, log, clock.ahead(0), seen, metrics).unwrap();
        let log = wrap(embedded.clone());
        let node_clock = clock.ahead(node_ahead_ms);
        let random = Random::system();
        let monitor = Monitor::start(
            log.clone(),
            node_clock.clone(),
            MonitorMetrics::unregistered().unwrap(),
        )
        .await
        .unwrap();
        let metrics = parlor_history::Metrics::new(&registry).unwrap();
        let store_deadline = Duration::from_secs(2);
        let history =
            History::new(log.clone(), store.clone(), monitor.clone(), store_deadline, metrics);
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
            clock: node_clock.clone(),
            random: random.clone(),
            settings: door,
            metrics: metrics.clone(),
        }));
        let page_loads = PageLoads::new();
        let app = router(Deps {
            door: door.clone(),
            log,
            store: store.clone(),
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
        Self {
            address,
            door,
            log: embedded,
            store,
            clock,
            visitors,
            cursors,
            page_loads,
            folders,
            agents,
            metrics,
            drain,
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it and frees its folders.
    pub(crate) async fn stop(&self) {
        self.drain.begin();
        assert!(self.drain.finished(Duration::from_secs(10)).await);
        self.log.close().await.unwrap();
    }

    /// A node on the same folders, after this one.
    pub(crate) async fn restarted(&self, change: impl FnOnce(&mut Setup)) -> Self {
        self.stop().await;
        let mut setup =
            Setup { folders: self.folders.clone(), clock: self.clock.clone(), ..Setup::default() };
        change(&mut setup);
        Self::of(setup).await
    }

    /// Stores everything that was accepted, as the persister would. The node's monitor learns of it
    /// at its restart.
    #[expect(
        clippy::disallowed_methods,
        reason = "the tests stand in for the persister, where storing has its moment"
    )]
    pub(crate) async fn persist(&self) {
        let shard = Shard::ONLY;
        let mut deliveries = self.log.deliveries(shard, PERSISTER).await.unwrap();
        loop {
            let state = self.log.state(shard).await.unwrap();
            if state.oldest_unpersisted.is_none() {
                return;
            }
            let limit = BatchLimit { count: 1000, bytes: 1 << 24 };
            let taken = deliveries.next(limit, Duration::ZERO).await.unwrap();
            let decode = |entry: &parlor_log::Entry| {
                Event::decode(entry.conversation.clone(), entry.position, entry.record.clone())
                    .unwrap()
            };
            let events: Vec<Event> = taken.iter().map(|delivery| decode(&delivery.entry)).collect();
            self.store.insert(&events).await.unwrap();
            for event in &events {
                self.store.raise_watermark(shard, event.position).await.unwrap();
            }
            deliveries.ack(&taken).await.unwrap();
        }
    }

    /// The last position the log has given.
    pub(crate) async fn end(&self) -> Position {
        self.log.state(Shard::ONLY).await.unwrap().end
    }

    /// A token of an agent of `tenant`.
    pub(crate) fn agent(&self, name: &str, role: Role) -> String {
        let minted = self.agents.mint_development(
            &tenant(name),
            "ann",
            Some("Ann"),
            role,
            Duration::from_secs(600),
        );
        minted.unwrap().0
    }

    /// The sum of a counter's or gauge's children, or of those that have this label's value.
    pub(crate) fn metric(&self, name: &str, label: Option<&str>) -> f64 {
        (self.metrics)(name, label)
    }
}
