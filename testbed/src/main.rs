//! The developer's commands: servers, and the whole topology, as processes of this machine.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use parlor_testbed::{
    place::{self, Place},
    servers::{
        self, Servers,
        kind::{Kind, Node},
    },
    tiers::{
        self, Tiers,
        node::{Target, Tier},
    },
};

/// Starts, breaks and ends what Parlor runs on.
#[derive(Debug, Parser)]
#[command(name = "parlor-testbed")]
struct Cli {
    /// The folder of what is fetched, built and run [default: .cache in the project]
    #[arg(long, env = "PARLOR_CACHE", global = true)]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    area: Area,
}

#[derive(Debug, Subcommand)]
enum Area {
    /// The real servers that tests run against, on loopback, with fresh data
    Servers(ServersArea),
    /// The whole topology: NATS, Cassandra, HAProxy, ingress, fanout and persister
    Tiers(TiersArea),
}

#[derive(Debug, clap::Args)]
struct ServersArea {
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
enum ServersVerb {
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

#[derive(Debug, clap::Args)]
struct TiersArea {
    /// Logs, data, pid files and secrets [default: tiers in the cache]
    #[arg(long, env = "PARLOR_TIERS_RUN")]
    folder: Option<PathBuf>,
    /// The parlor that is run, with parlor-loadtest beside it [default: target/release/parlor]
    #[arg(long, env = "PARLOR_TIERS_BIN")]
    binary: Option<PathBuf>,
    /// How far the ports are above the usual ones
    #[arg(long, env = "PARLOR_TIERS_OFFSET", default_value_t = 3000)]
    offset: u16,
    /// How many ingress nodes
    #[arg(long, env = "INGRESS", default_value_t = 2)]
    ingress: u16,
    /// How many fanout nodes
    #[arg(long, env = "FANOUT", default_value_t = 2)]
    fanout: u16,
    /// How many persister nodes
    #[arg(long, env = "PERSISTER", default_value_t = 1)]
    persister: u16,
    /// How many tenants t-1, t-2, … are made beside `demo`, for load tests
    #[arg(long, env = "TENANTS", default_value_t = 50)]
    tenants: u32,
    /// Runs the nodes without a settings file, in development mode: any tenant, and the demo page
    #[arg(long, env = "DEVELOPMENT", default_value = "", hide_default_value = true)]
    development: String,
    #[command(subcommand)]
    verb: TiersVerb,
}

#[derive(Debug, Subcommand)]
enum TiersVerb {
    /// Starts all of it
    Up,
    /// Ends what it started, and nothing else
    Down,
    /// What runs, and whether it is ready (exit 1 if something is not)
    Status,
    /// The log of one: ingress-1, fanout-2, persister-1, haproxy, nats-1, cql
    Logs {
        /// Which
        node: Target,
    },
    /// kill -9 of one, or of a whole tier: ingress, fanout or persister
    Kill {
        /// Which
        node: Target,
    },
    /// SIGTERM of one, or of a whole tier, and waits for its end
    Stop {
        /// Which
        node: Target,
    },
    /// Starts one again, or a whole tier, with the data it had, and waits until it is ready
    Start {
        /// Which
        node: Target,
    },
    /// The NATS node that leads the cluster, and how many streams each node leads
    Leader,
    /// Stops and starts the nodes of a tier, one after another
    Roll {
        /// Which
        tier: Tier,
    },
    /// parlor provision again
    Provision {
        /// Further variables of its environment, such as `PARLOR_NATS__SHARDS=4`
        #[arg(value_parser = variable)]
        variables: Vec<(String, String)>,
    },
    /// parlor-loadtest steady against it
    Load {
        /// Its arguments; its --help lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Where it is, for: eval "$(scripts/tiers env)"
    Env,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let (name, done) = match cli.area {
        Area::Servers(area) => ("servers", run_servers(cli.cache, area).await),
        Area::Tiers(area) => ("tiers", run_tiers(cli.cache, area).await),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// False when something that is asked after is not well.
async fn run_servers(cache: Option<PathBuf>, area: ServersArea) -> anyhow::Result<bool> {
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

async fn run_tiers(cache: Option<PathBuf>, area: TiersArea) -> anyhow::Result<bool> {
    let place = Place::new(cache.as_deref())?;
    let settings = tiers::Settings {
        folder: area.folder.unwrap_or_else(|| place.cache.join("tiers")),
        binary: area.binary.unwrap_or_else(|| place::root().join("target/release/parlor")),
        offset: area.offset,
        nodes: [
            (Tier::Ingress, area.ingress),
            (Tier::Fanout, area.fanout),
            (Tier::Persister, area.persister),
        ],
        tenants: area.tenants,
        development: !area.development.is_empty(),
    };
    let tiers = Tiers::new(place, settings);
    match area.verb {
        TiersVerb::Up => tiers.up().await?,
        TiersVerb::Down => tiers.down().await?,
        TiersVerb::Status => return tiers.status().await,
        TiersVerb::Logs { node } => tiers.log(node)?,
        TiersVerb::Kill { node } => tiers.kill(node).await?,
        TiersVerb::Stop { node } => tiers.stop(node).await?,
        TiersVerb::Start { node } => tiers.start(node).await?,
        TiersVerb::Leader => tiers.leader().await?,
        TiersVerb::Roll { tier } => tiers.roll(tier).await?,
        TiersVerb::Provision { variables } => tiers.provision(&variables)?,
        TiersVerb::Load { arguments } => tiers.load(&arguments)?,
        TiersVerb::Env => tiers.lines()?.iter().for_each(|line| println!("{line}")),
    }
    Ok(true)
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("say NAME=value")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
