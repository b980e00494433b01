//! Looks at the operators' ports of all nodes while a fault is played.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use parlor_testbed::{
    client::http,
    tiers::{Tiers, node::Tier},
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::bound::{Bound, Figure};

/// What is seen at the nodes.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    tiers: &'a Tiers,
    seen: Mutex<Seen>,
}

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    looks: Vec<Look>,
    counters: HashMap<&'static str, f64>,
    last: HashMap<(String, &'static str), f64>,
    /// The slowest answer of a node that answered at all.
    pub(super) slowest: Duration,
    /// The most that a gauge was, at one node.
    most: HashMap<&'static str, f64>,
}

/// One look at all nodes.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    /// Every node is ready.
    is_ready: bool,
    /// The age of the oldest event that is not stored, as the node says that sees the most.
    lag: Option<f64>,
    /// What each of [`COUNTERS`] has grown by.
    grown: [f64; COUNTERS.len()],
}

/// What a node said of itself.
#[derive(Debug)]
struct Told {
    name: String,
    is_ready: bool,
    /// How long the slower of its answers took.
    took: Duration,
    metrics: Option<String>,
}

/// Sums of these are told as they grow; a node that is started anew begins at 0.
const COUNTERS: [&str; 8] = [
    "parlor_telemetry_lost_lines_total",
    "parlor_socket_closes_total{code=\"slow\"}",
    "parlor_history_store_reads_total",
    "parlor_resume_outcomes_total",
    "parlor_jetstream_append_attempts_total",
    "parlor_jetstream_append_retries_total",
    "parlor_log_appends_total{outcome=\"full\"}",
    "parlor_log_appends_total{outcome=\"unavailable\"}",
];
const GAUGES: [&str; 1] = ["parlor_auth_missing_tenants"];
const LAG: &str = "parlor_monitor_lag_seconds";
/// Nothing waits for the database where the oldest event is younger than this.
const NO_LAG: f64 = 2.0;
const EVERY: Duration = Duration::from_millis(500);
/// What has been mended stays so for as long, or until the end.
const STAYS: Duration = Duration::from_secs(3);

// === impl Watch ===

impl<'a> Watch<'a> {
    pub(super) fn new(tiers: &'a Tiers) -> Self {
        Self { tiers, seen: Mutex::default() }
    }

    /// Looks until it is dropped.
    pub(super) async fn look(&self) -> std::convert::Infallible {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let at = Instant::now();
            let nodes = self.tiers.all_nodes().into_iter().map(|node| self.ask(node));
            let nodes = join_all(nodes).await;
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).note(at, &nodes);
        }
    }

    async fn ask(&self, node: (Tier, u16)) -> Told {
        let admin = self.tiers.admin(node);
        let begun = Instant::now();
        let ready = http::get(admin, "/ready").await.ok();
        let first = begun.elapsed();
        let metrics = http::get(admin, "/metrics").await.ok();
        let second = begun.elapsed() - first;
        // Who does not answer is killed or frozen: that is not slow.
        let took = [ready.as_ref().map(|_| first), metrics.as_ref().map(|_| second)];
        Told {
            name: format!("{}-{}", node.0.name(), node.1),
            is_ready: ready.is_some_and(|answer| answer.status == 200),
            took: took.into_iter().flatten().max().unwrap_or_default(),
            metrics: metrics.map(|answer| answer.text()),
        }
    }

    /// Waits until what these bounds want has come right after `mended`, and stays so; no longer
    /// than they allow.
    pub(super) async fn settled(&self, mended: Instant, bounds: &[Bound], is_short: bool) {
        for (bound, patience) in bounds.iter().filter_map(|b| Some((b, b.patience(is_short)?))) {
            let until = mended + Duration::from_secs_f64(patience);
            loop {
                let seen = self.seen();
                let right = match bound.figure {
                    Figure::ReadyAgain => seen.ready_after(mended),
                    _ => seen.stored_after(mended),
                };
                let stayed = right.map(|after| mended + Duration::from_secs_f64(after) + STAYS);
                if Instant::now() >= stayed.unwrap_or(until) {
                    break;
                }
                sleep(EVERY).await;
            }
        }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

// === impl Seen ===

impl Seen {
    fn note(&mut self, at: Instant, nodes: &[Told]) {
        let mut lag: Option<f64> = None;
        for Told { name, took, metrics, .. } in nodes {
            self.slowest = self.slowest.max(*took);
            let Some(text) = metrics else { continue };
            if let Some(own) = sum(text, LAG) {
                lag = Some(lag.unwrap_or(0.0).max(own));
            }
            for counter in COUNTERS {
                let now = sum(text, counter).unwrap_or(0.0);
                let last = self.last.insert((name.clone(), counter), now);
                // What a node had counted before the first look is not of this run.
                let grown = last.map_or(0.0, |last| if now < last { now } else { now - last });
                *self.counters.entry(counter).or_default() += grown;
            }
            for gauge in GAUGES {
                let most = self.most.entry(gauge).or_default();
                *most = most.max(sum(text, gauge).unwrap_or(0.0));
            }
        }
        let is_ready = nodes.iter().all(|node| node.is_ready);
        let grown = COUNTERS.map(|counter| self.grown(counter));
        self.looks.push(Look { at, is_ready, lag, grown });
    }

    /// By how much a counter grew, over all nodes.
    pub(super) fn grown(&self, counter: &str) -> f64 {
        self.counters.get(counter).copied().unwrap_or(0.0)
    }

    /// By how much it grew in between, over all nodes.
    pub(super) fn grown_between(&self, counter: &str, from: Instant, to: Instant) -> Option<f64> {
        let index = COUNTERS.iter().position(|known| *known == counter)?;
        let by = |at: Instant| {
            let before = self.looks.iter().take_while(|look| look.at <= at);
            before.last().map(|look| look.grown[index])
        };
        Some(by(to)? - by(from)?)
    }

    /// The most that a gauge was.
    pub(super) fn most(&self, gauge: &str) -> f64 {
        self.most.get(gauge).copied().unwrap_or(0.0)
    }

    /// Seconds from `mended` to the look from which on every node is ready.
    pub(super) fn ready_after(&self, mended: Instant) -> Option<f64> {
        self.after(mended, |look| look.is_ready)
    }

    /// Seconds from `mended` to the look from which on nothing waits for the database.
    pub(super) fn stored_after(&self, mended: Instant) -> Option<f64> {
        self.after(mended, |look| look.lag.is_some_and(|lag| lag < NO_LAG))
    }

    /// From which look on it holds for [`STAYS`]. What goes wrong for another reason long after is
    /// not of the fault.
    fn after(&self, mended: Instant, holds: impl Fn(&Look) -> bool) -> Option<f64> {
        let since: Vec<_> = self.looks.iter().filter(|look| look.at >= mended).collect();
        let first = since.iter().enumerate().find(|(index, first)| {
            since[*index..].iter().take_while(|look| look.at <= first.at + STAYS).all(|l| holds(l))
        });
        first.map(|(_, look)| look.at.duration_since(mended).as_secs_f64())
    }
}

/// The sum of a metric's series; with a label, of those that have it.
fn sum(text: &str, metric: &str) -> Option<f64> {
    let (name, label) = metric.split_once('{').unwrap_or((metric, ""));
    let label = label.trim_end_matches('}');
    let mut sum = None;
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(name) else { continue };
        let is_it = rest.starts_with(' ') || rest.starts_with('{') && rest.contains(label);
        let value = rest.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        if let (true, Some(value)) = (is_it, value) {
            *sum.get_or_insert(0.0) += value;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_added_up_by_name_and_label() {
        let text = "# HELP a_total x\na_total{code=\"slow\"} 2\na_total{code=\"gone\"} 3\n\
            a_totals 9\nb 4\n";
        assert_eq!(sum(text, "a_total"), Some(5.0));
        assert_eq!(sum(text, "a_total{code=\"slow\"}"), Some(2.0));
        assert_eq!(sum(text, "b"), Some(4.0));
        assert_eq!(sum(text, "c"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn counters_go_on_over_a_node_that_is_started_anew_and_lag_must_stay_gone() {
        let begun = Instant::now();
        let mut seen = Seen::default();
        let mut look = |seconds, total: u32, lag: u32| {
            let text = format!("{} {total}\n{LAG} {lag}\n", COUNTERS[0]);
            let told = Told {
                name: "a".to_owned(),
                is_ready: lag < 5,
                took: Duration::ZERO,
                metrics: Some(text),
            };
            seen.note(begun + Duration::from_secs(seconds), &[told]);
        };
        look(0, 100, 0);
        look(1, 103, 9);
        look(2, 2, 0);
        look(3, 2, 6);
        look(4, 3, 1);
        look(5, 3, 0);
        assert_eq!(seen.grown(COUNTERS[0]), 3.0 + 2.0 + 1.0);
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(seen.grown_between(COUNTERS[0], at(1), at(3)), Some(2.0));
        assert_eq!(seen.grown_between("other", at(1), at(3)), None);
        assert_eq!(seen.stored_after(begun), Some(4.0));
        assert_eq!(seen.ready_after(begun + Duration::from_secs(4)), Some(0.0));
        assert_eq!(seen.ready_after(begun + Duration::from_secs(9)), None);
    }
}
