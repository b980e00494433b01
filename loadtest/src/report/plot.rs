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
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
/// The lines of names that marks have above the plot, and the height of each.
const MARK_LINES: usize = 3;
const MARK_LINE: f64 = 14.0;
const TOP: f64 = 46.0;
/// What a character of a mark's name is wide, at most.
const CHARACTER: f64 = 6.5;
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
            "</figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">"
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
        let mut names = MarkNames::default();
        for (time, what) in &self.marks {
            let at = x(time.clamp(first, first + span));
            let what = escape(what);
            let end = HEIGHT - BOTTOM;
            let _infallible = write!(
                svg,
                "<line class=\"mark\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{end:.1}\">\
                 <title>{what}</title></line>",
            );
            if let Some((at, height)) = names.place(at, &what) {
                let _infallible = write!(
                    svg,
                    "<text class=\"name\" x=\"{at:.1}\" y=\"{height:.1}\">{what}</text>"
                );
            }
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

/// Where the names of marks stand, so that none covers another.
#[derive(Default)]
struct MarkNames {
    /// Where the last name of each line ends.
    ends: [f64; MARK_LINES],
}

impl MarkNames {
    /// Where the name of the mark at `at` begins and how high it stands. There is no place for it
    /// where many marks lie close together.
    fn place(&mut self, at: f64, name: &str) -> Option<(f64, f64)> {
        let width = f64::from(u32::try_from(name.chars().count()).unwrap_or(u32::MAX)) * CHARACTER;
        let begin = at.min(WIDTH - width);
        let (end, height) = self
            .ends
            .iter_mut()
            .zip((0_u32..).map(|line| MARK_LINE * f64::from(line + 1) - 2.0))
            .find(|(end, _)| **end <= begin)?;
        *end = begin + width;
        Some((begin, height))
    }
}

/// The stretches without a hole.
fn runs(times: &[f64], values: &[Option<f64>]) -> Vec<Vec<(f64, f64)>> {
    let points: Vec<_> =
        times.iter().zip(values).map(|(&time, &value)| value.map(|value| (time, value))).collect();
    let stretches = points.split(Option::is_none).filter(|stretch| !stretch.is_empty());
    stretches.map(|stretch| stretch.iter().copied().flatten().collect()).collect()
}

/// The least round number that is not below: one whose quarters are round as well.
fn ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let ten = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0];
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
        for (value, top) in [(0.0, 1.0), (0.3, 0.32), (1.0, 1.0), (33.0, 40.0), (9001.0, 10_000.0)]
        {
            assert!((ceiling(value) - top).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn the_names_of_marks_do_not_cover_each_other() {
        let mut names = MarkNames::default();
        let name = "node-1 killed at 9.1 s";
        let places: Vec<_> =
            [100.0, 110.0, 120.0, 130.0, 300.0].map(|at| names.place(at, name)).into();
        let heights: Vec<_> =
            places.iter().map(|place| place.map(|(_, height)| format!("{height}"))).collect();
        let lines = [Some("12"), Some("26"), Some("40"), None, Some("12")];
        assert_eq!(heights, lines.map(|line| line.map(str::to_owned)));
        let (begin, _) = MarkNames::default().place(WIDTH, name).unwrap();
        assert!(begin < WIDTH - 100.0, "a name at the edge stays within: {begin}");
    }
}
