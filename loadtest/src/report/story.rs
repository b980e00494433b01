//! The top of the page: what happened, in a sentence; the verdict and the four views, in figures.

use super::{
    NAMED, Report,
    html::{escape, thousands},
};
use crate::ledger::Split;

/// The sentence under the verdict.
pub(super) fn sentence(report: &Report) -> String {
    let Report { counts, verdict, marks, .. } = report;
    let accepted = thousands(counts.accepted);
    let meanwhile = match marks.len() {
        0 => "nothing was broken".to_owned(),
        1 => "one fault was played".to_owned(),
        count => format!("{count} faults were played"),
    };
    let outcome = match (verdict.total(), verdict.unread.len()) {
        (0, 0) => "none was lost, shown twice, or out of order".to_owned(),
        (0, unread) => format!("{unread} conversations could not be judged"),
        (1, _) => "one fault was found".to_owned(),
        (faults, _) => format!("{} faults were found", thousands(faults)),
    };
    let unknown = match verdict.unknown_absent + verdict.unknown_present {
        0 => String::new(),
        unknown => format!(
            " Of {} sends nobody was told what became of them: {} are there, {} are not.",
            thousands(unknown),
            thousands(verdict.unknown_present),
            thousands(verdict.unknown_absent)
        ),
    };
    let sentence = format!("{accepted} messages were accepted while {meanwhile}: {outcome}.");
    format!("<p class=\"lead\">{}{unknown}</p>", escape(&sentence))
}

/// What must be 0, each in a tile.
pub(super) fn tiles(report: &Report) -> String {
    let verdict = &report.verdict;
    let mut tiles = vec![
        ("lost", verdict.lost, "accepted, and not in history"),
        ("missing", verdict.missing, "in history, and not shown"),
        ("doubled", verdict.doubled, "there or shown twice"),
        ("reordered", verdict.reordered, "out of order"),
        ("foreign", verdict.foreign, "shown to others"),
        ("invented", verdict.invented, "never sent"),
    ];
    if report.plan.rows_compared {
        tiles.push(("rows", verdict.rows, "unlike history"));
    }
    if report.agents.is_some() {
        tiles.push(("winners", verdict.winners, "claims won of what another held"));
        tiles.push(("states", verdict.states, "views that disagree"));
    }
    let tile = |(name, count, what): &(&str, u64, &str)| {
        let class = if *count == 0 { "good" } else { "bad" };
        format!(
            "<li class=\"{class}\"><b>{}</b><span>{name}</span><small>{what}</small></li>",
            thousands(*count)
        )
    };
    format!("<ul class=\"tiles\">{}</ul>", tiles.iter().map(tile).collect::<String>())
}

/// What was accepted, seen, listed and stored.
pub(super) fn views(report: &Report) -> String {
    let views = report.views;
    let all = [
        ("accepted", Some(views.accepted), "said to be, by an answer or by being shown"),
        ("seen", Some(views.seen), "by a client at least"),
        ("listed", Some(views.listed), "by REST, at the end"),
        ("stored", views.stored, "as rows of the database"),
    ];
    let most = all.iter().filter_map(|view| view.1).max().unwrap_or(1).max(1);
    let row = |(name, count, what): &(&str, Option<u64>, &str)| {
        let Some(count) = *count else {
            return format!(
                "<tr><th scope=\"row\">{name}</th><td colspan=\"2\">not compared: no --cql was \
                 given</td></tr>"
            );
        };
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
        let width = 100.0 * count as f64 / most as f64;
        format!(
            "<tr><th scope=\"row\">{name}</th><td class=\"count\">{}</td>\
             <td><span class=\"meter\"><i style=\"width:{width:.2}%\"></i></span>\
             <small>{what}</small></td></tr>",
            thousands(count)
        )
    };
    format!("<table class=\"views\">{}</table>", all.iter().map(row).collect::<String>())
}

/// What agents did; empty where none worked.
pub(super) fn work(report: &Report) -> String {
    let Some(work) = &report.agents else { return String::new() };
    let patch = report.score.patch;
    let rows = [
        (
            "claims",
            format!("{} won, {} lost", thousands(work.claims_won), thousands(work.claims_lost)),
        ),
        ("changes", format!("{}, the claims that were won among them", thousands(work.changes))),
        ("PATCH", format!("p50 {:.1} ms, p99 {:.1} ms of {}", patch.p50, patch.p99, patch.count)),
        ("notes", thousands(work.notes)),
        ("answers", thousands(work.answers)),
        ("marks", thousands(work.marks)),
        ("compared", format!("{} states and {} lists, at all nodes", work.states, work.lists)),
    ];
    let row = |(name, value): &(&str, String)| {
        format!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escape(value))
    };
    format!(
        "<h2>What {} agents did</h2><table class=\"figures\">{}</table>",
        work.workers,
        rows.iter().map(row).collect::<String>()
    )
}

/// What was missing, and where; empty where nothing was.
pub(super) fn missing(report: &Report) -> String {
    let verdict = &report.verdict;
    if verdict.total() == 0 {
        return String::new();
    }
    let row = |name: &str, split: Split| {
        let Split { prefix, middle, postfix } = split;
        format!(
            "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            thousands(prefix),
            thousands(middle),
            thousands(postfix)
        )
    };
    let faults: String = verdict
        .faults
        .iter()
        .take(NAMED)
        .map(|fault| format!("<li>{}</li>", escape(&fault.to_string())))
        .collect();
    format!(
        "<h2>What is wrong, and where</h2><div class=\"scroll\"><table class=\"compare\"><thead>\
         <tr><td></td><th scope=\"col\">prefix: before all that is there</th>\
         <th scope=\"col\">middle</th><th scope=\"col\">postfix: after it</th></tr></thead>\
         <tbody>{}{}</tbody></table></div><h3>The first faults</h3><ol class=\"faults\">{faults}\
         </ol>",
        row("lost", verdict.lost_at),
        row("missing", verdict.missing_at)
    )
}

/// The steps of a ceiling; empty for other scenarios.
pub(super) fn steps(report: &Report) -> String {
    let Some(ceiling) = &report.ceiling else { return String::new() };
    let rate = match ceiling.rate {
        Some(rate) => format!("The highest honest rate is <b>{rate:.0} drafts a second</b>."),
        None => "No rate was good twice.".to_owned(),
    };
    let who = match ceiling.is_harness_the_limit {
        true => " The harness itself was late at that step, so that the server may take more.",
        false => "",
    };
    let row = |step: &crate::load::Step| {
        let (class, word) = match &step.broken {
            Some(broken) => ("bad", escape(broken)),
            None => ("good", "good".to_owned()),
        };
        format!(
            "<tr class=\"{class}\"><th scope=\"row\">{:.0}/s{}</th><td>{:.0} ms</td>\
             <td>{:.0} ms</td><td>{:.0} ms</td><td>{word}</td></tr>",
            step.rate,
            if step.is_again { " again" } else { "" },
            step.accept.p99,
            step.deliver.p99,
            step.lag.p99
        )
    };
    let rows: String = report.steps.iter().map(row).collect();
    format!(
        "<h2>The ceiling</h2><p>{rate} The climb ended by: {}.{who}</p>\
         <div class=\"scroll\"><table class=\"compare\"><thead><tr><th scope=\"col\">step</th>\
         <th scope=\"col\">accept p99</th><th scope=\"col\">deliver p99</th>\
         <th scope=\"col\">harness late p99</th><th scope=\"col\"></th></tr></thead>\
         <tbody>{rows}</tbody></table></div>",
        escape(&ceiling.ended_by)
    )
}
