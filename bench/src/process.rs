//! What a process has used, from the process table (Linux).

use std::fs;

use anyhow::Context;

/// A server's process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) name: &'static str,
    pub(crate) pid: u32,
}

/// The process table counts in hundredths of a second.
const TICK_MICROS: f64 = 10_000.0;
const PAGE_BYTES: f64 = 4096.0;

// === impl Process ===

impl Process {
    /// This one.
    pub(crate) fn own() -> Self {
        Self { name: "client", pid: std::process::id() }
    }

    /// CPU so far, user and system, in microseconds.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let stat = self.file("stat")?;
        let fields = stat.rsplit_once(") ").context("no name")?.1.split(' ');
        let ticks: Vec<f64> = fields.skip(11).take(2).flat_map(str::parse).collect();
        Ok(ticks.iter().sum::<f64>() * TICK_MICROS)
    }

    /// Resident memory, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<f64> {
        let statm = self.file("statm")?;
        let pages: f64 = statm.split(' ').nth(1).context("no resident pages")?.parse()?;
        Ok(pages * PAGE_BYTES)
    }

    fn file(&self, name: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{name}", self.pid);
        fs::read_to_string(&path).with_context(|| format!("{} has ended: {path}", self.name))
    }
}
