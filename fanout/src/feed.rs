//! Feeds: one task for each shard that a session needs, from the log's tail to the hub.

pub(crate) mod facts;
pub(crate) mod hub;
pub(crate) mod item;
pub(crate) mod resume;
pub(crate) mod ring;
pub(crate) mod span;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parlor_common::{drain::Drain, position::Position, random::Random, shard::Shard};
use parlor_log::{EventLog, LogError, Start, Tail};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{Instrument, debug, info, info_span, warn};

use self::hub::Hub;
use crate::{FeedSettings, Metrics};

/// The first and the longest pause before a tail is asked for again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How long the log may take to begin a tail.
const TAIL_WITHIN: Duration = Duration::from_secs(10);

/// The feeds of a node. Cheap to clone; clones are the same feeds.
#[derive(Clone)]
pub struct Feeds(Arc<Shared>);

struct Shared {
    log: Arc<dyn EventLog>,
    hub: Arc<Hub>,
    settings: FeedSettings,
    random: Random,
    metrics: Metrics,
    drain: Drain,
    shards: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    /// A first follower came, or the last one went.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    followers: usize,
    running: bool,
    /// Since when there has been nobody to follow for.
    idle_since: Option<Instant>,
    /// Since when a running feed has had no tail.
    down_since: Option<Instant>,
}

/// Keeps a shard followed. Dropping the last one of a shard ends its feed a while later.
pub(crate) struct FeedGuard {
    feeds: Feeds,
    shard: Shard,
}

/// A shard has been without a tail for too long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shard {shard} has not been followed for {} s", without.as_secs())]
pub struct FeedNotWell {
    shard: Shard,
    without: Duration,
}

/// Why a tail ended.
enum TailEnd {
    /// Nobody needs the shard any more, or the node stops.
    Stop,
    /// The log failed.
    Failed(LogError),
}

// === impl Feeds ===

impl Feeds {
    /// Feeds that spawn their tasks through `drain`; none runs yet. The stage must be one that
    /// stops after the sockets', which are told to come back when their feed ends.
    pub fn new(
        log: Arc<dyn EventLog>,
        hub: Arc<Hub>,
        settings: FeedSettings,
        random: Random,
        metrics: Metrics,
        drain: Drain,
    ) -> Self {
        let shards = log.shards().all().map(|_| Slot::default()).collect();
        Self(Arc::new(Shared { log, hub, settings, random, metrics, drain, shards }))
    }

    /// Whether every shard that sessions need is followed, or has been without a tail only for a
    /// moment.
    ///
    /// # Errors
    /// [`FeedNotWell`] names a shard that has been without one for longer than the settings allow.
    pub fn check(&self) -> Result<(), FeedNotWell> {
        for shard in self.0.log.shards().all() {
            let without =
                self.slot(shard).lock().down_since.map_or(Duration::ZERO, |since| since.elapsed());
            if without > self.0.settings.unwell_after {
                return Err(FeedNotWell { shard, without });
            }
        }
        Ok(())
    }

    /// Keeps `shard` followed as long as the guard lives.
    pub(crate) fn follow(&self, shard: Shard) -> FeedGuard {
        let slot = self.slot(shard);
        let mut state = slot.lock();
        state.followers += 1;
        state.idle_since = None;
        if !state.running {
            state.running = true;
            state.down_since = Some(Instant::now());
            let feed = Feed { feeds: self.clone(), shard };
            self.0.drain.spawn(feed.run().instrument(info_span!(parent: None, "feed", %shard)));
        }
        drop(state);
        FeedGuard { feeds: self.clone(), shard }
    }

    /// Waits until `shard` is followed, for as long as the settings allow; tells whether it is.
    /// Cancel safe.
    pub(crate) async fn live(&self, shard: Shard) -> bool {
        timeout(self.0.settings.live_within, self.0.hub.live(shard)).await.is_ok()
    }

    fn slot(&self, shard: Shard) -> &Slot {
        &self.0.shards[usize::from(shard.number())]
    }
}

impl fmt::Debug for Feeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Feeds").field(&self.0.shards).finish()
    }
}

// === impl Slot ===

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl FeedGuard ===

impl Drop for FeedGuard {
    fn drop(&mut self) {
        let slot = self.feeds.slot(self.shard);
        let mut state = slot.lock();
        state.followers -= 1;
        if state.followers == 0 {
            state.idle_since = Some(Instant::now());
            slot.changed.notify_one();
        }
    }
}

impl fmt::Debug for FeedGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FeedGuard").field(&self.shard).finish()
    }
}

/// The task of one shard: tail, and again from the last position when that ends; until nobody needs
/// it.
struct Feed {
    feeds: Feeds,
    shard: Shard,
}

// === impl Feed ===

impl Feed {
    async fn run(self) {
        let Shared { metrics, .. } = &*self.feeds.0;
        metrics.feeds.inc();
        let mut pause = BACKOFF.0;
        loop {
            let end = match self.tail().await {
                Ok(mut tail) => {
                    pause = BACKOFF.0;
                    self.came_back(tail.after());
                    self.pump(tail.as_mut()).await
                }
                Err(end) => end,
            };
            if let TailEnd::Failed(error) = end {
                self.failed(&error);
                self.pause(pause).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
            if self.stopped() {
                break;
            }
        }
        metrics.feeds.dec();
        debug!("the shard is no longer followed");
    }

    /// A tail after the hub's last position, or from the end where the hub has none.
    async fn tail(&self) -> Result<Box<dyn Tail>, TailEnd> {
        let Shared { log, hub, drain, .. } = &*self.feeds.0;
        let start = hub.end(self.shard).map_or(Start::End, Start::After);
        let tail = tokio::select! {
            () = drain.draining() => return Err(TailEnd::Stop),
            tail = timeout(TAIL_WITHIN, log.tail(self.shard, start)) => tail,
        };
        match tail {
            Ok(tail) => tail.map_err(TailEnd::Failed),
            Err(_) => Err(TailEnd::Failed(LogError::Unavailable("no tail in time".to_owned()))),
        }
    }

    async fn pump(&self, tail: &mut dyn Tail) -> TailEnd {
        let Shared { hub, settings, drain, .. } = &*self.feeds.0;
        let slot = self.feeds.slot(self.shard);
        loop {
            let idle_since = slot.lock().idle_since;
            let linger = async {
                match idle_since {
                    Some(since) => sleep_until(since + settings.linger).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                entry = tail.next() => match entry {
                    Ok(entry) => hub.publish(self.shard, entry),
                    Err(error) => return TailEnd::Failed(error),
                },
                () = slot.changed.notified() => {}
                () = linger => return TailEnd::Stop,
                () = drain.draining() => return TailEnd::Stop,
            }
        }
    }

    fn came_back(&self, after: Position) {
        let Shared { hub, .. } = &*self.feeds.0;
        let down_since = self.feeds.slot(self.shard).lock().down_since.take();
        hub.begin(self.shard, after);
        let without = down_since.map_or(Duration::ZERO, |since| since.elapsed());
        info!(sequence = after.sequence(), duration_ms = millis(without), "the shard is followed");
    }

    fn failed(&self, error: &LogError) {
        let Shared { hub, metrics, .. } = &*self.feeds.0;
        metrics.feed_failures.inc();
        let mut state = self.feeds.slot(self.shard).lock();
        let first = state.down_since.is_none();
        state.down_since.get_or_insert_with(Instant::now);
        drop(state);
        if first {
            warn!(%error, "the shard's tail ended: asking for another one");
        }
        if matches!(error, LogError::Rejected(_)) {
            metrics.feed_holes.inc();
            warn!(%error, "the tail cannot be continued without a hole: the shard's sessions come back");
            hub.lost(self.shard);
        }
    }

    async fn pause(&self, pause: Duration) {
        let Shared { random, drain, .. } = &*self.feeds.0;
        let jitter = Duration::from_millis(random.below(millis(pause) / 2));
        tokio::select! {
            () = sleep(pause + jitter) => {}
            () = drain.draining() => {}
        }
    }

    /// Ends the feed where nobody has needed it for a while, or the node stops.
    fn stopped(&self) -> bool {
        let Shared { hub, settings, drain, .. } = &*self.feeds.0;
        let mut state = self.feeds.slot(self.shard).lock();
        let idle = state.idle_since.is_some_and(|since| since.elapsed() >= settings.linger);
        if drain.is_draining() || idle {
            state.running = false;
            state.down_since = None;
            // Under the slot's lock, so that a feed that starts now begins after this one has let
            // go.
            hub.lost(self.shard);
        }
        !state.running
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
