//! Feeds: one task for each shard that a session needs, from the log's tail to the hub.

pub(crate) mod facts;
pub(crate) mod hub;
pub(crate) mod item;
mod life;
pub(crate) mod resume;
pub(crate) mod ring;
pub(crate) mod span;

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parlor_common::{
    deadline::in_time,
    drain::Drain,
    planted::{self, Fault},
    position::Position,
    random::Random,
    shard::Shard,
};
use parlor_log::{EventLog, LogError, Start, Tail};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{Instrument, debug, error, info, info_span, warn};

use self::{
    hub::Hub,
    life::{Followers, Life},
};
use crate::{FeedSettings, Metrics};

/// The first and the longest pause before a tail is asked for again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How long the log may take to begin a tail.
const TAIL_WITHIN: Duration = Duration::from_secs(10);
/// How often a tail that brings nothing is asked whether it is still proven.
const PROOF_EVERY: Duration = Duration::from_secs(1);

/// The feeds of a node. Cheap to clone; clones are the same feeds.
#[derive(Clone)]
pub struct Feeds(Arc<Shared>);

struct Shared {
    parts: FeedParts,
    slots: Vec<Slot>,
}

/// One shard's part of the feeds.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    /// The last follower has gone.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    followers: Followers,
    life: Life,
    /// Everything that was acknowledged before this moment has been shown; when the feed began,
    /// where nothing is proven yet.
    proven: Option<Instant>,
    /// That was so long ago that the sessions were sent back, and none is let in.
    stale: bool,
}

/// Keeps a shard followed. Dropping the last one of a shard ends its feed a while later.
pub(crate) struct FeedGuard {
    feeds: Feeds,
    shard: Shard,
}

/// What the feeds of a node are made of.
#[derive(Debug)]
pub struct FeedParts {
    /// Whose tails are read.
    pub log: Arc<dyn EventLog>,
    /// What shows the events.
    pub hub: Arc<Hub>,
    /// Bounds and deadlines.
    pub settings: FeedSettings,
    /// For jitter.
    pub random: Random,
    /// Shared with the hub's.
    pub metrics: Metrics,
    /// Spawns the tasks. The stage must be one that stops after the sockets', which are told to
    /// come back when their feed ends.
    pub drain: Drain,
}

/// A shard is not followed, although sessions need it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedNotWell {
    /// That everything of it was shown has not been proven for too long.
    #[error("shard {shard} has not been proven live for {} s", since.as_secs())]
    Unproven {
        /// Which one.
        shard: Shard,
        /// For how long.
        since: Duration,
    },
    /// Its task has panicked.
    #[error("the feed of shard {shard} has panicked: restart the node")]
    Broken {
        /// Which one.
        shard: Shard,
    },
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
    /// Feeds of which none runs yet.
    pub fn new(parts: FeedParts) -> Self {
        let slots = parts.log.shards().all().map(|_| Slot::default()).collect();
        Self(Arc::new(Shared { parts, slots }))
    }

    /// Whether every shard that sessions need is proven to be live, or was a moment ago.
    ///
    /// # Errors
    /// [`FeedNotWell`] names a shard that has not been proven live for longer than the settings
    /// allow, or whose task has panicked.
    pub fn check(&self) -> Result<(), FeedNotWell> {
        for shard in self.0.log.shards().all() {
            let state = self.slot(shard).lock();
            match state.life {
                Life::Off => {}
                Life::Up | Life::Down(_) => {
                    let since = state.unproven_for();
                    if since > self.0.settings.unwell_after {
                        return Err(FeedNotWell::Unproven { shard, since });
                    }
                }
                Life::Broken => return Err(FeedNotWell::Broken { shard }),
            }
        }
        Ok(())
    }

    /// Keeps `shard` followed as long as the guard lives.
    pub(crate) fn follow(&self, shard: Shard) -> FeedGuard {
        let mut state = self.slot(shard).lock();
        state.followers = state.followers.one_more();
        if let Life::Off = state.life {
            let now = Instant::now();
            (state.life, state.proven, state.stale) = (Life::Down(now), Some(now), false);
            self.0.metrics.feeds.inc();
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
        &self.0.slots[usize::from(shard.number())]
    }
}

impl fmt::Debug for Feeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Feeds").field(&self.0.slots).finish()
    }
}

// === impl Slot ===

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// How long it has been since everything was proven to be shown.
    fn unproven_for(&self) -> Duration {
        self.proven.map_or(Duration::ZERO, |proven| proven.elapsed())
    }
}

// === impl Shared ===

impl Deref for Shared {
    type Target = FeedParts;

    fn deref(&self) -> &FeedParts {
        &self.parts
    }
}

// === impl FeedGuard ===

impl Drop for FeedGuard {
    fn drop(&mut self) {
        let slot = self.feeds.slot(self.shard);
        let mut state = slot.lock();
        state.followers = state.followers.one_less();
        if let Followers::Gone(_) = state.followers {
            slot.changed.notify_one();
        }
    }
}

impl fmt::Debug for FeedGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FeedGuard").field(&self.shard).finish()
    }
}

/// The task of one shard: it reads a tail, and another one after the last position when that ends,
/// until nobody needs the shard.
struct Feed {
    feeds: Feeds,
    shard: Shard,
}

// === impl Feed ===

impl Feed {
    async fn run(self) {
        planted::panic_if(Fault::PanicInFeed);
        tokio::select! {
            // What has come and is proven is seen before it is missed.
            biased;
            () = self.read() => debug!("the shard is no longer followed"),
            () = self.watch() => {}
        }
    }

    async fn read(&self) {
        let mut pause = BACKOFF.0;
        loop {
            let end = match self.tail().await {
                Ok(mut tail) => {
                    pause = BACKOFF.0;
                    self.came_back(tail.after());
                    self.proven(tail.proven());
                    let end = self.pump(tail.as_mut()).await;
                    self.feeds.0.hub.wake_all(self.shard);
                    end
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
    }

    /// Sends the sessions back where the shard can no longer be proven live, whatever the reason: a
    /// session that is shown nothing cannot tell a silence from an outage. Never ends.
    async fn watch(&self) {
        loop {
            let left = self.stale_in();
            sleep(if left.is_zero() { PROOF_EVERY } else { left }).await;
        }
    }

    /// In how long the shard is stale, unless it is proven live until then; nothing where it is.
    fn stale_in(&self) -> Duration {
        let FeedParts { hub, settings, metrics, .. } = &self.feeds.0.parts;
        let mut state = self.feeds.slot(self.shard).lock();
        let left = settings.stale_after.saturating_sub(state.unproven_for());
        if left.is_zero() && !std::mem::replace(&mut state.stale, true) {
            metrics.feed_stale.inc();
            warn!("the shard cannot be proven live any more: its sessions come back");
            hub.stale(self.shard);
        }
        left
    }

    /// Notes up to when the tail is proven to have brought everything; a shard that was stale lets
    /// sessions in again.
    fn proven(&self, at: Option<Instant>) {
        let FeedParts { hub, settings, .. } = &self.feeds.0.parts;
        let mut state = self.feeds.slot(self.shard).lock();
        state.proven = state.proven.max(at);
        if state.stale && state.unproven_for() < settings.stale_after {
            state.stale = false;
            info!("the shard is proven live again");
            hub.fresh(self.shard);
        }
    }

    /// A tail after the hub's last position, or from the end where the hub has none.
    async fn tail(&self) -> Result<Box<dyn Tail>, TailEnd> {
        let FeedParts { log, hub, drain, .. } = &self.feeds.0.parts;
        let start = hub.end(self.shard).map_or(Start::End, Start::After);
        let tail = tokio::select! {
            () = drain.draining() => return Err(TailEnd::Stop),
            tail = in_time(TAIL_WITHIN, LogError::Unavailable, log.tail(self.shard, start)) => tail,
        };
        tail.map_err(TailEnd::Failed)
    }

    async fn pump(&self, tail: &mut dyn Tail) -> TailEnd {
        let FeedParts { hub, settings, drain, .. } = &self.feeds.0.parts;
        let slot = self.feeds.slot(self.shard);
        let look_every = PROOF_EVERY.min(settings.unwell_after / 4);
        loop {
            self.proven(tail.proven());
            let next_crowd = hub.wake(self.shard);
            let gone_since = slot.lock().followers.gone_since();
            let linger = async {
                match gone_since {
                    Some(since) => sleep_until(since + settings.linger).await,
                    None => std::future::pending().await,
                }
            };
            let crowd = async {
                match next_crowd {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What may end the tail is seen first, however busy the shard is; and who comes and
                // goes is counted before the shard is let go of.
                biased;
                () = drain.draining() => return TailEnd::Stop,
                () = slot.changed.notified() => {}
                () = linger => return TailEnd::Stop,
                entry = tail.next() => match entry {
                    Ok(entry) => hub.publish(self.shard, entry),
                    Err(error) => return TailEnd::Failed(error),
                },
                () = crowd => {}
                () = sleep(look_every) => {}
            }
        }
    }

    fn came_back(&self, after: Position) {
        let FeedParts { hub, .. } = &self.feeds.0.parts;
        let life = std::mem::replace(&mut self.feeds.slot(self.shard).lock().life, Life::Up);
        hub.begin(self.shard, after);
        let without = life.down_since().map_or(Duration::ZERO, |since| since.elapsed());
        info!(sequence = after.sequence(), duration_ms = millis(without), "the shard is followed");
    }

    fn failed(&self, error: &LogError) {
        let FeedParts { hub, metrics, .. } = &self.feeds.0.parts;
        metrics.feed_failures.inc();
        let mut state = self.feeds.slot(self.shard).lock();
        let first = state.life.down_since().is_none();
        if first {
            state.life = Life::Down(Instant::now());
        }
        drop(state);
        if first {
            warn!(%error, "the shard's tail ended: asking for another one");
        }
        if matches!(error, LogError::Rejected(_)) {
            metrics.feed_holes.inc();
            warn!(%error, "the tail cannot go on without a hole: the shard's sessions come back");
            hub.lost(self.shard);
        }
    }

    async fn pause(&self, pause: Duration) {
        let FeedParts { random, drain, .. } = &self.feeds.0.parts;
        let jitter = Duration::from_millis(random.below(millis(pause) / 2));
        tokio::select! {
            () = sleep(pause + jitter) => {}
            () = drain.draining() => {}
        }
    }

    /// Ends the feed where nobody has needed it for a while, or the node stops.
    fn stopped(&self) -> bool {
        let FeedParts { settings, drain, .. } = &self.feeds.0.parts;
        let mut state = self.feeds.slot(self.shard).lock();
        let gone_since = state.followers.gone_since();
        let stops = drain.is_draining()
            || gone_since.is_some_and(|since| since.elapsed() >= settings.linger);
        if stops {
            self.end(&mut state, Life::Off);
        }
        stops
    }

    /// Lets go of the shard, under the slot's lock, so that a feed that starts now begins after
    /// this one has let go.
    fn end(&self, state: &mut State, life: Life) {
        let FeedParts { hub, metrics, .. } = &self.feeds.0.parts;
        state.life = life;
        metrics.feeds.dec();
        hub.lost(self.shard);
    }
}

impl Drop for Feed {
    /// A task that panicked must not leave its shard silent. Its sessions are told to come back, to
    /// another node, since this one is not ready any more.
    fn drop(&mut self) {
        let mut state = self.feeds.slot(self.shard).lock();
        if let Life::Down(_) | Life::Up = state.life
            && std::thread::panicking()
        {
            error!("the feed has panicked: the shard's sessions come back");
            self.end(&mut state, Life::Broken);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
