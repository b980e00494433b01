//! Making the topology whole, whatever was done to it.

use std::{fs, time::Duration};

use anyhow::ensure;
use tokio::time::{Instant, sleep};

use super::{Tiers, node::Target};
use crate::{network::Network, process::Process, servers::kind::Kind};

/// A database that was stopped takes some seconds, and what waited for it some more.
const WITHIN: Duration = Duration::from_secs(120);

impl Tiers {
    /// Mends what is broken and waits until everything is ready again: frozen processes go on, the
    /// network is whole, the tenants file is as it was, and what does not run is started.
    ///
    /// # Errors
    /// Something does not become ready.
    pub async fn heal(&self) -> anyhow::Result<()> {
        self.thaw();
        if self.has_network() {
            self.turn("all", "all", Network::Whole).await?;
        }
        fs::write(self.tenants_file(), self.tenants())?;
        self.start_nats().await?;
        let servers = Kind::Cql.nodes().iter().copied();
        let nodes = self.all_nodes().into_iter().map(|(tier, number)| Target::Node(tier, number));
        let balancer = std::iter::once(Target::Balancer);
        for target in servers.map(Target::Server).chain(nodes).chain(balancer) {
            if !self.processes(target).iter().all(Process::is_alive) {
                self.start(target).await?;
            }
        }
        let deadline = Instant::now() + WITHIN;
        while !self.is_well().await {
            ensure!(Instant::now() < deadline, "the topology does not become ready again");
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Lets every frozen process go on.
    pub(super) fn thaw(&self) {
        let servers = Kind::Nats3.nodes().iter().chain(Kind::Cql.nodes()).copied();
        let nodes = self.all_nodes().into_iter().map(|(tier, number)| Target::Node(tier, number));
        for target in servers.map(Target::Server).chain(nodes) {
            // What does not run is not frozen.
            self.resume(target).ok();
        }
    }
}
