//! The index of a proof: every fault, what must be seen and what was, and the way to its report.

use std::{fs, io, path::Path};

use super::judge::{Outcome, Verdict};

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
    let class = if failed == 0 { "passed" } else { "failed" };
    let faults: String = outcomes.iter().map(section).collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Parlor: the proof</title>\
         <style>{STYLE}</style></head><body>\
         <h1>Nothing lost, nothing twice, nothing out of order: \
         <span class=\"{class}\">{held} held, {failed} failed</span></h1>\
         <p><small>{}; {}; {others} faults were not played and count as neither</small></p>\
         {faults}</body></html>\n",
        escape(date),
        escape(load),
    )
}

fn section(outcome: &Outcome) -> String {
    let class = match outcome.verdict {
        Verdict::Held => "passed",
        Verdict::Broken | Verdict::Unjudged(_) => "failed",
        Verdict::NotHere(_) | Verdict::Tests(_) => "",
    };
    let rows: String = outcome
        .lines
        .iter()
        .map(|line| {
            let (class, word) = match line.holds {
                Some(true) => ("passed", "held"),
                Some(false) => ("failed", "broken"),
                None => ("", "told"),
            };
            format!(
                "<tr><th scope=\"row\">{}</th><td>must be {}</td><td>&ensp;was {}</td>\
                 <td class=\"{class}\">&ensp;{word}</td></tr>",
                escape(line.figure.name()),
                escape(&line.must),
                escape(&line.seen()),
            )
        })
        .collect();
    let table = if rows.is_empty() { rows } else { format!("<table>{rows}</table>") };
    let report = outcome.report.as_ref().map_or_else(String::new, |folder| {
        format!("<p><a href=\"{0}/report.html\">The run, second by second</a></p>", escape(folder))
    });
    format!(
        "<h2>{} {}</h2><p class=\"{class}\">{}</p>{table}{report}",
        escape(outcome.id),
        escape(outcome.name),
        escape(&outcome.verdict.to_string()),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
