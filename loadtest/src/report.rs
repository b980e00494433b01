//! The report: what was played, what it came to, and whether that is good; for the terminal, as
//! JSON, as a page.

mod bands;
mod compare;
mod flat;
mod html;
mod lines;
mod machine;
mod page;
mod plot;
mod plots;
mod reasons;
mod story;

use std::{fs, io, path::Path};

use parlor_common::clock::Timestamp;
use serde::Serialize;

pub(crate) use self::compare::Earlier;
use self::{flat::Growth, machine::Machine};
use crate::{
    ledger::{Counts, Verdict},
    load::Step,
    nodes::NodeSeries,
    plan::{Load, Plan},
    scores::Score,
    timeline::Mark,
    work::WorkScore,
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
    /// What whoever ran it says of the installation.
    note: Option<String>,
    machine: Machine,
    plan: PlanLine,
    /// Seconds from the start to the first draft.
    load_began: f64,
    views: Views,
    verdict: Verdict,
    counts: Counts,
    /// What agents did, where some worked.
    agents: Option<WorkScore>,
    score: Score,
    marks: Vec<Mark>,
    /// Of a ceiling.
    steps: Vec<Step>,
    ceiling: Option<Highest>,
    /// What nodes said of themselves, where they were asked.
    nodes: Vec<NodeSeries>,
    /// How their memory and descriptors changed over the load.
    growth: Vec<Growth>,
    /// A run to show beside this one.
    #[serde(skip)]
    earlier: Option<Earlier>,
}

/// What there is to tell of a run.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    pub(crate) date: Timestamp,
    /// Seconds from the start to the first draft.
    pub(crate) load_began: f64,
    pub(crate) verdict: Verdict,
    pub(crate) work: Option<WorkScore>,
    pub(crate) counts: Counts,
    pub(crate) score: Score,
    pub(crate) marks: Vec<Mark>,
    pub(crate) steps: Vec<Step>,
    pub(crate) nodes: Vec<NodeSeries>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
struct PlanLine {
    tenants: u32,
    conversations: u32,
    sockets: u32,
    dashboards: u32,
    workers: u32,
    /// For people.
    load: String,
    replies_percent: u32,
    bytes: u32,
    warm_s: f64,
    load_s: f64,
    drain_s: f64,
    rows_compared: bool,
}

/// The four views that are compared, in messages.
#[derive(Clone, Copy, Debug, Serialize)]
struct Views {
    /// Said to be accepted by an answer, or by being shown.
    accepted: u64,
    /// Shown to a client, at least to one.
    seen: u64,
    /// Listed by REST.
    listed: u64,
    /// Stored as rows; `None` where the database was not asked.
    stored: Option<u64>,
}

/// What a ceiling came to.
#[derive(Clone, Debug, Serialize)]
struct Highest {
    /// The highest rate that was good twice.
    rate: Option<f64>,
    /// What ended the climb.
    ended_by: String,
    /// Whether the harness itself was late there, so that the server may take more.
    is_harness_the_limit: bool,
}

/// The terminal and the page name this many faults; the JSON has all that were kept.
const NAMED: usize = 20;

// === impl Report ===

impl Report {
    /// Judges what was played.
    pub(crate) fn new(plan: &Plan, played: Played) -> Self {
        let Played { date, load_began, verdict, work, counts, score, marks, steps, nodes } = played;
        let ceiling = matches!(plan.load, Load::Climb(_)).then(|| Highest::of(&steps));
        let growth = nodes.iter().filter_map(|node| Growth::of(node, load_began)).collect();
        let views = Views {
            accepted: counts.accepted,
            seen: counts.seen,
            listed: verdict.in_history,
            stored: verdict.in_rows,
        };
        let mut report = Self {
            scenario: plan.scenario,
            date: date.to_string(),
            passed: false,
            reasons: Vec::new(),
            note: plan.options.evidence.note.clone(),
            machine: Machine::here(),
            plan: PlanLine::of(plan),
            load_began,
            views,
            verdict,
            counts,
            agents: work,
            score,
            marks,
            steps,
            ceiling,
            nodes,
            growth,
            earlier: None,
        };
        report.reasons = reasons::of(plan, &report);
        report.passed = report.reasons.is_empty();
        report
    }

    /// Shows an earlier run beside this one.
    pub(crate) fn beside(self, earlier: Option<Earlier>) -> Self {
        Self { earlier, ..self }
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
        lines::terminal(self)
    }
}

// === impl PlanLine ===

impl PlanLine {
    fn of(plan: &Plan) -> Self {
        let (cast, pace) = (&plan.options.cast, &plan.options.pace);
        Self {
            tenants: cast.tenants,
            conversations: cast.conversations,
            sockets: plan.sockets(),
            dashboards: cast.dashboards,
            workers: cast.workers,
            load: plan.load.to_string(),
            replies_percent: pace.replies,
            bytes: pace.bytes,
            warm_s: pace.warm.as_secs_f64(),
            load_s: plan.lasts().saturating_sub(pace.warm).as_secs_f64(),
            drain_s: pace.drain.as_secs_f64(),
            rows_compared: plan.options.evidence.cql.is_some(),
        }
    }
}

// === impl Highest ===

impl Highest {
    fn of(steps: &[Step]) -> Self {
        let confirmed = steps.iter().rfind(|step| step.is_again && step.broken.is_none());
        let bad = steps.iter().find(|step| step.broken.is_some());
        let is_late = |step: Option<&Step>| step.is_some_and(|step| step.is_harness_late);
        Self {
            rate: confirmed.map(|step| step.rate),
            ended_by: bad
                .and_then(|step| step.broken.clone())
                .unwrap_or_else(|| "the highest rate that was asked for was reached".to_owned()),
            is_harness_the_limit: is_late(bad),
        }
    }
}
