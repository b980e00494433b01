//! Figures of several runs, side by side.

use std::{collections::BTreeMap, fmt::Write};

use serde::{Deserialize, Serialize};

use crate::{
    subject::{Figures, Subject},
    target::Topology,
};

/// Which build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    First,
    Other,
}

/// All that was measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

/// One figure.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Of what, and on what: "accept, embedded".
    pub(crate) of: String,
    pub(crate) name: String,
    pub(crate) first: Vec<f64>,
    pub(crate) other: Vec<f64>,
}

/// The least, the middle and the greatest of several values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

// === impl Table ===

impl Table {
    pub(crate) fn add(
        &mut self,
        subject: Subject,
        topology: Topology,
        side: Side,
        figures: Figures,
    ) {
        let of = format!("{}, {}", word(&subject), word(&topology));
        for (name, value) in figures {
            let at = self.rows.iter().position(|row| row.of == of && row.name == name);
            let at = at.unwrap_or_else(|| {
                self.rows.push(Row { of: of.clone(), name, first: Vec::new(), other: Vec::new() });
                self.rows.len() - 1
            });
            match side {
                Side::First => self.rows[at].first.push(value),
                Side::Other => self.rows[at].other.push(value),
            }
        }
    }

    /// By what is measured, in the order in which it was.
    pub(crate) fn groups(&self) -> Vec<(&str, Vec<&Row>)> {
        let mut groups: Vec<(&str, Vec<&Row>)> = Vec::new();
        for row in &self.rows {
            match groups.last_mut() {
                Some((of, rows)) if *of == row.of => rows.push(row),
                _ => groups.push((&row.of, vec![row])),
            }
        }
        groups
    }

    /// For people: least, median and greatest; the other build's and an earlier run's beside them.
    pub(crate) fn terminal(&self, earlier: Option<&Self>) -> String {
        let mut text = String::new();
        let before = earlier.map(Self::by_name).unwrap_or_default();
        for (of, rows) in self.groups() {
            text += &format!("{of}\n");
            for row in rows {
                write!(text, "  {:<52}", row.name).expect("a string grows");
                for spread in [Spread::of(&row.first), Spread::of(&row.other)].iter().flatten() {
                    write!(text, "  {:>32}", spread.text()).expect("a string grows");
                }
                if let Some(ratio) = row.ratio() {
                    write!(text, "  {ratio:>6.2}×").expect("a string grows");
                }
                if let Some(said) = before.get(&row.key()).and_then(|before| row.worse_than(before))
                {
                    write!(text, "  {said}").expect("a string grows");
                }
                text += "\n";
            }
        }
        text
    }

    pub(crate) fn by_name(&self) -> BTreeMap<(String, String), &Row> {
        self.rows.iter().map(|row| (row.key(), row)).collect()
    }
}

// === impl Row ===

impl Row {
    pub(crate) fn key(&self) -> (String, String) {
        (self.of.clone(), self.name.clone())
    }

    /// Whether more is better.
    fn is_rate(&self) -> bool {
        self.name.contains("per second") || self.name.contains("delivered")
    }

    /// What the other build has of the first one's.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let (first, other) = (Spread::of(&self.first)?, Spread::of(&self.other)?);
        (first.median > 0.0).then(|| other.median / first.median)
    }

    /// Says so where even the best of these runs is worse than the worst of the earlier ones. What
    /// the client used is no step back.
    pub(crate) fn worse_than(&self, earlier: &Self) -> Option<String> {
        let (now, before) = (Spread::of(&self.first)?, Spread::of(&earlier.first)?);
        let is_worse = match self.is_rate() {
            true => now.most < before.least,
            false => now.least > before.most,
        };
        (is_worse && !self.name.contains("client"))
            .then(|| format!("A STEP BACK from {}", before.text()))
    }
}

// === impl Spread ===

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Self { least, median: f64::midpoint(low, high), most })
    }

    pub(crate) fn text(self) -> String {
        let [least, median, most] = [self.least, self.median, self.most].map(number);
        format!("{least} / {median} / {most}")
    }
}

/// With three digits that count, and thousands apart.
pub(crate) fn number(value: f64) -> String {
    if value.abs() >= 10_000.0 {
        format!("{:.1} k", value / 1000.0)
    } else if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|word| word.as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, first: &[f64]) -> Row {
        let (of, name) = ("accept, embedded".to_owned(), name.to_owned());
        Row { of, name, first: first.to_vec(), other: Vec::new() }
    }

    #[test]
    fn a_step_back_is_more_than_the_spread() {
        let before = row("per second", &[100.0, 110.0, 120.0]);
        assert_eq!(row("per second", &[90.0, 100.0, 95.0]).worse_than(&before), None);
        let said = row("per second", &[80.0, 90.0, 99.0]).worse_than(&before).unwrap();
        assert!(said.contains("100 / 110 / 120"), "{said}");
        let before = row("CPU µs", &[10.0, 12.0]);
        assert_eq!(row("CPU µs", &[12.0, 13.0]).worse_than(&before), None, "they touch");
        assert!(row("CPU µs", &[12.1, 13.0]).worse_than(&before).is_some());
        let client = row("client's cores", &[0.1]);
        assert_eq!(row("client's cores", &[0.9]).worse_than(&client), None);
    }

    #[test]
    fn figures_of_one_name_come_together_and_two_builds_stay_apart() {
        let mut table = Table::default();
        for value in [3.0, 1.0, 2.0] {
            let figures = || vec![("p50 ms".to_owned(), value)];
            table.add(Subject::HotPage, Topology::TierSynced, Side::First, figures());
            table.add(
                Subject::HotPage,
                Topology::TierSynced,
                Side::Other,
                vec![("p50 ms".to_owned(), 1.0)],
            );
        }
        assert_eq!(table.rows.len(), 1);
        assert_eq!(table.rows[0].of, "hot-page, tier-synced");
        let spread = Spread { least: 1.0, median: 2.0, most: 3.0 };
        assert_eq!(Spread::of(&table.rows[0].first), Some(spread));
        assert_eq!(Spread::of(&[4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(table.rows[0].ratio(), Some(0.5));
        assert!(table.terminal(None).contains("1.00 / 2.00 / 3.00"), "{}", table.terminal(None));
    }
}
