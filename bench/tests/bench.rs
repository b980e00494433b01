//! The shortest form of the benchmark: it measures everything it names, and compares. What came out
//! is not judged, since a machine that tests has other work.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not there")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor-bench"));
    command.args(arguments).args(["--runs", "1", "--seconds", "1", "--sockets", "60"]);
    command.args(["--room", "40", "--conversations", "4"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn rows(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("bench.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["rows"].as_array().unwrap().clone()
}

#[test]
fn everything_is_measured_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().to_str().unwrap();
    let said = bench(&["--on", "embedded,echo", "--report", report]);
    let said = String::from_utf8(said.stdout).unwrap();
    let page = fs::read_to_string(folder.path().join("bench.html")).unwrap();
    let rows = rows(folder.path());
    let subjects = [
        "accept", "pace", "rest", "sparse", "room", "idle", "opening", "through", "pages",
        "hot-page",
    ];
    for subject in subjects {
        let of = format!("{subject}, embedded");
        let own: Vec<_> = rows.iter().filter(|row| row["of"] == *of).collect();
        assert!(own.len() >= 2, "{of}: {rows:#?}");
        let heading = format!("<h2>{subject}</h2>");
        assert!(said.contains(&of) && page.contains(&heading), "{of} is not shown");
    }
    for row in &rows {
        let value = row["first"][0].as_f64().unwrap();
        assert!(value.is_finite() && value >= 0.0, "{row}");
        let counts = row["name"].as_str().unwrap().contains("per second");
        assert!(!counts || value > 0.0, "{row}");
    }
    let whole = rows.iter().filter(|row| row["name"].as_str().unwrap().contains("what was due"));
    for row in whole {
        assert_eq!(row["first"][0], 1.0, "{row}");
    }
}

#[test]
fn a_tier_is_measured_and_what_got_worse_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().to_str().unwrap();
    bench(&["accept", "--on", "tier-synced", "--report", report]);
    let mut rows = rows(folder.path());
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    for name in ["per second", "CPU µs of ingress", "CPU µs of nats", "p99 ms"] {
        assert!(names.iter().any(|other| other == name), "no {name}: {names:?}");
    }
    // As if it had been a hundred times as good before.
    for row in &mut rows {
        let factor = if row["name"] == "per second" { 100.0 } else { 0.01 };
        row["first"][0] = (row["first"][0].as_f64().unwrap() * factor).into();
    }
    let earlier = folder.path().join("earlier.json");
    fs::write(&earlier, serde_json::json!({ "rows": rows }).to_string()).unwrap();
    let said =
        bench(&["accept", "--on", "tier-synced", "--earlier", earlier.to_str().unwrap()]).stdout;
    let said = String::from_utf8(said).unwrap();
    let named: Vec<_> = said.lines().filter(|line| line.contains("A STEP BACK")).collect();
    assert!(named.iter().any(|line| line.contains("per second")), "{said}");
    assert!(named.iter().any(|line| line.contains("CPU µs of nats")), "{said}");
}
