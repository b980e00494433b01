//! The report as one page that stands alone: no script, nothing fetched, light and dark.

use super::{NAMED, Report, html::escape, lines::lines, plot::Plot};
use crate::scores::{Point, Quantiles};

const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn page(report: &Report) -> String {
    let (class, word) = if report.passed { ("passed", "passed") } else { ("failed", "failed") };
    let rows: String = lines(report)
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
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>Parlor under load: {word}</title>\
         <style>{STYLE}</style></head><body>\
         <h1>Parlor under load: <span class=\"{class}\">{word}</span></h1>\
         <p><small>The scenario {}, begun at {}</small></p>\
         <ul class=\"{class}\">{reasons}</ul><table>{rows}</table>{faults}\
         <h2>Over time</h2>{plots}</body></html>\n",
        report.scenario,
        escape(&report.date),
    )
}

fn plots<'a>(report: &'a Report, times: &'a [f64]) -> Vec<Plot<'a>> {
    let series = report.score.series.as_slice();
    let marks =
        || report.marks.iter().map(|mark| (mark.began, mark.sentence())).collect::<Vec<_>>();
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
            unit: "a second; the widget's frames get no answer",
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
