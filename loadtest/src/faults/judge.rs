//! The judgement of a fault: what must be seen beside what was seen.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    bound::{Line, NOTHING},
    figures::Figures,
    row::{Row, Script},
};

/// What became of a fault of the catalogue.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) verdict: Verdict,
    /// Bounds and what was seen; empty where it was not played.
    pub(super) lines: Vec<Line>,
    /// All figures, judged or not.
    pub(super) figures: Figures,
    /// The folder of the load test's report, beside the index.
    pub(super) report: Option<String>,
    /// Seconds that it took.
    pub(super) took: f64,
}

/// What it comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "why")]
pub(super) enum Verdict {
    /// Everything was seen that must be.
    Held,
    /// Something was not.
    Broken,
    /// It was played and could not be judged.
    Unjudged(String),
    /// This machine cannot do it. It has not been played.
    NotHere(String),
    /// Tests play it, which are named. It has not been played.
    Tests(&'static str),
}

// === impl Outcome ===

impl Outcome {
    /// One that was not played, or not judged.
    pub(super) fn without(row: &Row, verdict: Verdict, took: f64) -> Self {
        let (lines, figures) = (Vec::new(), Figures::new());
        Self { id: row.id, name: row.name, verdict, lines, figures, report: None, took }
    }

    /// Judges what was seen.
    pub(super) fn of(
        row: &Row,
        script: &Script,
        figures: Figures,
        is_short: bool,
        took: f64,
    ) -> Self {
        let overridden = |figure| script.bounds.iter().any(|own| own.figure == figure);
        let nothing = NOTHING.iter().filter(|bound| !overridden(bound.figure));
        let bounds = nothing.chain(script.bounds);
        let lines: Vec<_> = bounds
            .map(|bound| bound.judge(figures.get(&bound.figure).copied(), is_short))
            .collect();
        let holds = lines.iter().all(|line| line.holds != Some(false));
        let verdict = if holds { Verdict::Held } else { Verdict::Broken };
        let report = Some(row.id.to_owned());
        Self { id: row.id, name: row.name, verdict, lines, figures, report, took }
    }

    /// Whether it speaks against a pass of the whole.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Broken | Verdict::Unjudged(_))
    }

    /// For a terminal: a heading, and a line for each bound.
    pub(super) fn terminal(&self) -> String {
        let mut text = format!("{} {}: {}\n", self.id, self.name, self.verdict);
        for line in &self.lines {
            let mark = match line.holds {
                Some(true) => "held",
                Some(false) => "BROKEN",
                None => "told",
            };
            let (name, must, seen) = (line.figure.name(), &line.must, line.seen());
            writeln!(text, "    {mark:<7} {name:<42} must be {must:<8} was {seen}").ok();
        }
        text
    }
}

// === impl Line ===

impl Line {
    /// What was seen, for people.
    pub(super) fn seen(&self) -> String {
        match self.seen {
            Some(seen) if seen.fract() == 0.0 => format!("{seen}"),
            Some(seen) => format!("{seen:.2}"),
            None => "not seen".to_owned(),
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held => f.write_str("held"),
            Self::Broken => f.write_str("BROKEN"),
            Self::Unjudged(why) => write!(f, "could not be judged: {why}"),
            Self::NotHere(why) => write!(f, "not played, this machine cannot: {why}"),
            Self::Tests(which) => write!(f, "not played here, tests do: {which}"),
        }
    }
}
