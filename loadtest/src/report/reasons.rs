//! Why a run has not passed.

use std::time::Duration;

use super::Report;
use crate::{
    plan::{Load, Plan},
    scores::Quantiles,
};

/// The reasons; none where the run has passed.
pub(super) fn of(plan: &Plan, report: &Report) -> Vec<String> {
    let (bounds, verdict, counts) = (&plan.options.bounds, &report.verdict, &report.counts);
    let mut reasons = Vec::new();
    if verdict.total() > 0 {
        reasons.push(format!("{} faults", verdict.total()));
    }
    if let Some(first) = verdict.unread.first() {
        let count = verdict.unread.len();
        reasons.push(format!("{count} conversations could not be judged, such as {first}"));
    }
    if verdict.states > 0 {
        reasons.push(format!("{} views of conversations disagree", verdict.states));
    }
    reasons.extend(failed(plan, report));
    reasons.extend(unworked(plan, report));
    if counts.gaps > bounds.allow_gaps {
        reasons
            .push(format!("{} subscriptions were told that their past is not known", counts.gaps));
    }
    if counts.accepted == 0 {
        reasons.push("nothing was accepted".to_owned());
    }
    reasons.extend(slower(&report.score.accept, bounds.accept_within, "answers took"));
    reasons.extend(slower(&report.score.back, bounds.back_within, "lost sockets were away for"));
    reasons.extend(not_closed(plan, report));
    if let Some(flat) = plan.flat {
        reasons.extend(report.growth.iter().filter_map(|growth| growth.broken(flat.percent)));
        if report.growth.is_empty() {
            reasons.push("no node told how much memory it has".to_owned());
        }
    }
    if report.ceiling.as_ref().is_some_and(|ceiling| ceiling.rate.is_none()) {
        reasons.push("no rate was good twice; --rate says where to begin".to_owned());
    }
    reasons
}

/// A draft without an answer has failed its sender, unless it is there all the same.
fn failed(plan: &Plan, report: &Report) -> Option<String> {
    // A ceiling's last steps are meant to fail.
    if matches!(plan.load, Load::Climb(_)) {
        return None;
    }
    let (totals, counts) = (report.score.totals, report.counts);
    let failed = totals.unsent + counts.refused + counts.failed + report.verdict.unanswered;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
    let percent = 100.0 * failed as f64 / totals.offered.max(1) as f64;
    let is_broken = failed > 0 && percent > plan.options.bounds.allow_failed;
    is_broken.then(|| format!("{failed} sends failed ({percent:.3} %)"))
}

/// What agents could not do: nothing of it is refused for good, and a change or a note that nobody
/// answered is as bad as a draft.
fn unworked(plan: &Plan, report: &Report) -> Option<String> {
    let work = report.agents.as_ref()?;
    let asked = work.asked();
    let failed = work.refused + work.given_up;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
    let percent = 100.0 * failed as f64 / asked.max(1) as f64;
    if work.changes + work.notes == 0 {
        return Some("agents were to work, and nothing that they did was accepted".to_owned());
    }
    let is_broken = failed > 0 && percent > plan.options.bounds.allow_failed;
    is_broken.then(|| format!("{failed} of {asked} things that agents did failed ({percent:.3} %)"))
}

fn slower(seen: &Quantiles, bound: Option<Duration>, what: &str) -> Option<String> {
    let bound = bound?.as_secs_f64() * 1000.0;
    (seen.p99 > bound)
        .then(|| format!("{what} {:.0} ms at the 99th percentile, over {bound:.0}", seen.p99))
}

/// Each socket that stopped reading must have been ended.
fn not_closed(plan: &Plan, report: &Report) -> Option<String> {
    let asked: u64 = plan.stall?.sockets.into();
    let slow = report.score.slow;
    let left = asked.saturating_sub(slow.told + slow.cut);
    (left > 0).then(|| {
        format!(
            "{left} of {asked} sockets that did not read were not closed; where so little was \
             said that it fits into buffers, a higher --rate or --bytes fills them"
        )
    })
}
