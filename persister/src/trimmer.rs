//! The trimmer: once a shard of the log is too full, its oldest entries go, so that one tenant does
//! not fill it for all.
//!
//! Only what is stored goes: it is acknowledged, and the store has not lost it since. Only what is
//! old goes: clients resume from what is younger.

use std::{collections::HashMap, sync::Arc};

use futures_util::future::join_all;
use parlor_common::{drain::Drain, shard::Shard};
use parlor_log::{EventLog, Trim};
use parlor_store::HistoryStore;
use tracing::{info, warn};

use crate::{TrimMetrics, TrimSettings};

/// Trims every shard. Any number of nodes may do so at once.
#[derive(Clone, Debug)]
pub struct Trimmer {
    /// What is trimmed.
    pub log: Arc<dyn EventLog>,
    /// What must have the entries that go.
    pub store: Arc<dyn HistoryStore>,
    /// How full, and how old.
    pub settings: TrimSettings,
    /// What it tells the operator.
    pub metrics: TrimMetrics,
}

/// How a shard stands after a look.
#[derive(Clone, Debug, PartialEq)]
struct Look {
    /// What it holds of its bound.
    full: f64,
    /// Why it stays above its mark.
    held: Option<&'static str>,
}

// === impl Trimmer ===

impl Trimmer {
    /// Looks at every shard again and again until the drain begins.
    pub async fn run(self, drain: Drain) {
        let mut ticks = tokio::time::interval(self.settings.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut told = HashMap::new();
        loop {
            tokio::select! {
                () = drain.draining() => return,
                _ = ticks.tick() => {}
            }
            let look = async |shard| (shard, self.trim(shard).await);
            // All at once: one that is silent must not let the others fill.
            let looks = join_all(self.log.shards().all().map(look)).await;
            self.tell(looks, &mut told);
        }
    }

    /// Trims a shard that is too full.
    async fn trim(&self, shard: Shard) -> Result<Look, String> {
        let state = self.log.state(shard).await.map_err(|error| error.to_string())?;
        let Some(bound) = state.max_bytes else { return Ok(Look { full: 0.0, held: None }) };
        let full = |used: u64| used as f64 / bound as f64;
        let percent = |percent: u8| bound / 100 * u64::from(percent);
        let used = state.used_bytes;
        if used <= percent(self.settings.above) {
            return Ok(Look { full: full(used), held: None });
        }
        let pressed = used > percent(self.settings.pressed_above);
        let keep = if pressed { self.settings.pressed_keep } else { self.settings.keep };
        let seen = self.store.watermark(shard).await.map_err(|error| error.to_string())?;
        if seen.is_none_or(|seen| seen < state.persisted) {
            // The log may be all that has these entries still.
            let held = "the store has seen less than was acknowledged";
            return Ok(Look { full: full(used), held: Some(held) });
        }
        let down_to = percent(self.settings.down_to);
        let trim = Trim { through: state.persisted, down_to, keep };
        let gone = self.log.trim(shard, trim).await.map_err(|error| error.to_string())?;
        self.metrics.entries.inc_by(gone);
        if gone > 0 {
            info!(%shard, entries = gone, pressed, "a shard was too full: its oldest entries went");
        }
        let left = self.log.state(shard).await.map_err(|error| error.to_string())?.used_bytes;
        let still = left > percent(self.settings.above);
        Ok(Look { full: full(left), held: still.then_some("what it holds is young or not stored") })
    }

    /// Tells the operator, once for each change.
    fn tell(
        &self,
        looks: Vec<(Shard, Result<Look, String>)>,
        told: &mut HashMap<Shard, &'static str>,
    ) {
        let (mut fullest, mut held) = (0.0_f64, 0);
        for (shard, look) in looks {
            let why = match look {
                Ok(look) => {
                    fullest = fullest.max(look.full);
                    held += i64::from(look.held.is_some());
                    look.held
                }
                Err(error) => {
                    self.metrics.failures.inc();
                    if told.insert(shard, "failed") != Some("failed") {
                        warn!(%shard, error, "a shard of the log cannot be trimmed");
                    }
                    continue;
                }
            };
            match why {
                Some(why) if told.insert(shard, why) != Some(why) => {
                    warn!(%shard, why, "a shard of the log is too full, and nothing more may go");
                }
                Some(_) => {}
                None => drop(told.remove(&shard)),
            }
        }
        self.metrics.fullest.set(fullest);
        self.metrics.held.set(held);
    }
}
