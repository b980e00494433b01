//! What the sockets of a node share, and how many there are.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parlor_auth::{Limits, Tenants};
use parlor_common::{clock::Clock, cursor::Cursors, door::Door, drain::Drain, random::Random};
use parlor_history::History;
use parlor_http::page_loads::PageLoads;
use tokio::sync::Semaphore;

use crate::{Feeds, Hub, Metrics, SocketSettings, Switchboard, session::pace::Pace};

/// What a node's sockets need; the composition makes it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Who is shown what.
    pub hub: Arc<Hub>,
    /// What brings the hub its events.
    pub feeds: Feeds,
    /// What a resume reads.
    pub history: History,
    /// Reads and writes cursors with the installation's keys.
    pub cursors: Cursors,
    /// The registry of tenants, for their origins.
    pub tenants: Tenants,
    /// The limits of upgrades.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
    /// Makes session ids, jitter, and ids of drafts that came without one.
    pub random: Random,
    /// Tells which pages have been loaded from this node.
    pub page_loads: PageLoads,
    /// Passes signals between sessions; without it there are none.
    pub signals: Option<Switchboard>,
    /// Bounds and deadlines.
    pub settings: SocketSettings,
    /// Shared with the hub's.
    pub metrics: Metrics,
    /// The sessions' stage; the feeds' stage comes after it.
    pub drain: Drain,
}

/// What the sockets of one kind share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) parts: Parts,
    /// Where drafts go; agents' sockets have none.
    pub(crate) door: Option<Arc<dyn Door>>,
    /// Limits how many pages are read at once.
    pub(crate) pages: Semaphore,
    /// When each of many sockets is told to come back.
    pub(crate) pace: Pace,
    open: AtomicUsize,
}

/// Counts as one of the open sockets until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenSocket(Arc<Node>);

// === impl Node ===

impl Node {
    pub(crate) fn new(parts: Parts, door: Option<Arc<dyn Door>>) -> Arc<Self> {
        let pages = Semaphore::new(parts.settings.resume.parallel);
        let pace = Pace::new(&parts.settings.drain);
        Arc::new(Self { parts, door, pages, pace, open: AtomicUsize::new(0) })
    }

    /// Counts one more socket; `None` where there are as many as the settings allow.
    pub(crate) fn one_more(self: &Arc<Self>) -> Option<OpenSocket> {
        let below_bound = |open: usize| (open < self.settings.max).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, below_bound).ok()?;
        Some(OpenSocket(self.clone()))
    }

    /// How many sockets are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How long a client that is told to leave should wait before it comes back: anywhere between
    /// the two bounds.
    pub(crate) fn back_after(&self) -> Duration {
        let (least, most) = (self.settings.drain.back_after, self.settings.drain.back_within);
        let spread = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
        least + Duration::from_millis(self.random.below(spread.saturating_add(1)))
    }
}

impl Deref for Node {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
