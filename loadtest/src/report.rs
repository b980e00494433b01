//! The report: what was played, what it came to, and whether that is good; for the terminal, as
//! JSON, as a page.

mod html;
mod page;
mod plot;

use std::{fmt::Write, fs, io, path::Path};

use parlor_common::clock::Timestamp;
use serde::Serialize;

use crate::{
    cli::Steady,
    faults::{Mark, What},
    ledger::{Counts, Verdict},
    scores::{Quantiles, Score},
};

/// A run's report. Its fields are the JSON's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    scenario: &'static str,
    /// When the run began, ISO 8601.
    date: String,
    passed: bool,
    /// Why not; empty where it passed.
    reasons: Vec<String>,
    plan: PlanLine,
    /// Seconds from the start to the first draft.
    load_began: f64,
    verdict: Verdict,
    counts: Counts,
    score: Score,
    marks: Vec<Mark>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
struct PlanLine {
    tenants: u32,
    conversations: u32,
    sockets: u32,
    dashboards: u32,
    rate: String,
    replies_percent: u32,
    bytes: u32,
    warm_s: f64,
    load_s: f64,
    drain_s: f64,
    rows_compared: bool,
}

/// The terminal and the page name this many faults; the JSON has all that were kept.
const NAMED: usize = 20;

// === impl Report ===

impl Report {
    pub(crate) fn new(
        plan: &Steady,
        date: Timestamp,
        load_began: f64,
        verdict: Verdict,
        counts: Counts,
        score: Score,
        marks: Vec<Mark>,
    ) -> Self {
        let reasons = reasons(plan, &verdict, &counts, &score);
        let plan = PlanLine {
            tenants: plan.tenants,
            conversations: plan.conversations,
            sockets: plan.sockets.max(plan.conversations) + plan.tenants * plan.dashboards,
            dashboards: plan.dashboards,
            rate: plan.rate.to_string(),
            replies_percent: plan.replies,
            bytes: plan.bytes,
            warm_s: plan.warm.as_secs_f64(),
            load_s: plan.load.as_secs_f64(),
            drain_s: plan.drain.as_secs_f64(),
            rows_compared: plan.cql.is_some(),
        };
        let date = date.to_string();
        Self {
            scenario: "steady",
            date,
            passed: reasons.is_empty(),
            reasons,
            plan,
            load_began,
            verdict,
            counts,
            score,
            marks,
        }
    }

    /// Whether everything is as it must be.
    pub(crate) const fn passed(&self) -> bool {
        self.passed
    }

    /// Writes `report.json` and `report.html` into a folder, which is made where it is not there.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("report.json"), serde_json::to_vec_pretty(self)?)?;
        fs::write(folder.join("report.html"), page::page(self))
    }

    /// For people, in few lines.
    pub(crate) fn terminal(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.lines() {
            // Writing into a string cannot fail.
            let _infallible = writeln!(text, "{name:<12} {value}");
        }
        for fault in self.verdict.faults.iter().take(NAMED) {
            let _infallible = writeln!(text, "  {fault}");
        }
        let more = self.verdict.total().saturating_sub(NAMED as u64);
        if more > 0 {
            let _infallible = writeln!(text, "  and {more} more");
        }
        let (word, why) = if self.passed {
            ("PASSED", String::new())
        } else {
            ("FAILED", self.reasons.join("; "))
        };
        let _infallible = writeln!(text, "{word:<12} {why}");
        text
    }

    /// The report in names and values.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let Self { plan, verdict, counts, score, .. } = self;
        let totals = score.totals;
        let mut lines = vec![
            (
                "load",
                format!(
                    "{} for {:.0} s after {:.0} s, {} sockets, {} conversations, {} tenants",
                    plan.rate,
                    plan.load_s,
                    plan.warm_s,
                    plan.sockets,
                    plan.conversations,
                    plan.tenants
                ),
            ),
            (
                "drafts",
                format!(
                    "{} offered, {} sent, {} accepted, {} refused, {} failed, {} unknown, {} not \
                     taken",
                    totals.offered,
                    counts.sent,
                    counts.accepted,
                    counts.refused,
                    counts.failed,
                    counts.unknown,
                    totals.unsent
                ),
            ),
            (
                "shown",
                format!(
                    "{} messages; {} replayed, {} repeats allowed",
                    counts.shown, totals.replayed, counts.repeats
                ),
            ),
            ("accept", latency(&score.accept)),
            ("deliver", latency(&score.deliver)),
            (
                "sockets",
                format!(
                    "{} lost, {} gave up, {} gaps; connected again after: {}",
                    totals.losses,
                    totals.gone,
                    counts.gaps,
                    latency(&score.back)
                ),
            ),
            (
                "widgets",
                format!(
                    "shown {} of {} live; the rest is in history",
                    verdict.widgets_shown, verdict.widgets_of
                ),
            ),
            (
                "verdict",
                format!(
                    "lost {}, missing {}, doubled {}, reordered {}, foreign {}, invented {}{}",
                    verdict.lost,
                    verdict.missing,
                    verdict.doubled,
                    verdict.reordered,
                    verdict.foreign,
                    verdict.invented,
                    if plan.rows_compared {
                        format!(", rows {}", verdict.rows)
                    } else {
                        String::new()
                    }
                ),
            ),
            (
                "history",
                format!(
                    "{} messages; of the unknown, {} are there and {} are not",
                    verdict.in_history, verdict.unknown_present, verdict.unknown_absent
                ),
            ),
        ];
        if verdict.lost + verdict.missing > 0 {
            let (lost, missing) = (verdict.lost_at, verdict.missing_at);
            let split = format!(
                "lost {}/{}/{}, missing {}/{}/{} (before, within, after what is there)",
                lost.prefix,
                lost.middle,
                lost.postfix,
                missing.prefix,
                missing.middle,
                missing.postfix
            );
            lines.push(("where", split));
        }
        if !score.refusals.is_empty() {
            let refusals: Vec<_> =
                score.refusals.iter().map(|(code, count)| format!("{code} {count}")).collect();
            lines.push(("refusals", refusals.join(", ")));
        }
        if !self.marks.is_empty() {
            lines.push(("faults", self.marks.iter().map(mark).collect::<Vec<_>>().join(", ")));
        }
        lines
    }
}

/// Why a run has not passed.
fn reasons(plan: &Steady, verdict: &Verdict, counts: &Counts, score: &Score) -> Vec<String> {
    let mut reasons = Vec::new();
    if verdict.total() > 0 {
        reasons.push(format!("{} faults", verdict.total()));
    }
    if !verdict.unread.is_empty() {
        let (count, first) = (verdict.unread.len(), &verdict.unread[0]);
        reasons.push(format!("{count} conversations could not be judged, such as {first}"));
    }
    // A draft without an answer has failed its sender, unless it is there all the same.
    let failed = score.totals.unsent + counts.refused + counts.failed + verdict.unanswered;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
    let percent = 100.0 * failed as f64 / score.totals.offered.max(1) as f64;
    if failed > 0 && percent > plan.allow_failed {
        reasons.push(format!("{failed} sends failed ({percent:.3} %)"));
    }
    if counts.gaps > plan.allow_gaps {
        reasons
            .push(format!("{} subscriptions were told that their past is not known", counts.gaps));
    }
    if counts.accepted == 0 {
        reasons.push("nothing was accepted".to_owned());
    }
    reasons
}

fn latency(quantiles: &Quantiles) -> String {
    let Quantiles { count, p50, p90, p99, p999, max } = quantiles;
    match count {
        0 => "none".to_owned(),
        _ => format!(
            "p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  p99.9 {p999:.1}  max {max:.1} ms of {count}"
        ),
    }
}

fn mark(mark: &Mark) -> String {
    let what = match mark.what {
        What::Killed => "killed",
        What::Started => "started",
    };
    format!("{} {what} at {:.1} s", mark.node, mark.at)
}
