//! An earlier run beside this one.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::html::{escape, thousands};

/// An earlier run's report.json. Only what is found in it is shown, so that one of another version
/// can be compared as well.
#[derive(Clone, Debug)]
pub(crate) struct Earlier(Value);

/// What is compared: its name, its place in the JSON, and its unit.
const FIGURES: [(&str, &str, &str); 18] = [
    ("begun", "/date", ""),
    ("scenario", "/scenario", ""),
    ("load", "/plan/load", ""),
    ("sockets", "/plan/sockets", ""),
    ("accepted", "/counts/accepted", ""),
    ("lost", "/verdict/lost", ""),
    ("missing", "/verdict/missing", ""),
    ("doubled", "/verdict/doubled", ""),
    ("reordered", "/verdict/reordered", ""),
    ("failed", "/counts/failed", ""),
    ("accept p50", "/score/accept/p50", "ms"),
    ("accept p99", "/score/accept/p99", "ms"),
    ("accept max", "/score/accept/max", "ms"),
    ("deliver p50", "/score/deliver/p50", "ms"),
    ("deliver p99", "/score/deliver/p99", "ms"),
    ("back p99", "/score/back/p99", "ms"),
    ("ceiling", "/ceiling/rate", "/s"),
    ("load average", "/machine/load_average/0", ""),
];

// === impl Earlier ===

impl Earlier {
    /// Reads a report.json.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let read = || {
            let value: Value = serde_json::from_slice(&fs::read(file)?)?;
            ensure!(value.pointer("/score/series").is_some(), "this is no report of a load test");
            anyhow::Ok(Self(value))
        };
        read().with_context(|| format!("--compare {}", file.display()))
    }

    /// The table, of this run and the earlier one.
    pub(super) fn table(&self, now: &Value) -> String {
        let row = |(name, pointer, unit): &(&str, &str, &str)| {
            let (one, other) = (now.pointer(pointer)?, self.0.pointer(pointer)?);
            if one.is_null() && other.is_null() {
                return None;
            }
            let change = match (one.as_f64(), other.as_f64()) {
                (Some(one), Some(other)) => change(one, other),
                _ => String::new(),
            };
            Some(format!(
                "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{}</td><td>{change}</td></tr>",
                cell(one, unit),
                cell(other, unit)
            ))
        };
        let rows: String = FIGURES.iter().filter_map(row).collect();
        format!(
            "<div class=\"scroll\"><table class=\"compare\"><thead><tr><td></td>\
             <th scope=\"col\">this run</th><th scope=\"col\">earlier</th>\
             <th scope=\"col\">change</th></tr></thead><tbody>{rows}</tbody></table></div>"
        )
    }

    /// A latency's quantile over time, moved so that both loads begin at the same time.
    pub(super) fn course(&self, latency: &str, load_began: f64) -> Vec<(f64, Option<f64>)> {
        let began = self.0.pointer("/load_began").and_then(Value::as_f64).unwrap_or_default();
        let series = self.0.pointer("/score/series").and_then(Value::as_array);
        let point = |point: &Value| {
            let at = point["at"].as_f64()? - began + load_began;
            let of = &point[latency];
            let count = of["count"].as_u64().unwrap_or_default();
            Some((at, of["p99"].as_f64().filter(|_| count > 0)))
        };
        series.into_iter().flatten().filter_map(point).collect()
    }
}

fn cell(value: &Value, unit: &str) -> String {
    match (value.as_u64(), value.as_f64(), value.as_str()) {
        (Some(whole), ..) => format!("{} {unit}", thousands(whole)),
        (_, Some(number), _) => format!("{number:.1} {unit}"),
        (.., Some(text)) => escape(text),
        _ => "none".to_owned(),
    }
}

fn change(now: f64, earlier: f64) -> String {
    if (now - earlier).abs() < f64::EPSILON {
        "=".to_owned()
    } else if earlier == 0.0 {
        format!("{:+.0}", now - earlier)
    } else {
        format!("{:+.0} %", (now / earlier - 1.0) * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(p99: f64, lost: u64) -> Value {
        let point = json!({ "at": 7.0, "accept": { "count": 1, "p99": p99 } });
        json!({
            "date": "2026-01-01T00:00:00Z", "scenario": "a<b", "load_began": 5.0,
            "verdict": { "lost": lost },
            "score": { "accept": { "p99": p99 }, "series": [point] },
        })
    }

    #[test]
    fn what_both_have_is_shown_side_by_side() {
        let table = Earlier(report(100.0, 0)).table(&report(150.0, 2));
        assert!(table.contains("<td>150.0 ms</td><td>100.0 ms</td><td>+50 %</td>"), "{table}");
        assert!(table.contains("<td>2 </td><td>0 </td><td>+2</td>"), "{table}");
        assert!(table.contains("a&lt;b") && !table.contains("deliver"), "{table}");
    }

    #[test]
    fn both_loads_begin_at_the_same_time() {
        assert_eq!(Earlier(report(100.0, 0)).course("accept", 10.0), [(12.0, Some(100.0))]);
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.json");
        fs::write(&file, "{}").unwrap();
        let error = format!("{:#}", Earlier::read(&file).unwrap_err());
        assert!(error.contains("no report of a load test"), "{error}");
        assert!(Earlier::read(&folder.path().join("absent")).is_err());
    }
}
