//! Waiting for the topology: until a node is ready, and until the balancer knows.

use std::time::Duration;

use anyhow::{bail, ensure};
use tokio::time::{Instant, sleep};

use super::{Tiers, node::Tier};
use crate::{client::http, process::Process};

impl Tiers {
    pub(super) async fn is_ready(&self, node: (Tier, u16)) -> bool {
        http::get(self.admin(node), "/ready").await.is_ok_and(|answer| answer.status == 200)
    }

    pub(super) async fn wait_until_ready(&self, node: (Tier, u16)) -> anyhow::Result<()> {
        let ready = async || self.is_ready(node).await;
        wait_for(&self.node(node), Duration::from_secs(60), "ready", ready).await
    }

    /// Waits until the balancer sends clients to a node that is ready; its checks find out a moment
    /// later.
    pub(super) async fn wait_until_served(&self, node: (Tier, u16)) -> anyhow::Result<()> {
        if node.0 == Tier::Persister || !self.process("haproxy").is_alive() {
            return Ok(());
        }
        let line = format!("{},{},", node.0.name(), self.node(node).name());
        let is_served = async || {
            let figures = http::get(self.figures(), "/;csv").await;
            figures.is_ok_and(|figures| {
                figures.text().lines().any(|row| row.starts_with(&line) && row.contains(",UP,"))
            })
        };
        wait_for(&self.node(node), Duration::from_secs(10), "seen by the balancer", is_served).await
    }
}

/// Waits until a condition holds; fails with the end of the process's log when it ends, or is
/// late.
pub(super) async fn wait_for(
    process: &Process,
    within: Duration,
    what: &str,
    holds: impl AsyncFn() -> bool,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + within;
    while !holds().await {
        let (name, alive) = (process.name(), process.is_alive());
        if !alive || Instant::now() > deadline {
            eprintln!("{}", process.last_lines());
            ensure!(alive, "{name} ended, see above");
            bail!("{name} is not {what} after {} s, see above", within.as_secs());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
