//! The topology's own network: a proxy on each way between two parts, so that it can be broken.

use std::{fmt::Write as _, fs, net::SocketAddr, process::Command, time::Duration};

use anyhow::ensure;
use tokio::net::TcpStream;

use super::{Tiers, node::Tier, waits::wait_for};
use crate::{
    network::{Network, Protocol, links, links::Link},
    servers::kind::{Kind, Node},
};

/// A tier's nodes have room for so many ways each below the next tier's ports.
const MOST_NODES: u16 = 9;

impl Tiers {
    /// Whether it was started with a network of its own.
    pub(super) fn has_network(&self) -> bool {
        self.links_file().is_file()
    }

    fn links_file(&self) -> std::path::PathBuf {
        self.process("network").folder().join("links")
    }

    fn control(&self) -> SocketAddr {
        self.local(15283)
    }

    /// Where clients come in when the network before the balancer is to be broken.
    pub fn entrance(&self) -> SocketAddr {
        if self.has_network() { self.local(15282) } else { self.front() }
    }

    /// Starts the process that holds the proxies.
    pub(super) async fn start_network(&self) -> anyhow::Result<()> {
        let process = self.process("network");
        let few = self.settings.nodes.iter().all(|(_, count)| *count <= MOST_NODES);
        ensure!(few, "with a network of its own a tier has {MOST_NODES} nodes at the most");
        let mut text = String::new();
        for link in self.links() {
            writeln!(text, "{link}").ok();
        }
        fs::create_dir_all(process.folder())?;
        fs::write(self.links_file(), text)?;
        let mut command = Command::new(self.settings.binary.with_file_name("parlor-testbed"));
        command.arg("network").arg(self.links_file()).arg(self.control().to_string());
        process.launch(command).await?;
        let listens = async || TcpStream::connect(self.control()).await.is_ok();
        wait_for(&process, Duration::from_secs(10), "listening", listens).await
    }

    /// Tells the network what becomes of bytes from one part to another.
    ///
    /// # Errors
    /// It has none of its own, or there is no such way.
    pub async fn turn(&self, from: &str, to: &str, network: Network) -> anyhow::Result<()> {
        links::turn(self.control(), from, to, network).await
    }

    fn links(&self) -> Vec<Link> {
        let mut all = vec![Link {
            from: "clients".to_owned(),
            to: "haproxy".to_owned(),
            listen: self.local(15282),
            server: self.front(),
            protocol: Protocol::Any,
        }];
        let kind = Kind::Nats3.ports();
        for (from, ways) in Kind::Nats3.nodes().iter().zip(self.routes()) {
            for (to, port) in Kind::Nats3.nodes().iter().filter(|to| *to != from).zip(ways) {
                let Node::Nats3(number) = to else { continue };
                let server = self.local(kind[usize::from(*number) + 5]);
                let listen = ([127, 0, 0, 1], port).into();
                let (from, to) = (from.name(), to.name());
                all.push(Link { from, to, listen, server, protocol: Protocol::Any });
            }
        }
        for node in self
            .settings
            .nodes
            .into_iter()
            .flat_map(|(tier, count)| (1..=count).map(move |number| (tier, number)))
        {
            for (number, to) in [(1, "nats-1"), (2, "nats-2"), (3, "nats-3"), (0, "cql")] {
                let (server, protocol) = match number {
                    0 => (Kind::Cql.ports()[0], Protocol::Cql),
                    _ => (kind[number - 1], Protocol::Nats),
                };
                all.push(Link {
                    from: self.node(node).name(),
                    to: to.to_owned(),
                    listen: self.way(node, number),
                    server: self.local(server),
                    protocol,
                });
            }
        }
        all
    }

    /// The ports by which each NATS node reaches the two others.
    pub(super) fn routes(&self) -> Vec<Vec<u16>> {
        let port = |from: u16, way: u16| 15284 + 2 * from + way + self.settings.offset;
        (0..3).map(|from| vec![port(from, 0), port(from, 1)]).collect()
    }

    /// Where a node reaches a NATS node, 1 to 3, or the database, 0.
    fn way(&self, (tier, number): (Tier, u16), to: usize) -> SocketAddr {
        let to = u16::try_from(to).unwrap_or(0);
        self.local(tier.first_port() + 60 + 4 * (number - 1) + to)
    }

    /// The addresses of NATS and of the database, as a node or a command reaches them.
    pub(super) fn backends(&self, node: Option<(Tier, u16)>) -> anyhow::Result<(String, String)> {
        match node.filter(|_| self.has_network()) {
            Some(node) => {
                let nats = [1, 2, 3].map(|number| format!("nats://{}", self.way(node, number)));
                Ok((nats.join(","), self.way(node, 0).to_string()))
            }
            None => {
                let servers = self.servers()?;
                Ok((servers.address(Kind::Nats3), servers.address(Kind::Cql)))
            }
        }
    }
}
