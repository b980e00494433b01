//! The report in names and values, for the terminal and for the page.

use std::fmt::Write;

use super::{NAMED, Report};
use crate::{
    ledger::Split,
    scores::{Quantiles, Score},
    timeline::Mark,
    work::WorkScore,
};

/// For the terminal.
pub(super) fn terminal(report: &Report) -> String {
    let mut text = String::new();
    for (name, value) in lines(report) {
        // Writing into a string cannot fail, here and below.
        let _infallible = writeln!(text, "{name:<12} {value}");
    }
    for fault in report.verdict.faults.iter().take(NAMED) {
        let _infallible = writeln!(text, "  {fault}");
    }
    let more = report.verdict.total().saturating_sub(NAMED as u64);
    if more > 0 {
        let _infallible = writeln!(text, "  and {more} more");
    }
    let (word, why) = match report.passed {
        true => ("PASSED", String::new()),
        false => ("FAILED", report.reasons.join("; ")),
    };
    let _infallible = writeln!(text, "{word:<12} {why}");
    text
}

/// All of it.
pub(super) fn lines(report: &Report) -> Vec<(&'static str, String)> {
    let Report { plan, verdict, counts, score, .. } = report;
    let totals = score.totals;
    let mut lines = vec![
        ("load", load(report)),
        ("views", views(report)),
        (
            "verdict",
            format!(
                "lost {}, missing {}, doubled {}, reordered {}, foreign {}, invented {}{}{}",
                verdict.lost,
                verdict.missing,
                verdict.doubled,
                verdict.reordered,
                verdict.foreign,
                verdict.invented,
                match plan.rows_compared {
                    true => format!(", rows {}", verdict.rows),
                    false => String::new(),
                },
                match report.agents {
                    Some(_) => {
                        format!(", winners {}, states {}", verdict.winners, verdict.states)
                    }
                    None => String::new(),
                }
            ),
        ),
    ];
    if verdict.lost + verdict.missing > 0 {
        let split = format!("lost {}, missing {}", at(verdict.lost_at), at(verdict.missing_at));
        lines.push(("where", split));
    }
    let drafts = format!(
        "{} offered, {} sent, {} accepted, {} refused, {} failed, {} unknown, {} not taken",
        totals.offered,
        counts.sent,
        counts.accepted,
        counts.refused,
        counts.failed,
        counts.unknown,
        totals.unsent
    );
    lines.push(("drafts", drafts));
    if verdict.unknown_present + verdict.unknown_absent > 0 {
        let unknown = format!(
            "{} are there, {} are not; none twice",
            verdict.unknown_present, verdict.unknown_absent
        );
        lines.push(("unknown", unknown));
    }
    if totals.duplicates > 0 {
        let told = format!("{} sends were told that they were repeats", totals.duplicates);
        lines.push(("repeats", told));
    }
    lines.push(("accept", latency(&score.accept)));
    lines.push(("deliver", latency(&score.deliver)));
    lines.push(("lag", format!("of the harness: {}", latency(&score.lag))));
    let shown = format!(
        "{} messages; {} replayed, {} repeats allowed",
        counts.shown, totals.replayed, counts.repeats
    );
    lines.push(("shown", shown));
    let sockets = format!(
        "{} lost, {} gave up, {} gaps; connected again after: {}",
        totals.losses,
        totals.gone,
        counts.gaps,
        latency(&score.back)
    );
    lines.push(("sockets", sockets));
    if verdict.widgets_of > 0 {
        let widgets = format!(
            "shown {} of {} live; the rest is in history",
            verdict.widgets_shown, verdict.widgets_of
        );
        lines.push(("widgets", widgets));
    }
    if let Some(work) = &report.agents {
        of_work(work, score, &mut lines);
    }
    more(report, &mut lines);
    lines.push(("machine", report.machine.sentence()));
    lines
}

/// What agents who work came to.
fn of_work(work: &WorkScore, score: &Score, lines: &mut Vec<(&'static str, String)>) {
    let text = format!(
        "{} agents; {} claims won, {} lost; {} changes, {} notes, {} answers, {} marks; \
         {} refused, {} without an answer, {} asked for again",
        work.workers,
        work.claims_won,
        work.claims_lost,
        work.changes,
        work.notes,
        work.answers,
        work.marks,
        work.refused,
        work.given_up,
        work.retries
    );
    lines.push(("work", text));
    lines.push(("patch", latency(&score.patch)));
    let text = format!(
        "{} states and {} lists compared, at all nodes; {} agreed only at another look",
        work.states, work.lists, work.late
    );
    lines.push(("views agree", text));
}

/// What only some runs have.
fn more(report: &Report, lines: &mut Vec<(&'static str, String)>) {
    let slow = report.score.slow;
    if slow.told + slow.cut + slow.kept > 0 {
        let text = format!(
            "{} were closed and told why, {} were ended, {} were kept",
            slow.told, slow.cut, slow.kept
        );
        lines.push(("not reading", text));
    }
    for step in &report.steps {
        let text = format!(
            "{:.0}/s: accept p99 {:.0} ms, deliver p99 {:.0} ms, harness p99 {:.0} ms: {}",
            step.rate,
            step.accept.p99,
            step.deliver.p99,
            step.lag.p99,
            step.broken.as_deref().unwrap_or("good")
        );
        lines.push((if step.is_again { "again" } else { "step" }, text));
    }
    if let Some(ceiling) = &report.ceiling {
        let rate = ceiling.rate.map_or_else(|| "none".to_owned(), |rate| format!("{rate:.0}/s"));
        let who = match ceiling.is_harness_the_limit {
            true => "; the harness itself was late there, so that the server may take more",
            false => "",
        };
        lines.push(("ceiling", format!("{rate}; ended by: {}{who}", ceiling.ended_by)));
    }
    for growth in &report.growth {
        let mib = |bytes: f64| bytes / 1024.0 / 1024.0;
        let (memory, files) = (growth.memory_bytes, growth.open_files);
        let text = format!(
            "{}: {:.1} to {:.1} MiB, {:.0} to {:.0} descriptors, first third to last",
            growth.node,
            mib(memory.0),
            mib(memory.1),
            files.0,
            files.1
        );
        lines.push(("node", text));
    }
    if !report.score.refusals.is_empty() {
        let refusals: Vec<_> =
            report.score.refusals.iter().map(|(code, count)| format!("{code} {count}")).collect();
        lines.push(("refusals", refusals.join(", ")));
    }
    if !report.marks.is_empty() {
        let marks: Vec<_> = report.marks.iter().map(Mark::sentence).collect();
        lines.push(("faults", marks.join(", ")));
    }
    lines.extend(report.note.clone().map(|note| ("note", note)));
}

fn load(report: &Report) -> String {
    let plan = &report.plan;
    let warm = match plan.warm_s > 0.0 {
        true => format!(" after {:.0} s", plan.warm_s),
        false => String::new(),
    };
    format!(
        "{}: {} for {:.0} s{warm}, {} sockets, {} conversations, {} tenants",
        report.scenario, plan.load, plan.load_s, plan.sockets, plan.conversations, plan.tenants
    )
}

fn views(report: &Report) -> String {
    let views = report.views;
    let stored = views.stored.map_or_else(|| "not compared".to_owned(), |rows| rows.to_string());
    format!(
        "accepted {}, seen {}, listed {}, stored {stored}",
        views.accepted, views.seen, views.listed
    )
}

fn at(split: Split) -> String {
    let Split { prefix, middle, postfix } = split;
    format!("{prefix} before, {middle} within, {postfix} after what is there")
}

/// In one line.
pub(super) fn latency(quantiles: &Quantiles) -> String {
    let Quantiles { count, p50, p90, p99, p999, max } = quantiles;
    match count {
        0 => "none".to_owned(),
        _ => format!(
            "p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  p99.9 {p999:.1}  max {max:.1} ms of {count}"
        ),
    }
}
