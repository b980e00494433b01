//! What the harness itself ran on: latencies mean nothing without it.

use std::fs;

use serde::Serialize;

/// The machine, as far as it tells.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Machine {
    pub(super) processor: Option<String>,
    pub(super) cores: usize,
    pub(super) memory_gib: Option<f64>,
    pub(super) kernel: Option<String>,
    /// Of the last minute and of the last five, when the run was over.
    pub(super) load_average: Option<(f64, f64)>,
    /// This harness.
    pub(super) harness: &'static str,
    /// Whether the harness was built without optimisation.
    pub(super) is_harness_debug: bool,
}

// === impl Machine ===

impl Machine {
    /// The one it runs on, now.
    pub(super) fn here() -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        let value = |path: &str, name: &str| {
            let text = text(path)?;
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kib = value("/proc/meminfo", "MemTotal")
            .and_then(|total| total.split(' ').next()?.parse::<f64>().ok());
        let averages = text("/proc/loadavg").unwrap_or_default();
        let mut averages = averages.split(' ').map(str::parse);
        let load_average = match (averages.next(), averages.next()) {
            (Some(Ok(one)), Some(Ok(five))) => Some((one, five)),
            _ => None,
        };
        Self {
            processor: value("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kib.map(|kib| kib / 1024.0 / 1024.0),
            kernel: text("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned()),
            load_average,
            harness: env!("CARGO_PKG_VERSION"),
            is_harness_debug: cfg!(debug_assertions),
        }
    }

    /// In one line.
    pub(super) fn sentence(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.processor.clone());
        parts.push(format!("{} cores", self.cores));
        parts.extend(self.memory_gib.map(|gib| format!("{gib:.1} GiB")));
        parts.extend(self.kernel.as_ref().map(|kernel| format!("Linux {kernel}")));
        parts.extend(
            self.load_average
                .map(|(one, five)| format!("load averages {one:.1} and {five:.1} at the end")),
        );
        let build = if self.is_harness_debug { " (debug build)" } else { "" };
        parts.push(format!("harness {}{build}", self.harness));
        parts.join(", ")
    }
}
