//! The real topology as processes of this machine, all on loopback: three NATS nodes with a user
//! for each role, Cassandra, HAProxy in front, and ingress, fanout and persister nodes.

pub mod ailing;
mod environment;
mod heal;
mod links;
mod look;
pub mod node;
pub mod options;
mod verbs;
mod volume;
mod waits;

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use self::node::{Target, Tier};
use crate::{place::Place, process::Process, secrets, servers::Servers};

/// The topology in one folder.
#[derive(Debug)]
pub struct Tiers {
    place: Place,
    settings: Settings,
}

/// What is started, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Logs, data, pid files and secrets.
    pub folder: PathBuf,
    /// The `parlor` that is run; `parlor-loadtest` is beside it.
    pub binary: PathBuf,
    /// By how much all ports are above the usual ones.
    pub offset: u16,
    /// How many nodes each tier gets.
    pub nodes: [(Tier, u16); 3],
    /// How many tenants `t-1`, `t-2`, … there are beside `demo`.
    pub tenants: u32,
    /// The nodes run without a settings file, in development mode.
    pub development: bool,
    /// It is started with a network of its own, which can be broken.
    pub network: bool,
}

/// What NATS knows by a password of its own.
const USERS: [&str; 5] = ["ingress", "fanout", "persister", "provision", "sys"];
const GRACE: Duration = Duration::from_secs(40);

// === impl Tiers ===

impl Tiers {
    /// The topology of a folder, whether it runs or not.
    pub fn new(place: Place, settings: Settings) -> Self {
        Self { place, settings }
    }

    fn servers(&self) -> anyhow::Result<Servers> {
        let mut variables = Vec::new();
        for user in USERS {
            let name = format!("NATS_{}_PASSWORD", user.to_uppercase());
            let password = secrets::kept(&self.secret(&format!("nats-{user}")))?;
            // What is in quotes is a text to NATS, whatever it looks like.
            variables.push((name, format!("\"{password}\"")));
        }
        let settings = crate::servers::Settings {
            folder: self.settings.folder.clone(),
            offset: Some(self.settings.offset),
            cluster: "tiers.conf".to_owned(),
            given: Vec::new(),
            variables,
            routes: self.has_network().then(|| self.routes()),
            sync: self.sync(),
        };
        Ok(Servers::new(self.place.clone(), settings))
    }

    /// The file of a secret: `agents` signs the tokens of all tenants' agents.
    pub fn secret(&self, name: &str) -> PathBuf {
        self.settings.folder.join("secrets").join(name)
    }

    /// Where clients come in, at the balancer.
    pub fn front(&self) -> SocketAddr {
        self.local(15280)
    }

    /// Where HAProxy shows its figures.
    fn figures(&self) -> SocketAddr {
        self.local(15281)
    }

    /// Where a node serves clients, without the balancer.
    pub fn listen(&self, (tier, number): (Tier, u16)) -> SocketAddr {
        self.local(tier.first_port() + number)
    }

    /// The operators' port of a node.
    pub fn admin(&self, (tier, number): (Tier, u16)) -> SocketAddr {
        self.local(tier.first_port() + 50 + number)
    }

    fn local(&self, port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port + self.settings.offset).into()
    }

    // --- nodes ---

    fn process(&self, name: &str) -> Process {
        Process::of(self.settings.folder.join(name))
    }

    fn node(&self, (tier, number): (Tier, u16)) -> Process {
        self.process(&format!("{}-{number}", tier.name()))
    }

    /// The processes that a target is.
    fn processes(&self, target: Target) -> Vec<Process> {
        match target {
            Target::Server(node) => vec![self.process(&node.name())],
            Target::Balancer => vec![self.process("haproxy")],
            Target::Node(tier, number) => vec![self.node((tier, number))],
            Target::Tier(tier) => {
                self.nodes(tier).into_iter().map(|node| self.node(node)).collect()
            }
        }
    }

    /// The nodes of a tier that were ever started.
    pub fn nodes(&self, tier: Tier) -> Vec<(Tier, u16)> {
        let folders = fs::read_dir(&self.settings.folder).into_iter().flatten().flatten();
        let mut nodes: Vec<_> = folders
            .filter_map(|folder| Target::parse_node(folder.file_name().to_str()?))
            .filter(|(of, _)| *of == tier)
            .collect();
        nodes.sort_by_key(|(_, number)| *number);
        nodes
    }

    /// All nodes of all tiers that were ever started.
    pub fn all_nodes(&self) -> Vec<(Tier, u16)> {
        Tier::ALL.into_iter().flat_map(|tier| self.nodes(tier)).collect()
    }
}

fn say(what: &str) {
    println!("tiers: {what}");
}
