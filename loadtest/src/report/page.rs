//! The report as one page that stands alone: no script, nothing fetched, light and dark.

use super::{
    Report,
    bands::Bands,
    html::escape,
    lines::lines,
    plot::Plot,
    plots::{of_clients, of_nodes},
    story,
};

const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn page(report: &Report) -> String {
    let word = if report.passed { "passed" } else { "failed" };
    let reasons: String =
        report.reasons.iter().map(|reason| format!("<li>{}</li>", escape(reason))).collect();
    let reasons = match reasons.is_empty() {
        true => String::new(),
        false => format!("<ul class=\"reasons\">{reasons}</ul>"),
    };
    let figures: String = lines(report)
        .into_iter()
        .map(|(name, value)| {
            format!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escape(&value))
        })
        .collect();
    let compared = report.earlier.as_ref().map_or_else(String::new, |earlier| {
        let now = serde_json::to_value(report).unwrap_or_default();
        format!("<h2>Beside an earlier run</h2>{}", earlier.table(&now))
    });
    let bands = Bands::of(&report.marks);
    let span = span(report);
    let figure = |plots: Vec<Plot<'_>>| plots.iter().map(Plot::figure).collect::<String>();
    let clients = figure(of_clients(report, &bands, span));
    let nodes = match figure(of_nodes(report, &bands, span)) {
        nodes if nodes.is_empty() => nodes,
        nodes => format!("<h2>What the tiers did</h2><div class=\"plots\">{nodes}</div>"),
    };
    let faults = match bands.rows(span.0, span.1) {
        rows if rows.is_empty() => rows,
        rows => format!("<h2>What was broken when</h2><ul class=\"line\">{rows}</ul>"),
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"content-security-policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>Parlor under load: {word}</title><style>{STYLE}</style></head><body>\
         <header class=\"{word}\"><p class=\"kicker\">Parlor under load · {} · {}</p>\
         <h1>{word}</h1>{}{reasons}</header><main>{}\
         <h2>The four views</h2>{}{}{}{}{faults}\
         <h2>What clients saw</h2><div class=\"plots\">{clients}</div>{nodes}{compared}\
         <h2>All figures</h2><table class=\"figures\">{figures}</table></main>\
         <footer>{}</footer></body></html>\n",
        report.scenario,
        escape(&report.date),
        story::sentence(report),
        story::tiles(report),
        story::views(report),
        story::work(report),
        story::missing(report),
        story::steps(report),
        escape(&report.machine.sentence()),
    )
}

/// From the first second to the last.
fn span(report: &Report) -> (f64, f64) {
    let times = || report.score.series.iter().map(|point| point.at);
    let first = times().next().unwrap_or(0.0);
    (first, times().next_back().unwrap_or(first + 1.0))
}
