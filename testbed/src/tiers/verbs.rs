//! What is done to the topology: it is started and ended, and so is a part of it.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::ensure;
use futures_util::future::{join_all, try_join_all};
use tokio::net::TcpStream;

use super::{
    GRACE, Tiers,
    node::{Target, Tier},
    say,
    waits::wait_for,
};
use crate::{
    balancer, secrets,
    servers::{kind::Kind, raw::Raw},
};

impl Tiers {
    /// Starts all of it.
    ///
    /// # Errors
    /// Something did not come up, and its log has been printed.
    pub async fn up(&self) -> anyhow::Result<()> {
        let _lock = self.place.lock("tiers")?;
        let binary = &self.settings.binary;
        ensure!(
            binary.is_file(),
            "there is no {}: cargo build --release, or name one with PARLOR_TIERS_BIN",
            binary.display()
        );
        self.place.install(&["nats", "cql", "haproxy"])?;
        fs::create_dir_all(self.secret(""))?;
        secrets::kept(&self.secret("installation"))?;
        secrets::kept(&self.secret("agents"))?;
        fs::write(self.tenants_file(), self.tenants())?;
        if self.settings.network && !self.process("network").is_alive() {
            self.start_network().await?;
        }
        self.start_servers().await?;
        say("provisioning streams, consumers and tables");
        self.provision(&[])?;
        for (tier, count) in self.settings.nodes {
            for node in (1..=count).map(|number| (tier, number)) {
                if !self.node(node).is_alive() {
                    self.launch_node(node).await?;
                }
            }
        }
        try_join_all(self.all_nodes().into_iter().map(|node| self.wait_until_ready(node))).await?;
        if !self.process("haproxy").is_alive() {
            self.start_balancer().await?;
        }
        say(&format!(
            "clients come in at http://{}; HAProxy's figures are at http://{}",
            self.front(),
            self.figures()
        ));
        Ok(())
    }

    /// Servers of which some run already are made whole with the data they had;
    /// [`Servers::up`](crate::servers::Servers::up) would begin anew.
    async fn start_servers(&self) -> anyhow::Result<()> {
        let servers = self.servers()?;
        if servers.any_alive(Kind::Nats3) {
            for node in Kind::Nats3.nodes() {
                if !servers.is_alive(*node) {
                    servers.start(*node).await?;
                }
            }
        }
        servers.up(&[Kind::Nats3, Kind::Cql]).await
    }

    /// Runs `parlor provision`, with these variables besides.
    ///
    /// # Errors
    /// It fails; it has said why.
    pub fn provision(&self, variables: &[(String, String)]) -> anyhow::Result<()> {
        let monitors = self.servers()?.monitors(Kind::Nats3);
        let mut command = Command::new(&self.settings.binary);
        command.arg("provision").env_clear().envs(self.environment("provision", None)?);
        command.env("PARLOR_PROVISION__MONITORS", format!("{monitors:?}"));
        command.envs(variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        let status = command.status()?;
        ensure!(status.success(), "parlor provision: {status}");
        Ok(())
    }

    /// Deletes the stream of a shard, as a person does by mistake.
    ///
    /// # Errors
    /// NATS does not do it.
    pub async fn forget_stream(&self, shard: u16) -> anyhow::Result<()> {
        let password = secrets::kept(&self.secret("nats-provision"))?;
        let addresses = self.servers()?.address(Kind::Nats3);
        let url = addresses.split(',').next().unwrap_or_default();
        let mut raw = Raw::connect_as(url, "provision", &password).await?;
        raw.api(&format!("STREAM.DELETE.CHAT_{shard:02}_1"), "").await;
        Ok(())
    }

    /// Ends what was started in this folder, and nothing else.
    ///
    /// # Errors
    /// A folder cannot be removed.
    pub async fn down(&self) -> anyhow::Result<()> {
        let _lock = self.place.lock("tiers")?;
        // What is frozen would hear nothing of its end.
        self.thaw();
        let nodes = self.all_nodes().into_iter().map(|node| self.node(node));
        let processes: Vec<_> = ["haproxy", "network"]
            .map(|name| self.process(name))
            .into_iter()
            .chain(nodes)
            .collect();
        join_all(processes.iter().map(|process| process.end(GRACE))).await;

        for process in processes.iter().filter(|process| process.folder().exists()) {
            fs::remove_dir_all(process.folder())?;
        }
        if self.secret("").is_dir() {
            self.servers()?.down().await?;
        }
        self.unmount_all()
    }

    /// Kills a target: `kill -9`.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill(&self, target: Target) -> anyhow::Result<()> {
        match target {
            Target::Server(node) => self.servers()?.kill(node).await,
            Target::Balancer => self.process("haproxy").kill().await,
            Target::Node(tier, number) => self.node((tier, number)).kill().await,
            Target::Tier(tier) => self.each(tier, |node| Box::pin(self.kill(node))).await,
        }
    }

    /// Stops a target: SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// It does not run.
    pub async fn stop(&self, target: Target) -> anyhow::Result<()> {
        let process = match target {
            Target::Server(node) => return self.servers()?.stop(node).await,
            Target::Tier(tier) => return self.each(tier, |node| Box::pin(self.stop(node))).await,
            Target::Balancer => self.process("haproxy"),
            Target::Node(tier, number) => self.node((tier, number)),
        };
        ensure!(process.is_alive(), "{} does not run", process.name());
        process.end(GRACE).await;
        Ok(())
    }

    /// Starts a target again, with the data it had, and waits until it is ready.
    ///
    /// # Errors
    /// It runs already, or does not become ready.
    pub async fn start(&self, target: Target) -> anyhow::Result<()> {
        match target {
            Target::Server(node) => self.servers()?.start(node).await,
            Target::Tier(tier) => self.each(tier, |node| Box::pin(self.start(node))).await,
            Target::Balancer => {
                ensure!(!self.process("haproxy").is_alive(), "haproxy runs already");
                self.start_balancer().await
            }
            Target::Node(tier, number) => {
                let node = (tier, number);
                ensure!(!self.node(node).is_alive(), "{} runs already", self.node(node).name());
                self.launch_node(node).await?;
                self.wait_until_ready(node).await?;
                self.wait_until_served(node).await
            }
        }
    }

    /// Starts the NATS nodes that do not run, all at once: one alone has no leader and never
    /// answers.
    ///
    /// # Errors
    /// They do not answer.
    pub async fn start_nats(&self) -> anyhow::Result<()> {
        self.servers()?.start_all(Kind::Nats3).await
    }

    /// Freezes a target with SIGSTOP: it holds its connections and does nothing.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&self, target: Target) -> anyhow::Result<()> {
        self.processes(target).iter().try_for_each(|process| process.signal("-STOP"))
    }

    /// Ends that.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&self, target: Target) -> anyhow::Result<()> {
        self.processes(target).iter().try_for_each(|process| process.signal("-CONT"))
    }

    /// Does something to all nodes of a tier, side by side.
    async fn each<F>(&self, tier: Tier, what: impl Fn(Target) -> F) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let nodes = self.nodes(tier).into_iter();
        try_join_all(nodes.map(|(tier, number)| what(Target::Node(tier, number)))).await?;
        Ok(())
    }

    /// Stops and starts the nodes of a tier, one after another.
    ///
    /// # Errors
    /// One does not become ready.
    pub async fn roll(&self, tier: Tier) -> anyhow::Result<()> {
        for (tier, number) in self.nodes(tier) {
            say(&format!("rolling {}-{number}", tier.name()));
            self.stop(Target::Node(tier, number)).await?;
            self.start(Target::Node(tier, number)).await?;
        }
        Ok(())
    }

    // --- processes ---

    async fn launch_node(&self, node: (Tier, u16)) -> anyhow::Result<()> {
        let command = Command::new(&self.settings.binary);
        Ok(self.node(node).launch(self.as_node(command, node)?).await?)
    }

    /// A command that ends with the program becomes a node.
    pub(super) fn as_node(
        &self,
        mut command: Command,
        node: (Tier, u16),
    ) -> anyhow::Result<Command> {
        let role = node.0.name();
        command.arg(role).env_clear().envs(self.environment(role, Some(node))?);
        command.env("PARLOR_LISTEN", self.listen(node).to_string());
        command.env("PARLOR_ADMIN", self.admin(node).to_string());
        Ok(command)
    }

    async fn start_balancer(&self) -> anyhow::Result<()> {
        let process = self.process("haproxy");
        let backends = [Tier::Ingress, Tier::Fanout].map(|tier| {
            let line = |node| (self.node(node).name(), self.listen(node), self.admin(node).port());
            (tier.name(), self.nodes(tier).into_iter().map(line).collect())
        });
        let file = process.folder().join("haproxy.cfg");
        fs::create_dir_all(process.folder())?;
        fs::write(&file, balancer::configuration(&backends))?;
        let mut command = Command::new(balancer::program());
        command.arg("-f").arg(file).env_clear();
        command.env("PARLOR_BIND", self.front().to_string());
        command.env("PARLOR_STATS", self.figures().to_string());
        process.launch(command).await?;
        let listens = async || {
            TcpStream::connect(self.front()).await.is_ok()
                && TcpStream::connect(self.figures()).await.is_ok()
        };
        wait_for(&process, Duration::from_secs(10), "listening", listens).await
    }
}
