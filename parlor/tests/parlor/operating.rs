//! What operators read holds: every setting and metric is in docs/OPERATING.md, and it, the alerts
//! and the dashboards name nothing that is not there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use parlor_testbed::{client::http::Ask, nodes::Parlor};

const DEFAULTS: &str = "parlor/defaults.toml";
const OPERATING: &str = "docs/OPERATING.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below `folder`, those of tests left out.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The names after `parlor_`, that included, which are whole words of `text`. One before a `=` is a
/// crate in a filter.
fn metric_names(text: &str) -> BTreeSet<&str> {
    let part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let begins = text.match_indices("parlor_").filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(|char| !part(char) && char != '-')
    });
    let words = begins.map(|(at, _)| {
        let rest = &text[at..];
        rest.split_at(rest.find(|char| !part(char)).unwrap_or(rest.len()))
    });
    words.filter(|(_, after)| !after.starts_with('=')).map(|(name, _)| name).collect()
}

/// Every metric that a part registers: the names in `*/src/**/metrics.rs`, tiers' included.
fn registered() -> BTreeSet<String> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let source = entry.unwrap().path().join("src");
        if source.is_dir() {
            files(&source, &mut sources);
        }
    }
    sources.retain(|path| path.file_name().is_some_and(|name| name == "metrics.rs"));
    let texts: Vec<_> = sources.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    // In code a metric's name is a text; what is not is the name of a crate.
    let names =
        texts.iter().flat_map(|text| metric_names(text).into_iter().map(move |name| (name, text)));
    names
        .filter(|(name, text)| text.contains(&format!("\"{name}\"")))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Every setting by its dotted name, with its default; `None` for one that has none and is a
/// comment in the file. A table on one line is a value.
fn settings() -> BTreeMap<String, Option<Value>> {
    let text = read(DEFAULTS);
    let is_key = |line: &str| {
        let key = line.split_once(" = ").map(|(key, _)| key);
        key.is_some_and(|key| {
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
    };
    let uncommented: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line))
        .collect();
    let (set, all): (Table, Table) =
        (text.parse().unwrap(), uncommented.join("\n").parse().unwrap());
    let mut found = BTreeMap::new();
    flatten("", &all, &text, &mut found);
    let mut of_set = BTreeMap::new();
    flatten("", &set, &text, &mut of_set);
    found.into_keys().map(|key| (key.clone(), of_set.get(&key).cloned())).collect()
}

fn flatten(prefix: &str, table: &Table, text: &str, found: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            // `embedded` has no header of its own, only `embedded.log` has.
            Value::Table(inner) if text.contains(&format!("\n[{key}")) => {
                flatten(&key, inner, text, found)
            }
            _ => drop(found.insert(key, value.clone())),
        }
    }
}

/// The rows of the settings' tables: name and default as written.
fn documented_settings(text: &str) -> BTreeMap<&str, &str> {
    let section = text.split("\n## ").find(|section| section.starts_with("Settings")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(key, rest)| (key, rest.split(" | ").next().unwrap().trim_matches('`'))).collect()
}

#[test]
fn every_metric_is_documented_and_none_that_is_not_there() {
    let (registered, text) = (registered(), read(OPERATING));
    assert!(registered.len() > 40, "the sources were not found: {registered:?}");
    let documented: BTreeSet<_> = metric_names(&text).into_iter().map(str::to_owned).collect();
    let missing: Vec<_> = registered.difference(&documented).collect();
    assert!(missing.is_empty(), "not in {OPERATING}: {missing:?}");
    let gone: Vec<_> = documented.difference(&registered).collect();
    assert!(gone.is_empty(), "in {OPERATING}, and no part has it: {gone:?}");
}

#[test]
fn alerts_and_dashboards_ask_for_metrics_that_are_there() {
    let registered = registered();
    let mut asking = Vec::new();
    files(&root().join("deploy/prometheus"), &mut asking);
    files(&root().join("deploy/grafana"), &mut asking);
    let mut asked = 0;
    for path in asking {
        let text = fs::read_to_string(&path).unwrap();
        for name in metric_names(&text) {
            asked += 1;
            let parts =
                ["_bucket", "_sum", "_count"].iter().filter_map(|suffix| name.strip_suffix(suffix));
            let there = registered.contains(name)
                || parts.into_iter().any(|name| registered.contains(name));
            assert!(there, "{} asks for {name}, and no part has it", path.display());
        }
    }
    assert!(asked > 10, "neither alerts nor dashboards were found");
}

#[test]
fn every_setting_is_documented_with_its_default_and_none_that_is_not_there() {
    let (settings, text) = (settings(), read(OPERATING));
    assert!(settings.contains_key("sockets.resume.page"), "{settings:?}");
    let documented = documented_settings(&text);
    for (key, default) in &settings {
        let Some(written) = documented.get(key.as_str()) else {
            panic!("{key} is not in {OPERATING}")
        };
        let Some(default) = default else {
            assert_eq!(*written, "none", "{key} has no default");
            continue;
        };
        let written: Table =
            format!("x = {written}").parse().unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(written["x"], *default, "the default of {key}");
    }
    let gone: Vec<_> = documented.keys().filter(|key| !settings.contains_key(**key)).collect();
    assert!(gone.is_empty(), "in {OPERATING}, and {DEFAULTS} does not know it: {gone:?}");
}

#[tokio::test]
async fn everything_a_running_node_shows_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    let metrics = Ask::bare("GET", "/metrics").send(parlor.admin).await.expect(200).text();
    let text = read(OPERATING);
    let shown: Vec<_> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(shown.contains(&"process_resident_memory_bytes"), "{shown:?}");
    for name in shown {
        assert!(text.contains(&format!("`{name}`")), "{name} is shown, and is not in {OPERATING}");
    }
}
