//! Which plots the page has.

use super::{
    Report,
    bands::Bands,
    plot::{Line, Plot, Scale},
};
use crate::{
    nodes::Sample,
    scores::{Point, Quantiles},
};

/// What clients saw.
pub(super) fn of_clients<'a>(report: &Report, bands: &'a Bands, span: (f64, f64)) -> Vec<Plot<'a>> {
    let series = report.score.series.as_slice();
    let per_second = |name: &str, of: fn(&Point) -> u64| Line {
        name: name.to_owned(),
        points: series.iter().map(|point| (point.at, Some(count(of(point))))).collect(),
        is_earlier: false,
    };
    let quantiles = |of: fn(&Point) -> Quantiles, name: &str| {
        let line = |label: &str, value: fn(Quantiles) -> f64| Line {
            name: label.to_owned(),
            points: series
                .iter()
                .map(|point| (point.at, Some(of(point)).filter(|of| of.count > 0).map(value)))
                .collect(),
            is_earlier: false,
        };
        let mut lines = vec![line("p50", |of| of.p50), line("p99", |of| of.p99)];
        lines.extend(report.earlier.as_ref().map(|earlier| Line {
            name: "p99 earlier".to_owned(),
            points: earlier.course(name, report.load_began),
            is_earlier: true,
        }));
        lines
    };
    let plot = |title, unit, lines, scale| Plot { title, unit, lines, scale, span, bands };
    vec![
        plot(
            "Until the answer",
            "ms, from the intended time",
            quantiles(|point| point.accept, "accept"),
            Scale::Logarithmic,
        ),
        plot(
            "Until another client is shown it",
            "ms, from the intended time",
            quantiles(|point| point.deliver, "deliver"),
            Scale::Logarithmic,
        ),
        plot(
            "Drafts",
            "a second; the widget's frames get no answer",
            vec![
                per_second("offered", |point| point.counts.offered),
                per_second("answered", |point| point.counts.accepted),
                per_second("failed", |point| point.counts.failed + point.counts.unsent),
            ],
            Scale::Linear,
        ),
        plot(
            "Messages shown",
            "a second, to all clients",
            vec![
                per_second("shown", |point| point.counts.shown),
                per_second("replayed", |point| point.counts.replayed),
            ],
            Scale::Linear,
        ),
        plot(
            "Sockets connected",
            "",
            vec![per_second("sockets", |point| u64::try_from(point.sockets).unwrap_or(0))],
            Scale::Linear,
        ),
    ]
}

/// What nodes said of themselves.
pub(super) fn of_nodes<'a>(report: &Report, bands: &'a Bands, span: (f64, f64)) -> Vec<Plot<'a>> {
    let plot = |title, unit, scale, of: fn(&Sample) -> Option<f64>| {
        let line = |node: &crate::nodes::NodeSeries| Line {
            name: node.name.clone(),
            points: node.samples.iter().map(|sample| (sample.at, of(sample))).collect(),
            is_earlier: false,
        };
        // A node that never says it has no part in it.
        let lines = report.nodes.iter().map(line);
        let lines = lines.filter(|line| line.points.iter().any(|point| point.1.is_some()));
        Plot { title, unit, lines: lines.collect(), scale, span, bands }
    };
    let logarithmic = Scale::Logarithmic;
    vec![
        plot("At the door", "ms, p99, from an action to its receipt", logarithmic, |of| {
            of.door_p99
        }),
        plot("In the log", "ms, p99 of an append", logarithmic, |of| of.append_p99),
        plot("In the store", "ms, p99 of an insert", logarithmic, |of| of.insert_p99),
        plot("Behind the log", "s, age of the oldest event without a row", Scale::Linear, |of| {
            of.store_lag
        }),
        plot("Memory", "MiB", Scale::Linear, |of| {
            of.memory_bytes.map(|bytes| bytes / 1024.0 / 1024.0)
        }),
        plot("Descriptors", "open files and sockets", Scale::Linear, |of| of.open_files),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
const fn count(count: u64) -> f64 {
    count as f64
}
