//! The commands of the servers.

use std::path::PathBuf;

use clap::Subcommand;
use parlor_testbed::{
    place::Place,
    servers::{
        self, Servers,
        kind::{Kind, Node},
        nats::Sync,
    },
};

#[derive(Debug, clap::Args)]
pub(crate) struct ServersArea {
    /// Where logs, data and pid files are [default: run in the cache]
    #[arg(long, env = "PARLOR_RUN")]
    folder: Option<PathBuf>,
    /// How far the ports are above the usual ones [default: the first step that is free]
    #[arg(long, env = "PARLOR_PORT_OFFSET")]
    offset: Option<u16>,
    /// The cluster's configuration, of nats/
    #[arg(long, env = "PARLOR_NATS_CLUSTER_CONF", default_value = "cluster.conf")]
    cluster: String,
    /// A NATS server that is used in place of one of ours
    #[arg(long, env = "PARLOR_TEST_NATS", default_value = "")]
    nats: String,
    /// A NATS cluster that is used in place of ours
    #[arg(long, env = "PARLOR_TEST_NATS_CLUSTER", default_value = "")]
    nats_cluster: String,
    /// A database that is used in place of ours
    #[arg(long, env = "PARLOR_TEST_CQL", default_value = "")]
    cql: String,
    #[command(subcommand)]
    verb: ServersVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServersVerb {
    /// Starts those that do not run: nats, nats3, cql
    Up {
        /// nats, nats3 or cql [default: all]
        kinds: Vec<Kind>,
    },
    /// Ends those it started, and nothing else
    Down,
    /// What runs, and whether it answers (exit 1 if something does not)
    Status,
    /// Their addresses, for: eval "$(scripts/servers env)"
    Env,
    /// kill -9 of one: nats, nats-1, nats-2, nats-3 or cql
    Kill {
        /// Which
        node: Node,
    },
    /// SIGTERM of one, and waits for its end
    Stop {
        /// Which
        node: Node,
    },
    /// Starts one again, with the data it had, and waits until it answers
    Start {
        /// Which
        node: Node,
    },
}

/// False when something that is asked after is not well.
pub(crate) async fn run(cache: Option<PathBuf>, area: ServersArea) -> anyhow::Result<bool> {
    let place = Place::new(cache.as_deref())?;
    let settings = servers::Settings {
        folder: area.folder.unwrap_or_else(|| place.cache.join("run")),
        offset: area.offset,
        cluster: area.cluster,
        given: vec![
            (Kind::Nats, area.nats),
            (Kind::Nats3, area.nats_cluster),
            (Kind::Cql, area.cql),
        ],
        variables: Vec::new(),
        routes: None,
        sync: Sync::Always,
    };
    let servers = Servers::new(place, settings);
    match area.verb {
        ServersVerb::Up { kinds } if kinds.is_empty() => servers.up(&Kind::ALL).await?,
        ServersVerb::Up { kinds } => servers.up(&kinds).await?,
        ServersVerb::Down => servers.down().await?,
        ServersVerb::Status => return Ok(servers.status().await),
        ServersVerb::Env => servers.environment().iter().for_each(|line| println!("{line}")),
        ServersVerb::Kill { node } => servers.kill(node).await?,
        ServersVerb::Stop { node } => servers.stop(node).await?,
        ServersVerb::Start { node } => servers.start(node).await?,
    }
    Ok(true)
}
