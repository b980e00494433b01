//! What the screen shows: a bar, rates, latencies, sockets, and what is broken on a time line.

use crate::{
    ledger::Counts,
    scores::{Point, Quantiles, Score},
    timeline::Mark,
};

/// A run at a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub(super) scenario: &'static str,
    pub(super) phase: &'static str,
    /// Seconds from the start.
    pub(super) now: f64,
    /// When the load should begin and end.
    pub(super) load: Option<(f64, f64)>,
    /// How many sockets there should be.
    pub(super) sockets: u32,
    pub(super) counts: Counts,
    pub(super) score: Score,
    pub(super) marks: Vec<Mark>,
}

/// A line of the screen, of pieces that each have a colour.
#[derive(Debug)]
pub(super) struct Line {
    width: usize,
    pieces: Vec<(Colour, String)>,
}

/// What a piece is, in the terminal's own colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Plain,
    Title,
    Faint,
    Good,
    Bad,
}

const EIGHTHS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The width of a line's name.
const NAME: usize = 10;

// === impl Picture ===

impl Picture {
    /// The lines, none wider than `width`.
    pub(super) fn lines(&self, width: usize) -> Vec<Line> {
        let last = self.score.series.last().copied().unwrap_or_default();
        let totals = self.score.totals;
        let (done, part) = self.done();
        let rest = width.saturating_sub(NAME + 6);
        let filled = cells(part, rest);
        let mut lines = vec![
            Line::new(width)
                .add(Colour::Title, format!("parlor-loadtest {}", self.scenario))
                .add(Colour::Plain, format!("  {}", self.phase)),
            Line::new(width)
                .add(Colour::Faint, name(&done))
                .add(Colour::Good, "█".repeat(filled))
                .add(Colour::Faint, "░".repeat(rest - filled))
                .add(Colour::Plain, format!(" {:3.0} %", part * 100.0)),
            Line::new(width)
                .add(Colour::Faint, name("sockets"))
                .add(Colour::Plain, format!("{:6} of {}", last.sockets, self.sockets))
                .add(
                    Colour::Faint,
                    format!("   lost {}   gaps {}", totals.losses, self.counts.gaps),
                ),
            Line::new(width)
                .add(Colour::Faint, name("a second"))
                .add(Colour::Plain, rates(&last))
                .add(bad_if(last.counts.failed > 0), format!("  failed {}", last.counts.failed)),
        ];
        lines.push(self.course(width, "accept", self.score.accept, |point| point.accept));
        lines.push(self.course(width, "deliver", self.score.deliver, |point| point.deliver));
        lines.push(self.time_line(width));
        let broken: Vec<_> = self.marks.iter().filter(|mark| mark.ended.is_none()).collect();
        let sentences: Vec<_> = broken.iter().map(|mark| mark.sentence()).collect();
        lines.push(Line::new(width).add(Colour::Faint, name("broken")).add(
            bad_if(!broken.is_empty()),
            match sentences.is_empty() {
                true => format!("nothing now; {} so far", self.marks.len()),
                false => sentences.join(", "),
            },
        ));
        let Counts { sent, accepted, unknown, faults, .. } = self.counts;
        lines.push(
            Line::new(width)
                .add(Colour::Faint, name("ledger"))
                .add(Colour::Plain, format!("{sent} sent, {accepted} accepted, {unknown} open"))
                .add(bad_if(faults > 0), format!("   {faults} faults seen")),
        );
        lines
    }

    /// A latency: of the last second, or of all of the load once that is over; and its course.
    fn course(
        &self,
        width: usize,
        label: &str,
        whole: Quantiles,
        of: fn(&Point) -> Quantiles,
    ) -> Line {
        let is_over = self.load.is_some_and(|(_, end)| self.now > end);
        let now = match self.score.series.last() {
            Some(last) if !is_over => of(last),
            _ => whole,
        };
        let text = format!("p50 {:7.1} ms  p99 {:8.1} ms  ", now.p50, now.p99);
        let rest = width.saturating_sub(NAME + text.chars().count());
        let values: Vec<_> = self.score.series.iter().map(|point| of(point).p99).collect();
        Line::new(width)
            .add(Colour::Faint, name(label))
            .add(Colour::Plain, text)
            .add(Colour::Good, spark(&values, rest.min(60)))
    }

    /// How much of the load is done, in words and as a part.
    fn done(&self) -> (String, f64) {
        let Some((begin, end)) = self.load else { return ("load".to_owned(), 0.0) };
        let part = (self.now - begin) / (end - begin).max(1.0);
        (format!("{:.0} s", (self.now - begin).clamp(0.0, end - begin)), part.clamp(0.0, 1.0))
    }

    /// What was broken when, from the load's beginning to its end.
    fn time_line(&self, width: usize) -> Line {
        let rest = width.saturating_sub(NAME + 6);
        let line = Line::new(width).add(Colour::Faint, name("time line"));
        let Some((begin, end)) = self.load else { return line };
        let at = |time: f64| cells((time - begin) / (end - begin).max(1.0), rest);
        let is_broken = |cell: usize| {
            self.marks
                .iter()
                .any(|mark| at(mark.began) <= cell && cell <= at(mark.ended.unwrap_or(self.now)))
        };
        let mut line = line;
        for cell in 0..rest {
            let is_past = cell < at(self.now);
            line = match (is_broken(cell), is_past) {
                (true, _) => line.add(Colour::Bad, "█".to_owned()),
                (false, true) => line.add(Colour::Good, "─".to_owned()),
                (false, false) => line.add(Colour::Faint, "·".to_owned()),
            };
        }
        line
    }
}

// === impl Line ===

impl Line {
    const fn new(width: usize) -> Self {
        Self { width, pieces: Vec::new() }
    }

    /// Adds as much of the piece as fits.
    fn add(mut self, colour: Colour, text: impl Into<String>) -> Self {
        let room = self.width.saturating_sub(self.width());
        let text: String = text.into().chars().take(room).collect();
        match self.pieces.last_mut() {
            Some((of, last)) if *of == colour => last.push_str(&text),
            _ => self.pieces.push((colour, text)),
        }
        self
    }

    /// How many columns it takes.
    pub(super) fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.chars().count()).sum()
    }

    /// For the terminal.
    pub(super) fn text(&self, has_colours: bool) -> String {
        let piece = |(colour, text): &(Colour, String)| match colour {
            Colour::Plain => text.clone(),
            _ if !has_colours => text.clone(),
            colour => format!("\x1b[{}m{text}\x1b[0m", colour.code()),
        };
        self.pieces.iter().map(piece).collect()
    }
}

// === impl Colour ===

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Title => "1",
            Self::Faint => "2",
            Self::Good => "36",
            Self::Bad => "1;31",
        }
    }
}

const fn bad_if(is_bad: bool) -> Colour {
    if is_bad { Colour::Bad } else { Colour::Faint }
}

fn name(name: &str) -> String {
    format!("{name:<NAME$}")
}

fn rates(point: &Point) -> String {
    let counts = point.counts;
    let (offered, answered, shown) = (counts.offered, counts.accepted, counts.shown);
    format!("offered {offered:4}  answered {answered:4}  shown {shown:5}")
}

/// How many of `all` cells a part fills.
fn cells(part: f64, all: usize) -> usize {
    let all_as = f64::from(u32::try_from(all).unwrap_or(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to all")]
    let filled = (part.clamp(0.0, 1.0) * all_as) as usize;
    filled.min(all)
}

/// The last values as a line of blocks, the highest of them being a full one.
fn spark(values: &[f64], width: usize) -> String {
    let values = &values[values.len().saturating_sub(width)..];
    let highest = values.iter().fold(0.0, |a: f64, &b| a.max(b));
    let block = |value: &f64| match highest > 0.0 && *value > 0.0 {
        true => EIGHTHS[cells(value / highest, EIGHTHS.len()).min(EIGHTHS.len() - 1)],
        false => ' ',
    };
    values.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        Picture {
            scenario: "steady",
            phase: "under load",
            now: 60.0,
            load: Some((10.0, 110.0)),
            marks: vec![Mark { what: "kill a".to_owned(), began: 30.0, ended: Some(40.0) }],
            ..Picture::default()
        }
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [1, 5, 20, 40, 80, 200] {
            let lines = picture().lines(width);
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:#?}");
        }
    }

    #[test]
    fn the_bar_and_the_time_line_say_how_far_it_is_and_what_was_broken() {
        let lines: Vec<_> = picture().lines(116).iter().map(|line| line.text(false)).collect();
        assert!(lines[1].contains(" 50 %") && lines[1].matches('█').count() == 50, "{}", lines[1]);
        let line = &lines[6];
        assert_eq!(line.matches('█').count(), 11, "{line}");
        assert_eq!(line.matches('─').count(), 39, "{line}");
        assert!(lines[7].contains("nothing now; 1 so far"), "{}", lines[7]);
    }

    #[test]
    fn what_is_broken_now_is_named() {
        let mut picture = picture();
        picture.marks[0].ended = None;
        let lines = picture.lines(80);
        assert!(lines[7].text(false).contains("kill a from 30.0 s on"));
        assert!(lines[7].text(true).contains("\x1b[1;31m"));
    }

    #[test]
    fn a_spark_is_as_high_as_its_value() {
        assert_eq!(spark(&[0.0, 1.0, 4.0, 8.0], 3), "▂▅█");
        assert_eq!(spark(&[0.0, 0.0], 10), "  ");
    }
}
