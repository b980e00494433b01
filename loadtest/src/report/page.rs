//! The report as one page that stands alone: no script, nothing fetched, light and dark.

use super::{NAMED, Report, html::escape, mark, plot::Plot};
use crate::scores::{Point, Quantiles};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1f24; --paper: #fff; --soft: #6b7280;
  --grid: #e5e7eb; --bad: #c81e1e;
  --good: #1a7f37; --c0: #2563eb; --c1: #d97706; --c2: #059669; --c3: #9333ea; }
@media (prefers-color-scheme: dark) \
{ :root { --ink: #e6e8eb; --paper: #14171b; --soft: #9aa3af; --grid: #2b3038;
  --bad: #ff7b72; --good: #56d364; --c0: #79a8ff; --c1: #f0b352; --c2: #4cd6a4; --c3: #c79bff; } }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif;
  color: var(--ink);
  background: var(--paper); }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.passed { color: var(--good); } .failed { color: var(--bad); }
table { border-collapse: collapse; } th \
{ text-align: left; font-weight: 500; color: var(--soft); padding-right: 1.5rem;
  vertical-align: top; }
td { font-variant-numeric: tabular-nums; }
figure { margin: 1.5rem 0; } figcaption { font-weight: 500; } small \
{ color: var(--soft); font-weight: 400; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
.grid { stroke: var(--grid); } .mark { stroke: var(--bad); stroke-dasharray: 4 3; stroke-width: 2; }
polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.l0 { stroke: var(--c0); } .l1 { stroke: var(--c1); } .l2 { stroke: var(--c2); } .l3 \
{ stroke: var(--c3); }
figcaption span { margin-left: 1rem; font-weight: 400; }
.k0 { color: var(--c0); } .k1 { color: var(--c1); } .k2 { color: var(--c2); } .k3 \
{ color: var(--c3); }
li { overflow-wrap: anywhere; }
";

/// The page.
pub(super) fn page(report: &Report) -> String {
    let (class, word) = if report.passed { ("passed", "passed") } else { ("failed", "failed") };
    let rows: String = report
        .lines()
        .into_iter()
        .map(|(name, value)| {
            format!("<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escape(&value))
        })
        .collect();
    let reasons = items(report.reasons.iter().map(String::as_str));
    let faults =
        report.verdict.faults.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>();
    let faults = match faults.is_empty() {
        true => String::new(),
        false => format!(
            "<h2>The first faults</h2><ul>{}</ul>",
            items(faults.iter().map(String::as_str))
        ),
    };
    let times: Vec<_> = report.score.series.iter().map(|point| point.at).collect();
    let plots: String = plots(report, &times).iter().map(Plot::svg).collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Parlor under load: \
         {word}</title>\
         <style>{STYLE}</style></head><body>\
         <h1>Parlor under load: <span class=\"{class}\">{word}</span></h1>\
         <p><small>{} of {}</small></p><ul \
         class=\"{class}\">{reasons}</ul><table>{rows}</table>{faults}\
         <h2>Over time</h2>{plots}</body></html>\n",
        report.scenario,
        escape(&report.date),
    )
}

fn plots<'a>(report: &'a Report, times: &'a [f64]) -> Vec<Plot<'a>> {
    let series = report.score.series.as_slice();
    let marks = || report.marks.iter().map(|at| (at.at, mark(at))).collect::<Vec<_>>();
    let per_second = |of: fn(&Point) -> u64| {
        series.iter().map(|point| Some(count(of(point)))).collect::<Vec<_>>()
    };
    let quantile = |of: fn(&Point) -> Quantiles, value: fn(Quantiles) -> f64| {
        let value = |point: &Point| Some(of(point)).filter(|of| of.count > 0).map(value);
        series.iter().map(value).collect::<Vec<_>>()
    };
    vec![
        Plot {
            title: "Drafts",
            unit: "a second",
            lines: vec![
                ("offered", per_second(|point| point.counts.offered)),
                ("answered", per_second(|point| point.counts.accepted)),
                ("failed", per_second(|point| point.counts.failed + point.counts.unsent)),
            ],
            times,
            marks: marks(),
        },
        Plot {
            title: "Messages shown",
            unit: "a second",
            lines: vec![("shown", per_second(|point| point.counts.shown))],
            times,
            marks: marks(),
        },
        Plot {
            title: "From the intended time to the answer",
            unit: "ms",
            lines: vec![
                ("p50", quantile(|point| point.accept, |of| of.p50)),
                ("p99", quantile(|point| point.accept, |of| of.p99)),
            ],
            times,
            marks: marks(),
        },
        Plot {
            title: "From the intended time to another client",
            unit: "ms",
            lines: vec![
                ("p50", quantile(|point| point.deliver, |of| of.p50)),
                ("p99", quantile(|point| point.deliver, |of| of.p99)),
            ],
            times,
            marks: marks(),
        },
        Plot {
            title: "Sockets connected",
            unit: "",
            lines: vec![("sockets", per_second(|point| u64::try_from(point.sockets).unwrap_or(0)))],
            times,
            marks: marks(),
        },
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
const fn count(count: u64) -> f64 {
    count as f64
}

fn items<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(|text| format!("<li>{}</li>", escape(text))).collect()
}
