//! What nodes say of themselves on their operators' ports while the run goes on: memory,
//! descriptors, and how long each tier's part of the work took.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    address::Node,
    exposition::{Exposition, quantile},
    http::{Call, Http},
};

/// The nodes that are looked at.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: Vec<Node>,
    started: Instant,
    series: Mutex<Vec<NodeSeries>>,
}

/// A node over time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NodeSeries {
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

/// A node at a moment; `None` is what it did not say, or what did not occur since the last sample.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Sample {
    /// Seconds since the start.
    pub(crate) at: f64,
    pub(crate) memory_bytes: Option<f64>,
    pub(crate) open_files: Option<f64>,
    /// The 99th percentile since the last sample, in milliseconds: at the door, of an append to the
    /// log, of an insert into the store.
    pub(crate) door_p99: Option<f64>,
    pub(crate) append_p99: Option<f64>,
    pub(crate) insert_p99: Option<f64>,
    /// The age of the oldest event that the store has not got, in seconds.
    pub(crate) store_lag: Option<f64>,
}

/// What the last look at a node's histograms was.
#[derive(Debug, Default)]
struct Before {
    door: BTreeMap<String, f64>,
    append: BTreeMap<String, f64>,
    insert: BTreeMap<String, f64>,
}

const EVERY: Duration = Duration::from_secs(2);

// === impl Nodes ===

impl Nodes {
    /// Times are told in seconds since `started`.
    pub(crate) fn new(nodes: &[Node], started: Instant) -> Self {
        let series =
            nodes.iter().map(|node| NodeSeries { name: node.name.clone(), samples: Vec::new() });
        Self { nodes: nodes.to_vec(), started, series: Mutex::new(series.collect()) }
    }

    /// Looks at all of them every two seconds.
    pub(crate) async fn watch(&self) -> Infallible {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut befores: Vec<_> = self.nodes.iter().map(|_| Before::default()).collect();
        loop {
            ticks.tick().await;
            let looks = self.nodes.iter().zip(&mut befores).map(|(node, before)| async move {
                let at = self.started.elapsed().as_secs_f64();
                look(node, before).await.map_or_else(
                    || Sample { at, ..Sample::default() },
                    |sample| Sample { at, ..sample },
                )
            });
            let samples = join_all(looks).await;
            for (series, sample) in self.lock().iter_mut().zip(samples) {
                series.samples.push(sample);
            }
        }
    }

    /// Everything so far.
    pub(crate) fn series(&self) -> Vec<NodeSeries> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<NodeSeries>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look(node: &Node, before: &mut Before) -> Option<Sample> {
    let call = Call { method: "GET", path: "/metrics", headers: &[], body: None, deadline: EVERY };
    let mut http = Http::new(std::slice::from_ref(&node.address), 0);
    let answer = http.call(call).await.ok().filter(|answer| answer.status == 200)?;
    let text = String::from_utf8(answer.body).ok()?;
    let said = Exposition::new(&text);
    let p99 = |name: &str, label: &str, before: &mut BTreeMap<String, f64>| {
        let now = said.buckets(name, label);
        let last = std::mem::replace(before, now);
        quantile(0.99, before, &last).map(|seconds| seconds * 1000.0)
    };
    Some(Sample {
        at: 0.0,
        memory_bytes: said.value("process_resident_memory_bytes"),
        open_files: said.value("process_open_fds"),
        door_p99: p99("parlor_door_accept_seconds", "", &mut before.door),
        append_p99: p99("parlor_log_append_seconds", "", &mut before.append),
        insert_p99: p99(
            "parlor_store_operation_seconds",
            "operation=\"insert\"",
            &mut before.insert,
        ),
        store_lag: said.value("parlor_monitor_lag_seconds"),
    })
}
