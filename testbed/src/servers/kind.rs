//! The kinds of servers, their nodes and their ports.

use std::{ops::Range, str::FromStr};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One NATS server.
    Nats,
    /// A NATS cluster of three.
    Nats3,
    /// Cassandra.
    Cql,
}

/// One process of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// The NATS server that is alone.
    Nats,
    /// A server of the cluster: 1, 2 or 3.
    Nats3(u8),
    /// Cassandra.
    Cql,
}

// === impl Kind ===

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nats, Self::Nats3, Self::Cql];

    /// What commands call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Nats3 => "nats3",
            Self::Cql => "cql",
        }
    }

    /// What `scripts/install` calls what it needs.
    pub fn package(self) -> &'static str {
        match self {
            Self::Nats | Self::Nats3 => "nats",
            Self::Cql => "cql",
        }
    }

    /// The variable that tells the tests where it is.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Nats => "PARLOR_TEST_NATS",
            Self::Nats3 => "PARLOR_TEST_NATS_CLUSTER",
            Self::Cql => "PARLOR_TEST_CQL",
        }
    }

    /// Its processes.
    pub fn nodes(self) -> &'static [Node] {
        match self {
            Self::Nats => &[Node::Nats],
            Self::Nats3 => &[Node::Nats3(1), Node::Nats3(2), Node::Nats3(3)],
            Self::Cql => &[Node::Cql],
        }
    }

    /// Clients, monitoring, routes; CQL, storage, JMX. Where somebody else has one of a kind's
    /// ports, all of the kind move up by 100, 200, …
    pub fn ports(self) -> &'static [u16] {
        match self {
            Self::Nats => &[14222, 18222],
            Self::Nats3 => &[14231, 14232, 14233, 18231, 18232, 18233, 14241, 14242, 14243],
            Self::Cql => &[19042, 17000, 17199],
        }
    }

    /// Which of the ports are for monitoring.
    pub fn monitors(self) -> Range<usize> {
        match self {
            Self::Nats => 1..2,
            Self::Nats3 => 3..6,
            Self::Cql => 0..0,
        }
    }

    /// The address that clients use, from its ports.
    pub fn address(self, ports: &[u16]) -> String {
        let nats = |port: &u16| format!("nats://127.0.0.1:{port}");
        match self {
            Self::Nats => nats(&ports[0]),
            Self::Nats3 => ports[..3].iter().map(nats).collect::<Vec<_>>().join(","),
            Self::Cql => format!("127.0.0.1:{}", ports[0]),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| "say nats, nats3 or cql".to_owned())
    }
}

// === impl Node ===

impl Node {
    /// What commands and its folder call it.
    pub fn name(self) -> String {
        match self {
            Self::Nats => "nats".to_owned(),
            Self::Nats3(number) => format!("nats-{number}"),
            Self::Cql => "cql".to_owned(),
        }
    }

    /// What it belongs to.
    pub fn kind(self) -> Kind {
        match self {
            Self::Nats => Kind::Nats,
            Self::Nats3(_) => Kind::Nats3,
            Self::Cql => Kind::Cql,
        }
    }
}

impl FromStr for Node {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = || Kind::ALL.into_iter().flat_map(Kind::nodes).copied();
        all()
            .find(|node| node.name() == name)
            .ok_or_else(|| "say nats, nats-1, nats-2, nats-3 or cql".to_owned())
    }
}
