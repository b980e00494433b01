//! Plots: lines over time as SVG, in the page's own colours.

use std::fmt::Write;

use super::html::escape;

/// One plot.
#[derive(Debug)]
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    /// Each line's name and values; a `None` is a hole.
    pub(super) lines: Vec<(&'a str, Vec<Option<f64>>)>,
    /// The seconds of the values.
    pub(super) times: &'a [f64],
    /// Moments to mark, and what happened.
    pub(super) marks: Vec<(f64, String)>,
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;

// === impl Plot ===

impl Plot<'_> {
    /// As a figure.
    pub(super) fn svg(&self) -> String {
        let highest = self
            .lines
            .iter()
            .flat_map(|(_, values)| values.iter().flatten())
            .fold(0.0, |a: f64, &b| a.max(b));
        let top = ceiling(highest);
        let (first, last) =
            (self.times.first().copied().unwrap_or(0.0), self.times.last().copied().unwrap_or(1.0));
        let span = (last - first).max(1.0);
        let x = |time: f64| LEFT + (time - first) / span * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<figure><figcaption>{} <small>{}</small>",
            escape(self.title),
            escape(self.unit)
        );
        for (number, (name, _)) in self.lines.iter().enumerate() {
            // Writing into a string cannot fail, here and below.
            let _infallible = write!(svg, " <span class=\"k{number}\">{}</span>", escape(name));
        }
        let label = escape(self.title);
        let _infallible = write!(
            svg,
            "</figcaption><svg viewBox=\"0 0 {WIDTH} \
             {HEIGHT}\" role=\"img\" aria-label=\"{label}\">"
        );
        for step in 0..=4 {
            let value = top * f64::from(step) / 4.0;
            let (at, text) = (y(value), number(value));
            let _infallible = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                at + 4.0,
            );
            let time = first + span * f64::from(step) / 4.0;
            let _infallible = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{time:.0} s</text>",
                x(time).clamp(LEFT + 8.0, WIDTH - RIGHT - 16.0),
                HEIGHT - 8.0
            );
        }
        for (time, what) in &self.marks {
            let at = x(time.clamp(first, first + span));
            let _infallible = write!(
                svg,
                "<line \
                 class=\"mark\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\">\
                 <title>{}</title></line>",
                HEIGHT - BOTTOM,
                escape(what)
            );
        }
        for (number, (_, values)) in self.lines.iter().enumerate() {
            for points in runs(self.times, values) {
                let points: Vec<_> = points
                    .iter()
                    .map(|&(time, value)| format!("{:.1},{:.1}", x(time), y(value)))
                    .collect();
                let _infallible =
                    write!(svg, "<polyline class=\"l{number}\" points=\"{}\"/>", points.join(" "));
            }
        }
        svg.push_str("</svg></figure>");
        svg
    }
}

/// The stretches without a hole.
fn runs(times: &[f64], values: &[Option<f64>]) -> Vec<Vec<(f64, f64)>> {
    let points: Vec<_> =
        times.iter().zip(values).map(|(&time, &value)| value.map(|value| (time, value))).collect();
    let stretches = points.split(Option::is_none).filter(|stretch| !stretch.is_empty());
    stretches.map(|stretch| stretch.iter().copied().flatten().collect()).collect()
}

/// The next of 1, 2, 4, 5, 8 and their tens that is not below.
fn ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let ten = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * ten).find(|&step| step >= value).unwrap_or(value)
}

fn number(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_interrupts_the_line_and_a_mark_is_told() {
        let times = [0.0, 1.0, 2.0, 3.0, 4.0];
        let values = vec![Some(1.0), Some(3.0), None, Some(2.0), Some(2.0)];
        let plot = Plot {
            title: "a<b",
            unit: "ms",
            lines: vec![("p50", values)],
            times: &times,
            marks: vec![(2.0, "x".into())],
        };
        let svg = plot.svg();
        assert_eq!(svg.matches("<polyline").count(), 2, "{svg}");
        assert!(svg.contains("a&lt;b") && svg.contains("<title>x</title>"), "{svg}");
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        for (value, top) in [(0.0, 1.0), (0.3, 0.4), (1.0, 1.0), (33.0, 40.0), (9001.0, 10_000.0)] {
            assert!((ceiling(value) - top).abs() < 1e-9, "{value}");
        }
    }
}
