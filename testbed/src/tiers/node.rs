//! The nodes of the topology and what commands call them.

use std::str::FromStr;

use crate::servers::kind::Node;

/// Nodes that do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Visitors reach it through the balancer.
    Ingress,
    /// Agents' sockets.
    Fanout,
    /// Writes the database.
    Persister,
}

/// What a command does something to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A NATS node, or Cassandra.
    Server(Node),
    /// HAProxy.
    Balancer,
    /// One node of a tier.
    Node(Tier, u16),
    /// All nodes of a tier.
    Tier(Tier),
}

// === impl Tier ===

impl Tier {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ingress, Self::Fanout, Self::Persister];

    /// The role of its nodes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Fanout => "fanout",
            Self::Persister => "persister",
        }
    }

    /// One below its first node's port.
    pub fn first_port(self) -> u16 {
        match self {
            Self::Ingress => 15300,
            Self::Fanout => 15400,
            Self::Persister => 15500,
        }
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let tier = Self::ALL.into_iter().find(|tier| tier.name() == name);
        tier.ok_or_else(|| "say which tier: ingress, fanout or persister".to_owned())
    }
}

// === impl Target ===

impl Target {
    /// The node of a name such as `ingress-1`.
    pub fn parse_node(name: &str) -> Option<(Tier, u16)> {
        let (tier, number) = name.split_once('-')?;
        Some((tier.parse().ok()?, number.parse().ok()?))
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "haproxy" {
            return Ok(Self::Balancer);
        }
        let server = name.parse().ok().filter(|node| *node != Node::Nats).map(Self::Server);
        let node = Self::parse_node(name).map(|(tier, number)| Self::Node(tier, number));
        let tier = name.parse().ok().map(Self::Tier);
        server.or(node).or(tier).ok_or_else(|| {
            "say which: ingress-1, fanout-1, persister-1, haproxy, nats-1, cql, or a whole tier: \
            ingress, fanout, persister"
                .to_owned()
        })
    }
}
