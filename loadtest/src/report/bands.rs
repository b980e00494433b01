//! What was broken when, as the page shows it: rows of a time line, and bands over the plots.

use std::fmt::Write;

use super::html::escape;
use crate::timeline::Mark;

/// Every mark, with the number of its kind.
#[derive(Debug)]
pub(super) struct Bands {
    bands: Vec<Band>,
    /// Each thing that was broken, once; the first has number 1.
    kinds: Vec<String>,
}

/// A mark.
#[derive(Debug)]
pub(super) struct Band {
    pub(super) began: f64,
    pub(super) ended: Option<f64>,
    pub(super) sentence: String,
    kind: usize,
}

// === impl Bands ===

impl Bands {
    pub(super) fn of(marks: &[Mark]) -> Self {
        let mut kinds: Vec<String> = Vec::new();
        let bands = marks.iter().map(|mark| {
            let found = kinds.iter().position(|kind| *kind == mark.what);
            let kind = found.unwrap_or_else(|| {
                kinds.push(mark.what.clone());
                kinds.len() - 1
            });
            Band { began: mark.began, ended: mark.ended, sentence: mark.sentence(), kind }
        });
        let bands = bands.collect();
        Self { bands, kinds }
    }

    pub(super) fn all(&self) -> &[Band] {
        &self.bands
    }

    /// The numbers above a plot from `first` to `last`.
    pub(super) fn badges(&self, first: f64, last: f64) -> String {
        let mut html = String::new();
        let mut right = f64::NEG_INFINITY;
        for band in &self.bands {
            let left = percent(band.began, first, last);
            // Where many lie close together, the first one is named.
            if left - right < 2.5 {
                continue;
            }
            right = left;
            // Writing into a string cannot fail, here and below.
            let _infallible = write!(
                html,
                "<span class=\"n\" style=\"left:{left:.1}%\">{}</span>",
                band.kind + 1
            );
        }
        html
    }

    /// A row for each thing that was broken, from `first` to `last`; empty where nothing was.
    pub(super) fn rows(&self, first: f64, last: f64) -> String {
        let mut html = String::new();
        for (place, kind) in self.kinds.iter().enumerate() {
            let of_kind = || self.bands.iter().filter(|band| band.kind == place);
            let bars: String = of_kind()
                .map(|band| {
                    let begin = percent(band.began, first, last);
                    let end = percent(band.ended.unwrap_or(last), first, last);
                    format!(
                        "<i title=\"{}\" style=\"left:{begin:.2}%;width:{:.2}%\"></i>",
                        escape(&band.sentence),
                        end - begin
                    )
                })
                .collect();
            let times: Vec<_> = of_kind().map(Band::times).take(SAID).collect();
            let more = of_kind().count().saturating_sub(SAID);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let _infallible = write!(
                html,
                "<li><b class=\"n\">{}</b><span class=\"what\">{}</span>\
                 <span class=\"bar\">{bars}</span><small>{}{more}</small></li>",
                place + 1,
                escape(kind),
                times.join(", ")
            );
        }
        html
    }
}

/// So many times of a kind are said in words.
const SAID: usize = 6;

// === impl Band ===

impl Band {
    fn times(&self) -> String {
        match self.ended {
            Some(ended) if ended - self.began < 0.1 => format!("{:.1} s", self.began),
            Some(ended) => format!("{:.1} s for {:.1} s", self.began, ended - self.began),
            None => format!("{:.1} s, never mended", self.began),
        }
    }
}

fn percent(time: f64, first: f64, last: f64) -> f64 {
    ((time - first) / (last - first).max(1.0) * 100.0).clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_again_keeps_its_number_and_its_row() {
        let mark = |what: &str, began: f64| Mark {
            what: what.to_owned(),
            began,
            ended: Some(began + 5.0),
        };
        let bands = Bands::of(&[mark("a", 10.0), mark("<b>", 30.0), mark("a", 50.0)]);
        let badges = bands.badges(0.0, 100.0);
        assert_eq!(badges.matches(">1</span>").count(), 2, "{badges}");
        let rows = bands.rows(0.0, 100.0);
        assert_eq!((rows.matches("<li>").count(), rows.matches("<i ").count()), (2, 3), "{rows}");
        assert!(rows.contains("&lt;b&gt;") && rows.contains("left:10.00%;width:5.00%"), "{rows}");
    }

    #[test]
    fn badges_do_not_cover_each_other() {
        let marks = (0..100).map(|at| Mark {
            what: "a".to_owned(),
            began: f64::from(at),
            ended: Some(f64::from(at)),
        });
        let bands = Bands::of(&marks.collect::<Vec<_>>());
        assert!(bands.badges(0.0, 100.0).matches("</span>").count() <= 40);
    }
}
