//! Plots: lines over time. The curves are an SVG that stretches with the page, and the words beside
//! them are text of the page, so that they can be read on a phone as well.

use std::fmt::Write;

use super::{bands::Bands, html::escape};

/// One plot.
#[derive(Debug)]
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) unit: &'a str,
    pub(super) lines: Vec<Line>,
    pub(super) scale: Scale,
    /// From when to when, in seconds.
    pub(super) span: (f64, f64),
    /// What was broken meanwhile.
    pub(super) bands: &'a Bands,
}

/// A line: its name, and values at times. A `None` is a hole.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, Option<f64>)>,
    pub(super) colour: Colour,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    /// One of the page's colours, by its place among the plot's lines.
    Own,
    /// What should not be there.
    Bad,
    /// Of an earlier run.
    Earlier,
}

/// How values lie between the bottom and the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// From 0 to a round number.
    Linear,
    /// From a power of ten to a power of ten, so that what is usual and what is extreme can both be
    /// read.
    Logarithmic,
}

/// The SVG's own measure; it is stretched.
const SIZE: f64 = 1000.0;
/// There are as many colours.
const COLOURS: usize = 6;

/// The ends of an axis, and where it is marked.
struct Axis {
    scale: Scale,
    bottom: f64,
    top: f64,
    ticks: Vec<f64>,
}

// === impl Plot ===

impl Plot<'_> {
    /// As a figure; nothing where no line has a value.
    pub(super) fn figure(&self) -> String {
        let values = || self.lines.iter().flat_map(|line| &line.points).filter_map(|of| of.1);
        if values().next().is_none() {
            return String::new();
        }
        let axis = Axis::of(self.scale, values());
        let (first, last) = self.span;
        let x = |time: f64| (time - first) / (last - first).max(1.0) * SIZE;
        let y = |value: f64| (1.0 - axis.place(value)) * SIZE;
        let (title, unit) = (escape(self.title), escape(self.unit));
        let highest = values().fold(0.0, f64::max);
        let mut html = format!(
            "<figure><figcaption><b>{title}</b> <small>{unit}</small>{}</figcaption>\
             <div class=\"chart\"><svg viewBox=\"0 0 {SIZE} {SIZE}\" preserveAspectRatio=\"none\" \
             role=\"img\" aria-label=\"{title}, {unit}: at most {}\">",
            self.legend(),
            number(highest)
        );
        for band in self.bands.all() {
            let (begin, end) = (x(band.began), x(band.ended.unwrap_or(last)));
            // Writing into a string cannot fail, here and below.
            let _infallible = write!(
                html,
                "<rect class=\"band\" x=\"{begin:.1}\" width=\"{:.1}\" y=\"0\" height=\"{SIZE}\">\
                 <title>{}</title></rect>",
                (end - begin).max(2.0),
                escape(&band.sentence)
            );
        }
        for &tick in &axis.ticks {
            let at = y(tick);
            let _infallible = write!(
                html,
                "<line class=\"grid\" x1=\"0\" x2=\"{SIZE}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
            );
        }
        for (place, line) in self.lines.iter().enumerate() {
            let class = line.class(place);
            // An earlier run may have lasted longer.
            let is_within = |&(time, _): &(f64, Option<f64>)| first <= time && time <= last;
            let points: Vec<_> = line.points.iter().copied().filter(is_within).collect();
            for stretch in stretches(&points) {
                let points: Vec<_> = stretch
                    .iter()
                    .map(|&(time, value)| format!("{:.1},{:.1}", x(time), y(value)))
                    .collect();
                let _infallible =
                    write!(html, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" "));
            }
        }
        html.push_str("</svg>");
        for &tick in &axis.ticks {
            let at = axis.place(tick) * 100.0;
            let text = number(tick);
            let _infallible =
                write!(html, "<span class=\"y\" style=\"bottom:{at:.1}%\">{text}</span>");
        }
        html.push_str(&self.bands.badges(first, last));
        for step in 0..=4 {
            let part = f64::from(step) / 4.0;
            let time = first + (last - first) * part;
            let _infallible = write!(
                html,
                "<span class=\"x\" style=\"left:{:.0}%\">{}</span>",
                part * 100.0,
                clock(time)
            );
        }
        html.push_str("</div></figure>");
        html
    }

    fn legend(&self) -> String {
        let entry = |(place, line): (usize, &Line)| {
            format!("<span class=\"key {}\">{}</span>", line.class(place), escape(&line.name))
        };
        self.lines.iter().enumerate().map(entry).collect()
    }
}

// === impl Line ===

impl Line {
    fn class(&self, place: usize) -> String {
        match self.colour {
            Colour::Own => format!("c{}", place % COLOURS),
            Colour::Bad => "bad".to_owned(),
            Colour::Earlier => "earlier".to_owned(),
        }
    }
}

// === impl Axis ===

impl Axis {
    fn of(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let (mut lowest, mut highest) = (f64::INFINITY, 0.0_f64);
        for value in values {
            if value > 0.0 {
                lowest = lowest.min(value);
            }
            highest = highest.max(value);
        }
        match scale {
            Scale::Linear => {
                let top = ceiling(highest);
                let ticks = (0..=4).map(|step| top * f64::from(step) / 4.0).collect();
                Self { scale, bottom: 0.0, top, ticks }
            }
            Scale::Logarithmic => {
                let bottom = if lowest.is_finite() { lowest.log10().floor() } else { 0.0 };
                let top = highest.max(1e-9).log10().ceil().max(bottom + 1.0);
                let powers = std::iter::successors(Some(bottom), |power| Some(power + 1.0));
                let ticks = powers.take_while(|power| *power <= top);
                Self { scale, bottom, top, ticks: ticks.map(|of| 10_f64.powf(of)).collect() }
            }
        }
    }

    /// Where a value lies between the bottom, 0, and the top, 1.
    fn place(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => value.max(1e-9).log10(),
        };
        ((value - self.bottom) / (self.top - self.bottom)).clamp(0.0, 1.0)
    }
}

/// The stretches without a hole. A single point becomes a short line, so that it can be seen.
fn stretches(points: &[(f64, Option<f64>)]) -> Vec<Vec<(f64, f64)>> {
    let mut all: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for &(time, value) in points {
        match (value, all.last_mut()) {
            (Some(value), Some(stretch)) => stretch.push((time, value)),
            _ => all.push(Vec::new()),
        }
    }
    all.retain(|stretch| !stretch.is_empty());
    for stretch in &mut all {
        if let [(time, value)] = stretch[..] {
            *stretch = vec![(time - 0.4, value), (time + 0.4, value)];
        }
    }
    all
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

/// A number on an axis.
pub(super) fn number(value: f64) -> String {
    if value >= 1e6 {
        format!("{} M", number(value / 1e6))
    } else if value >= 1e4 {
        format!("{:.0} k", value / 1e3)
    } else if value >= 10.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').to_owned()
    }
}

/// A time of the run, in seconds, or in minutes and seconds.
pub(super) fn clock(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.0} s"),
        seconds => format!("{:.0}:{:02.0}", (seconds / 60.0).floor(), (seconds % 60.0).floor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Mark;

    fn plot(bands: &Bands, points: Vec<(f64, Option<f64>)>, scale: Scale) -> String {
        let line = Line { name: "p<50".to_owned(), points, colour: Colour::Own };
        let plot =
            Plot { title: "a<b", unit: "ms", lines: vec![line], scale, span: (0.0, 4.0), bands };
        plot.figure()
    }

    #[test]
    fn a_hole_interrupts_the_line_and_a_band_is_told() {
        let mark = Mark { what: "kill <x>".to_owned(), began: 1.0, ended: Some(2.0) };
        let bands = Bands::of(&[mark]);
        let values = [Some(1.0), Some(3.0), None, Some(2.0), None];
        let points = (0..5).map(f64::from).zip(values).collect();
        let html = plot(&bands, points, Scale::Linear);
        assert_eq!(html.matches("<polyline").count(), 2, "{html}");
        assert!(html.contains("a&lt;b") && html.contains("p&lt;50"), "{html}");
        assert!(html.contains("<title>kill &lt;x&gt; from 1.0 s to 2.0 s</title>"), "{html}");
        assert!(html.contains("x=\"250.0\" width=\"250.0\""), "{html}");
    }

    #[test]
    fn what_lies_outside_of_the_span_is_not_drawn() {
        let points = (-2..8).map(|at| (f64::from(at), Some(1.0))).collect();
        let html = plot(&Bands::of(&[]), points, Scale::Linear);
        assert!(
            html.contains("points=\"0.0,0.0 250.0,0.0 500.0,0.0 750.0,0.0 1000.0,0.0\""),
            "{html}"
        );
    }

    #[test]
    fn a_plot_without_values_is_left_out() {
        assert_eq!(plot(&Bands::of(&[]), vec![(0.0, None)], Scale::Linear), "");
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        for (value, top) in [(0.0, 1.0), (0.3, 0.32), (1.0, 1.0), (33.0, 40.0), (9001.0, 10_000.0)]
        {
            assert!((ceiling(value) - top).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn a_logarithmic_axis_goes_from_power_to_power() {
        let axis = Axis::of(Scale::Logarithmic, [3.0, 450.0].into_iter());
        assert_eq!(axis.ticks, [1.0, 10.0, 100.0, 1000.0]);
        assert!((axis.place(10.0) - 1.0 / 3.0).abs() < 1e-9);
        assert!((axis.place(0.0)).abs() < 1e-9);
        let equal = Axis::of(Scale::Logarithmic, [100.0].into_iter());
        assert!(equal.top > equal.bottom);
    }

    #[test]
    fn numbers_and_times_are_short() {
        assert_eq!(
            [0.25, 1.0, 2.5, 400.0, 32_000.0, 2.5e6].map(number),
            ["0.25", "1", "2.5", "400", "32 k", "2.5 M"]
        );
        assert_eq!([5.0, 119.0, 150.0].map(clock), ["5 s", "119 s", "2:30"]);
    }
}
