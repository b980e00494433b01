//! The embedded log and store of one installation, with the shipped defaults, in folders of its
//! own; and what the processes of a real one do with them.

#![expect(clippy::unwrap_used, reason = "a test ends where log or store do not open")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use parlor_common::{
    clock::Clock, event::Event, metrics::Registry, position::Position, shard::Shard,
};
use parlor_history::History;
use parlor_log::{
    BatchLimit, EventLog, PERSISTER,
    monitor::{Monitor, MonitorMetrics},
    sqlite::{SqliteLog, SqliteLogSettings},
};
use parlor_store::{HistoryStore, SqliteStore};
use tempfile::TempDir;

use crate::{
    clock::TestClock,
    defaults,
    faulty::store::{FaultyStore, StoreFault},
    planted,
};

/// A log and a store that belong together.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Where messages are accepted.
    pub log: SqliteLog,
    /// Where they are kept, behind a switch.
    pub store: Arc<FaultyStore>,
    /// Where both are.
    pub folders: Arc<Folders>,
}

/// How an installation is opened; a test changes what it is about.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `embedded.log` of the defaults.
    pub log: SqliteLogSettings,
    /// The log's clock.
    pub clock: Clock,
    /// New ones, unless it is opened again.
    pub folders: Arc<Folders>,
    /// What is wrong with the store from the start.
    pub store_fault: StoreFault,
    /// Where log and store register their metrics.
    pub registry: Registry,
}

/// Where log and store are.
#[derive(Debug)]
pub struct Folders {
    /// The log's.
    pub log: PathBuf,
    /// The store's.
    pub store: PathBuf,
    /// Removed when nobody needs them any more.
    roots: Vec<Arc<TempDir>>,
}

// === impl Folders ===

impl Folders {
    /// Empty ones.
    pub fn new() -> Arc<Self> {
        let root = TempDir::new().unwrap();
        let (log, store) = (root.path().join("log"), root.path().join("store"));
        Arc::new(Self { log, store, roots: vec![Arc::new(root)] })
    }

    /// The same store, and a log that was lost.
    #[must_use]
    pub fn without_log(&self) -> Arc<Self> {
        let root = TempDir::new().unwrap();
        let (log, store) = (root.path().join("log"), self.store.clone());
        let mut roots = self.roots.clone();
        roots.push(Arc::new(root));
        Arc::new(Self { log, store, roots })
    }
}

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        Self {
            log: defaults::section("embedded.log"),
            clock: Clock::system(),
            folders: Folders::new(),
            store_fault: StoreFault::None,
            registry: Registry::new(),
        }
    }
}

impl Setup {
    /// By a clock that the test moves.
    pub fn by(clock: &TestClock) -> Self {
        Self { clock: clock.clock(), ..Self::default() }
    }
}

// === impl Installation ===

impl Installation {
    /// Opens both as a node does: the store tells the log what it has seen.
    pub async fn open(setup: Setup) -> Self {
        planted::begin();
        let Setup { log, clock, folders, store_fault, registry } = setup;
        let metrics = parlor_store::Metrics::new(&registry).unwrap();
        let store = Arc::new(SqliteStore::open(&folders.store, metrics).await.unwrap());
        let store = FaultyStore::over(store, store_fault);
        // A store that is down knows of no log that was lost; no test has both.
        let seen = store.watermark(Shard::ONLY).await.unwrap_or_default();
        let metrics = parlor_log::Metrics::new(&registry).unwrap();
        let log = SqliteLog::open(&folders.log, log, clock, seen, metrics).unwrap();
        Self { log, store, folders }
    }

    /// How the log stands just now.
    pub async fn monitor(&self, clock: Clock) -> Monitor {
        monitor(Arc::new(self.log.clone()), clock).await
    }

    /// Stores and acknowledges the next `count` events, as the persister would; fewer where there
    /// are no more. Tells how many there were.
    #[expect(
        clippy::disallowed_methods,
        reason = "it stands in for the persister, so that a test says when storing has its moment"
    )]
    pub async fn persist(&self, count: usize) -> usize {
        let mut deliveries = self.log.deliveries(Shard::ONLY, PERSISTER).await.unwrap();
        let mut stored = 0;
        while stored < count {
            let limit = BatchLimit { count: (count - stored).min(1000), bytes: 1 << 24 };
            let taken = deliveries.next(limit, Duration::ZERO).await.unwrap();
            let Some(last) = taken.last() else { break };
            self.store.raise_watermark(Shard::ONLY, last.entry.position).await.unwrap();
            let events: Vec<Event> = taken
                .iter()
                .map(|delivery| {
                    let entry = delivery.entry.clone();
                    Event::decode(entry.conversation, entry.position, entry.record).unwrap()
                })
                .collect();
            self.store.insert(&events).await.unwrap();
            deliveries.ack(&taken).await.unwrap();
            stored += taken.len();
        }
        stored
    }

    /// The last position that the log has given.
    pub async fn end(&self) -> Position {
        self.log.state(Shard::ONLY).await.unwrap().end
    }
}

/// How a log stands just now.
pub async fn monitor(log: Arc<dyn EventLog>, clock: Clock) -> Monitor {
    Monitor::start(log, clock, MonitorMetrics::unregistered().unwrap()).await.unwrap()
}

/// What reads a log and a store as one, and waits for the store for so long.
pub fn history(
    log: Arc<dyn EventLog>,
    store: Arc<dyn HistoryStore>,
    monitor: Monitor,
    store_deadline: Duration,
    registry: &Registry,
) -> History {
    let metrics = parlor_history::Metrics::new(registry).unwrap();
    History::new(log, store, monitor, store_deadline, metrics)
}
