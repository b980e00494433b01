//! A load that rises step by step until a bound is broken; the last good step is played once more.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::offer;
use crate::{
    client::World,
    plan::{
        Climb, Plan,
        rate::{Course, Rate},
    },
    scores::Quantiles,
    stage::Stage,
};

/// One step, as it was seen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    /// Drafts a second.
    pub(crate) rate: f64,
    /// Whether it is the last good one, played again.
    pub(crate) is_again: bool,
    pub(crate) accept: Quantiles,
    pub(crate) deliver: Quantiles,
    /// What the harness itself was late.
    pub(crate) lag: Quantiles,
    /// Which bound it broke; `None` where it broke none.
    pub(crate) broken: Option<String>,
    /// Whether it was the harness that could not keep up.
    pub(crate) is_harness_late: bool,
}

/// How often to look whether everything has arrived.
const LOOK: Duration = Duration::from_millis(100);

/// Climbs, and gives every step. The highest honest rate is that of the last good one that was
/// good again.
pub(crate) async fn climb(world: &World, stage: &Stage, plan: &Plan, climb: Climb) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rate = Some(climb.from);
    while let Some(now) = rate {
        let step = play(world, stage, plan, climb, now, false).await;
        let is_good = step.broken.is_none();
        steps.push(step);
        let next = Rate::new(now.number() * climb.factor);
        rate = next.filter(|next| is_good && next.number() <= climb.to.number());
    }
    // From the last good one down, until one is good again: a lucky step is no rate to promise.
    let good: Vec<_> =
        steps.iter().filter(|step| step.broken.is_none()).map(|step| step.rate).collect();
    for rate in good.into_iter().rev().filter_map(Rate::new) {
        let step = play(world, stage, plan, climb, rate, true).await;
        let is_good = step.broken.is_none();
        steps.push(step);
        if is_good {
            break;
        }
    }
    steps
}

async fn play(
    world: &World,
    stage: &Stage,
    plan: &Plan,
    climb: Climb,
    rate: Rate,
    is_again: bool,
) -> Step {
    let begin = Instant::now();
    let end = begin + climb.step;
    let before = world.scores.score().totals;
    let faults = world.ledger.counts().faults;
    // The first half is the change to the new rate.
    world.scores.measure(begin + climb.step / 2, end);
    offer(world, stage, plan, Course::steady(rate), begin, end).await;
    let until = Instant::now() + plan.options.pace.drain;
    while world.awaited() > 0 && Instant::now() < until {
        sleep(LOOK).await;
    }
    let score = world.scores.score();
    let failed = score.totals.failed + score.totals.unsent - before.failed - before.unsent;
    let seen = Seen {
        accept: score.accept,
        deliver: score.deliver,
        lag: score.lag,
        offered: score.totals.offered - before.offered,
        failed,
        faults: world.ledger.counts().faults - faults,
        awaited: world.awaited(),
    };
    let broken = seen.broken(climb.p99, plan.options.bounds.allow_failed);
    let is_harness_late = seen.is_harness_late(climb.p99);
    let Seen { accept, deliver, lag, .. } = seen;
    Step { rate: rate.number(), is_again, accept, deliver, lag, broken, is_harness_late }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    accept: Quantiles,
    deliver: Quantiles,
    lag: Quantiles,
    offered: u64,
    failed: u64,
    faults: u64,
    /// What had not come, or was not even sent, when the time for that was over.
    awaited: u64,
}

// === impl Seen ===

impl Seen {
    fn broken(&self, p99: Duration, allow_failed: f64) -> Option<String> {
        let bound = p99.as_secs_f64() * 1000.0;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
        let percent = 100.0 * self.failed as f64 / self.offered.max(1) as f64;
        if self.faults > 0 {
            Some(format!("{} faults", self.faults))
        } else if self.awaited > 0 {
            Some(format!("{} answers and messages did not come", self.awaited))
        } else if self.failed > 0 && percent > allow_failed {
            Some(format!("{} sends failed ({percent:.2} %)", self.failed))
        } else if self.accept.count == 0 {
            Some("nothing was accepted".to_owned())
        } else if self.accept.p99 > bound {
            Some(format!("accept p99 {:.0} ms, over {bound:.0}", self.accept.p99))
        } else if self.deliver.p99 > bound {
            Some(format!("deliver p99 {:.0} ms, over {bound:.0}", self.deliver.p99))
        } else {
            None
        }
    }

    /// Latencies count from the intended time, so that what the harness is late is in them. A
    /// quarter of the bound is too much to blame the server.
    fn is_harness_late(&self, p99: Duration) -> bool {
        self.lag.p99 > p99.as_secs_f64() * 250.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantiles(p99: f64) -> Quantiles {
        Quantiles { count: 100, p99, ..Quantiles::default() }
    }

    #[test]
    fn a_step_is_good_while_no_bound_is_broken() {
        let second = Duration::from_secs(1);
        let good = Seen {
            accept: quantiles(900.0),
            deliver: quantiles(1000.0),
            offered: 100,
            ..Seen::default()
        };
        assert_eq!(good.broken(second, 0.0), None);
        let broken = |seen: Seen| seen.broken(second, 1.0).unwrap();
        assert!(broken(Seen { accept: quantiles(1001.0), ..good }).starts_with("accept p99 1001"));
        assert!(broken(Seen { deliver: quantiles(2e3), ..good }).starts_with("deliver p99"));
        assert!(broken(Seen { faults: 1, ..good }).contains("faults"));
        assert!(broken(Seen { awaited: 3, ..good }).contains("did not come"));
        assert!(broken(Seen { failed: 2, ..good }).contains("2 sends failed"));
        assert_eq!(Seen { failed: 1, ..good }.broken(second, 1.0), None);
        assert!(broken(Seen { accept: Quantiles::default(), ..good }).contains("nothing"));
    }

    #[test]
    fn the_harness_is_late_from_a_quarter_of_the_bound_on() {
        let late = |p99| Seen { lag: quantiles(p99), ..Seen::default() };
        assert!(!late(249.0).is_harness_late(Duration::from_secs(1)));
        assert!(late(251.0).is_harness_late(Duration::from_secs(1)));
    }
}
