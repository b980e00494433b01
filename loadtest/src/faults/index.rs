//! The index of a proof: every fault, what must be seen and what was, and the way to its report.

use std::{fs, io, path::Path};

use super::{
    bound::Line,
    judge::{Outcome, Verdict},
};

const STYLE: &str = include_str!("../report/style.css");

/// Writes `index.json` and `index.html` into a folder.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(folder: &Path, outcomes: &[Outcome], date: &str, load: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let json = serde_json::json!({ "date": date, "load": load, "faults": outcomes });
    fs::write(folder.join("index.json"), serde_json::to_vec_pretty(&json)?)?;
    fs::write(folder.join("index.html"), page(outcomes, date, load))
}

fn page(outcomes: &[Outcome], date: &str, load: &str) -> String {
    let failed = outcomes.iter().filter(|outcome| outcome.has_failed()).count();
    let held = outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Held).count();
    let others = outcomes.len() - failed - held;
    let (class, word) = if failed == 0 { ("passed", "held") } else { ("failed", "broken") };
    let tile = |class: &str, count: usize, what: &str| {
        format!("<li class=\"{class}\"><b>{count}</b><span>{what}</span></li>")
    };
    let tiles = [
        tile("", held, "faults held"),
        tile(if failed > 0 { "bad" } else { "" }, failed, "broken or not judged"),
        tile("", others, "not played here"),
    ];
    let faults: String = outcomes.iter().map(section).collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Parlor: the proof</title>\
         <style>{STYLE}</style></head><body class=\"{class}\">\
         <header><p class=\"kicker\">Parlor: nothing lost, nothing twice, nothing out of order, \
         while things die</p><h1>{word}</h1><p class=\"lead\">Each fault was broken and mended \
         under load. What must be seen stands beside what was seen: {}.</p>\
         <ul class=\"tiles\">{}</ul><p><small>{}</small></p></header>\
         <main>{faults}</main></body></html>\n",
        escape(load),
        tiles.concat(),
        escape(date),
    )
}

fn section(outcome: &Outcome) -> String {
    let rows: String = outcome.lines.iter().map(row).collect();
    let table = match rows.is_empty() {
        true => rows,
        false => format!(
            "<table><thead><tr><th>figure</th><th>must be</th><th>was</th><th></th></tr></thead>\
             <tbody>{rows}</tbody></table>"
        ),
    };
    let report = outcome.report.as_ref().map_or_else(String::new, |folder| {
        format!("<p><a href=\"{0}/report.html\">The run, second by second</a></p>", escape(folder))
    });
    format!(
        "<h2>{} {}</h2><p{}>{}</p>{table}{report}",
        escape(outcome.id),
        escape(outcome.name),
        if outcome.has_failed() { " class=\"reasons\"" } else { "" },
        escape(&outcome.verdict.to_string()),
    )
}

fn row(line: &Line) -> String {
    let word = match line.holds {
        Some(true) => "held",
        Some(false) => "<b>broken</b>",
        None => "told",
    };
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{word}</td></tr>",
        escape(line.figure.name()),
        escape(&line.must),
        escape(&line.seen()),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
