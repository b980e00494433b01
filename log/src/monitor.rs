//! The monitor: samples every shard on a timer, so that a persisted position and a verdict on
//! pressure and clocks are at hand without asking.

mod metrics;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures_util::future::{join_all, try_join_all};
use parlor_common::{
    clock::{Clock, Timestamp},
    drain::Drain,
    planted::{self, Fault},
    position::{Epoch, Position},
    shard::Shard,
};
use tokio::time::Instant;
use tracing::warn;

pub use self::metrics::MonitorMetrics;
use crate::{EventLog, ShardState};

/// How far the node's clock may be from the log's before the node distrusts itself.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5);

/// How long the log may answer for no shard before a node is not ready: as long as an append is
/// tried. An election of the NATS cluster's leader silences every shard for every node, for 5 to 9
/// s as a rule: were they all not ready at once, a balancer would have none left, and refuse what
/// the door would have accepted a moment later.
pub const MAX_SILENCE: Duration = Duration::from_secs(12);

/// What the last samples told. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Monitor {
    log: Arc<dyn EventLog>,
    clock: Clock,
    samples: Arc<RwLock<HashMap<Shard, Sample>>>,
    metrics: MonitorMetrics,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    state: ShardState,
    taken: Timestamp,
    answered_at: Instant,
    standing: Standing,
    /// The node's clock less the log's, in milliseconds.
    skew_ms: i64,
}

/// What the last try to renew a sample came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Answered,
    /// Nobody answered, as in an election.
    Silent,
    /// The log says that the shard is not what it was: deleted, or made anew.
    Gone,
}

/// Why a node should not be given traffic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWell {
    /// No shard's state could be had for longer than [`MAX_SILENCE`].
    #[error("the log does not answer")]
    Unreachable,
    /// The log has said for longer than [`MAX_SILENCE`] that a shard is not what it was at start.
    #[error("the log no longer has shard {0} as it was")]
    Gone(Shard),
    /// The node's clock cannot be trusted.
    #[error("this node's clock is {0} ms from the log's")]
    Clock(i64),
}

impl Monitor {
    /// Takes a first sample of every shard.
    ///
    /// # Errors
    /// The log's, where a shard's state cannot be had.
    pub async fn start(
        log: Arc<dyn EventLog>,
        clock: Clock,
        metrics: MonitorMetrics,
    ) -> Result<Self, crate::LogError> {
        let monitor = Self { log, clock, samples: Arc::default(), metrics };
        try_join_all(monitor.log.shards().all().map(|shard| monitor.sample(shard))).await?;
        Ok(monitor)
    }

    /// Samples every shard each `interval` until the drain begins.
    pub async fn run(self, interval: Duration, drain: Drain) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = drain.draining() => return,
                _ = ticks.tick() => {}
            }
            planted::panic_if(Fault::PanicInMonitor);
            // All at once: one that is silent must not make the others' samples old.
            join_all(self.log.shards().all().map(|shard| self.refresh(shard))).await;
            self.metrics.lag.set(self.lag().as_secs_f64());
            self.metrics.skew.set(self.skew_ms() as f64 / 1000.0);
        }
    }

    /// Everything of `shard` up to here is in the store. Never ahead of the truth, and behind it by
    /// the interval.
    pub fn persisted(&self, shard: Shard) -> Position {
        self.get(shard).map_or(Position::ZERO, |sample| sample.state.persisted)
    }

    /// The epoch of `shard`; `None` before the first sample.
    pub fn epoch(&self, shard: Shard) -> Option<Epoch> {
        self.get(shard).map(|sample| sample.state.end.epoch())
    }

    /// Whether age may delete events of `shard` that the store has not got: the oldest of them is
    /// older than half of what the log keeps.
    pub fn overdue(&self, shard: Shard) -> bool {
        self.get(shard).is_some_and(|sample| {
            let (Some(oldest), Some(max_age)) =
                (sample.state.oldest_unpersisted, sample.state.max_age)
            else {
                return false;
            };
            sample.state.time.since(oldest) > max_age / 2
        })
    }

    /// Whether the node's clock agrees with the log's.
    pub fn clock_right(&self) -> bool {
        is_right(self.skew_ms())
    }

    /// The log's time as well as is known: a wrong clock is corrected by what was last sampled.
    pub fn time(&self) -> Timestamp {
        let now = self.clock.now();
        match self.skew_ms() {
            skew if is_right(skew) => now,
            skew => Timestamp::from_millis(now.as_millis() - skew),
        }
    }

    /// A clock that tells [`Monitor::time`], for what must not depend on one machine's clock.
    pub fn clock(&self) -> Clock {
        let monitor = self.clone();
        Clock::new(move || monitor.time())
    }

    /// Whether the node can do its work: the log answers, and the clock is right.
    ///
    /// The log answers while any shard does, within [`MAX_SILENCE`]. One that is silent is silent
    /// for every node, while its leader is elected, and the others' tenants must have somebody to
    /// go to. One that is gone does not come back by itself, and somebody must look.
    ///
    /// # Errors
    /// [`NotWell`] says what is wrong.
    pub fn check(&self) -> Result<(), NotWell> {
        let samples = self.samples.read().unwrap_or_else(PoisonError::into_inner);
        if samples.values().all(|sample| sample.answered_at.elapsed() > MAX_SILENCE) {
            return Err(NotWell::Unreachable);
        }
        let gone = |sample: &Sample| {
            sample.standing == Standing::Gone && sample.answered_at.elapsed() > MAX_SILENCE
        };
        if let Some((&shard, _)) = samples.iter().find(|(_, sample)| gone(sample)) {
            return Err(NotWell::Gone(shard));
        }
        drop(samples);
        if self.clock_right() { Ok(()) } else { Err(NotWell::Clock(self.skew_ms())) }
    }

    /// The oldest event that the store has not got, over all shards: its age by the log's clock, as
    /// last sampled.
    pub fn lag(&self) -> Duration {
        let samples = self.samples.read().unwrap_or_else(PoisonError::into_inner);
        let ages = samples.values().filter_map(|sample| {
            let waited = self.clock.now().since(sample.taken);
            sample.state.oldest_unpersisted.map(|oldest| sample.state.time.since(oldest) + waited)
        });
        ages.max().unwrap_or_default()
    }

    async fn refresh(&self, shard: Shard) {
        if let Err(error) = self.sample(shard).await {
            self.mark(shard, &error);
        }
    }

    async fn sample(&self, shard: Shard) -> Result<(), crate::LogError> {
        let asked = self.clock.now();
        let state = self.log.state(shard).await?;
        let taken = self.clock.now();
        // The log told its time somewhere between the two: only what lies outside is skew.
        let time = state.time.as_millis();
        let skew_ms = (asked.as_millis() - time).max(0) + (taken.as_millis() - time).min(0);
        let sample = Sample {
            state,
            taken,
            answered_at: Instant::now(),
            standing: Standing::Answered,
            skew_ms,
        };
        self.samples.write().unwrap_or_else(PoisonError::into_inner).insert(shard, sample);
        Ok(())
    }

    fn mark(&self, shard: Shard, error: &crate::LogError) {
        self.metrics.failures.inc();
        let mut samples = self.samples.write().unwrap_or_else(PoisonError::into_inner);
        let Some(sample) = samples.get_mut(&shard) else { return };
        let standing = match error {
            crate::LogError::Rejected(_) => Standing::Gone,
            crate::LogError::Unavailable(_)
            | crate::LogError::Full(_)
            | crate::LogError::Conflict(_) => Standing::Silent,
        };
        if sample.standing != standing {
            warn!(%shard, %error, "a shard of the log does not tell how it stands");
            sample.standing = standing;
        }
    }

    /// The node's clock less the log's, in milliseconds, as last sampled; 0 where they cannot be
    /// told apart.
    pub fn skew_ms(&self) -> i64 {
        let samples = self.samples.read().unwrap_or_else(PoisonError::into_inner);
        samples
            .values()
            .map(|sample| sample.skew_ms)
            .max_by_key(|skew| skew.unsigned_abs())
            .unwrap_or(0)
    }

    fn get(&self, shard: Shard) -> Option<Sample> {
        self.samples.read().unwrap_or_else(PoisonError::into_inner).get(&shard).copied()
    }
}

fn is_right(skew_ms: i64) -> bool {
    Duration::from_millis(skew_ms.unsigned_abs()) <= MAX_CLOCK_SKEW
}

#[cfg(test)]
mod tests;
