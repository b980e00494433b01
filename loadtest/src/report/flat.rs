//! Whether a node's memory and descriptors stayed flat over the load.

use serde::Serialize;

use crate::nodes::{NodeSeries, Sample};

/// How a node changed from the first third of the load to the last, as means.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Growth {
    pub(super) node: String,
    pub(super) memory_bytes: (f64, f64),
    pub(super) open_files: (f64, f64),
}

/// A growth below these is a heap's and a pool's usual swing, whatever its share.
const MEMORY_SWING: f64 = 16.0 * 1024.0 * 1024.0;
const FILES_SWING: f64 = 16.0;

// === impl Growth ===

impl Growth {
    /// `None` where the node said too little.
    pub(super) fn of(node: &NodeSeries, load_began: f64) -> Option<Self> {
        let samples: Vec<_> = node.samples.iter().filter(|of| of.at >= load_began).collect();
        let third = samples.len() / 3;
        let (first, last) = (&samples[..third], &samples[samples.len() - third..]);
        let change = |of: fn(&Sample) -> Option<f64>| Some((mean(first, of)?, mean(last, of)?));
        Some(Self {
            node: node.name.clone(),
            memory_bytes: change(|sample| sample.memory_bytes)?,
            open_files: change(|sample| sample.open_files)?,
        })
    }

    /// What grew by more than so many percent.
    pub(super) fn broken(&self, percent: u32) -> Option<String> {
        let grew = |(first, last): (f64, f64), swing: f64| {
            last > first * (1.0 + f64::from(percent) / 100.0) && last - first > swing
        };
        if grew(self.memory_bytes, MEMORY_SWING) {
            let (first, last) = self.memory_bytes;
            let mib = |bytes: f64| bytes / 1024.0 / 1024.0;
            let node = &self.node;
            return Some(format!("{node} grew from {:.0} to {:.0} MiB", mib(first), mib(last)));
        }
        let (first, last) = self.open_files;
        grew(self.open_files, FILES_SWING)
            .then(|| format!("{} grew from {first:.0} to {last:.0} descriptors", self.node))
    }
}

fn mean(samples: &[&Sample], of: fn(&Sample) -> Option<f64>) -> Option<f64> {
    let values: Vec<_> = samples.iter().filter_map(|sample| of(sample)).collect();
    let count = u32::try_from(values.len()).ok().filter(|count| *count > 0)?;
    Some(values.iter().sum::<f64>() / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1024.0 * 1024.0;

    fn growth(memory: impl Fn(f64) -> f64, files: impl Fn(f64) -> f64) -> Growth {
        let sample = |at: f64| Sample {
            at,
            memory_bytes: Some(memory(at)),
            open_files: Some(files(at)),
            ..Sample::default()
        };
        let samples = (0..30).map(|at| sample(f64::from(at))).collect();
        Growth::of(&NodeSeries { name: "a".to_owned(), samples }, 0.0).unwrap()
    }

    #[test]
    fn what_grows_by_more_than_allowed_is_named() {
        let flat = growth(|_| 100.0 * MIB, |_| 50.0);
        assert_eq!(flat.broken(10), None);
        let leak = growth(|at| (100.0 + 5.0 * at) * MIB, |_| 50.0);
        assert_eq!(leak.broken(10).unwrap(), "a grew from 122 to 222 MiB");
        assert_eq!(leak.broken(100), None);
        let files = growth(|_| 100.0 * MIB, |at| 50.0 + 10.0 * at);
        assert!(files.broken(10).unwrap().contains("descriptors"));
        let swing = growth(|at| (20.0 + at / 3.0) * MIB, |_| 50.0);
        assert_eq!(swing.broken(10), None, "a few MiB are a heap's swing");
    }

    #[test]
    fn a_node_that_said_nothing_is_not_judged() {
        let samples = vec![Sample::default(); 30];
        assert!(Growth::of(&NodeSeries { name: "a".to_owned(), samples }, 0.0).is_none());
    }
}
