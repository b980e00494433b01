//! What can be seen of the topology, and what judges it from outside.

use std::{fs, os::unix::process::CommandExt, process::Command};

use anyhow::{Context, bail};

use super::{Tiers, node::Target, say};
use crate::servers::{
    kind::{Kind, Node},
    nats,
};

impl Tiers {
    /// Says what runs; false where something is not ready.
    ///
    /// # Errors
    /// It was never started.
    pub async fn status(&self) -> anyhow::Result<bool> {
        let mut well = self.servers()?.status().await;
        for node in self.all_nodes() {
            let (name, alive) = (self.node(node).name(), self.node(node).is_alive());
            let ready = alive && self.is_ready(node).await;
            say(&match (alive, ready) {
                (true, true) => {
                    let (listen, admin) = (self.listen(node), self.admin(node).port());
                    format!("{name}: ready at {listen}, admin port {admin}")
                }
                (true, false) => format!("{name}: not ready"),
                (false, _) => format!("{name}: not running"),
            });
            well &= ready;
        }
        let balanced = self.process("haproxy").is_alive();
        say(&if balanced {
            format!("haproxy: at http://{}", self.front())
        } else {
            "haproxy: not running".to_owned()
        });
        Ok(well && balanced)
    }

    /// Whether somebody has started it: the balancer is the last part that starts.
    pub fn is_up(&self) -> bool {
        self.process("haproxy").is_alive()
    }

    /// Whether everything runs and is ready.
    pub async fn is_well(&self) -> bool {
        let mut ready = self.process("haproxy").is_alive();
        for node in self.all_nodes() {
            ready &= self.is_ready(node).await;
        }
        ready
    }

    /// The address of the database.
    ///
    /// # Errors
    /// It was never started.
    pub fn database(&self) -> anyhow::Result<String> {
        Ok(self.servers()?.address(Kind::Cql))
    }

    /// The NATS node that leads the cluster, as the first of them that answers knows it.
    ///
    /// # Errors
    /// None answers, or there is no leader.
    pub async fn leading(&self) -> anyhow::Result<Node> {
        for monitor in self.monitors()? {
            if let Some(about) = nats::jetstream(monitor).await {
                let name = about["meta_cluster"]["leader"].as_str().unwrap_or_default();
                return name.parse().map_err(anyhow::Error::msg);
            }
        }
        bail!("no NATS node answers")
    }

    /// The NATS node with the most clients.
    ///
    /// # Errors
    /// None answers.
    pub async fn busiest(&self) -> anyhow::Result<Node> {
        let mut busiest = None;
        for (node, monitor) in Kind::Nats3.nodes().iter().zip(self.monitors()?) {
            if let Some(clients) = nats::connections(monitor).await {
                busiest = busiest.max(Some((clients, *node)));
            }
        }
        busiest.map(|(_, node)| node).context("no NATS node answers")
    }

    /// The monitoring ports of the NATS nodes.
    fn monitors(&self) -> anyhow::Result<Vec<u16>> {
        let monitors = self.servers()?.monitors(Kind::Nats3);
        let port = |monitor: &String| monitor.rsplit(':').next().and_then(|port| port.parse().ok());
        monitors.iter().map(port).collect::<Option<_>>().context("a monitor has a port")
    }

    /// How many streams each NATS node leads, and which leads the cluster, as the first of them
    /// that answers knows it.
    ///
    /// # Errors
    /// None answers.
    pub async fn leader(&self) -> anyhow::Result<()> {
        for monitor in self.monitors()? {
            let Some(about) = nats::jetstream(monitor).await else { continue };
            let details = about["account_details"].as_array().into_iter().flatten();
            let streams = details.filter_map(|account| account["stream_detail"].as_array());
            let leaders: Vec<_> =
                streams.flatten().map(|stream| stream["cluster"]["leader"].clone()).collect();
            for name in Kind::Nats3.nodes().iter().map(|node| node.name()) {
                let count = leaders.iter().filter(|leader| **leader == *name).count();
                let head = about["meta_cluster"]["leader"] == *name;
                let cluster = if head { " and the cluster" } else { "" };
                println!("{name} leads {count} streams{cluster}");
            }
            return Ok(());
        }
        bail!("no NATS node answers")
    }

    /// Becomes `parlor-loadtest steady` against it, with these arguments.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn load(&self, arguments: &[String]) -> anyhow::Result<()> {
        let mut harness = Command::new(self.settings.binary.with_file_name("parlor-loadtest"));
        harness.current_dir(&self.place.root);
        // So that its faults, which are commands of ours, need not ask cargo each time.
        harness.env("PARLOR_TESTBED", std::env::current_exe()?);
        harness.args(["steady", "--rest", &format!("http://{}", self.front())]);
        harness.args(["--tenant-name", "t-{n}", "--agent-issuer", "{tenant}", "--agent-kid", "1"]);
        harness.arg("--agent-key").arg(self.secret("agents"));
        harness.args(["--cql", &self.servers()?.address(Kind::Cql)]).args(arguments);
        Err(harness.exec().into())
    }

    /// Prints the log of one.
    ///
    /// # Errors
    /// It was never started.
    pub fn log(&self, target: Target) -> anyhow::Result<()> {
        let [process] = &self.processes(target)[..] else { bail!("say one node of the tier") };
        let mut log = fs::File::open(process.log_file())?;
        std::io::copy(&mut log, &mut std::io::stdout())?;
        Ok(())
    }

    /// Where it is, as lines for a shell.
    ///
    /// # Errors
    /// It was never started.
    pub fn lines(&self) -> anyhow::Result<Vec<String>> {
        let servers = self.servers()?;
        let lines = [
            ("FRONT", format!("http://{}", self.front())),
            ("SECRETS", self.settings.folder.join("secrets").display().to_string()),
            ("NATS", servers.address(Kind::Nats3)),
            ("CQL", servers.address(Kind::Cql)),
        ];
        Ok(lines.map(|(name, value)| format!("export PARLOR_TIERS_{name}='{value}'")).into())
    }
}
