//! The commands of the whole topology.

use std::path::PathBuf;

use clap::Subcommand;
use parlor_testbed::{
    network::Network,
    place::{self, Place},
    tiers::{
        self, Tiers,
        node::{Target, Tier},
    },
};

#[derive(Debug, clap::Args)]
pub(crate) struct TiersArea {
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
    /// Puts a network of our own between the nodes, NATS and the database, and before the balancer,
    /// so that it can be broken: `network` tells it how
    #[arg(long, env = "NETWORK", default_value = "", hide_default_value = true)]
    network: String,
    /// Runs the nodes without a settings file, in development mode: any tenant, and the demo page
    #[arg(long, env = "DEVELOPMENT", default_value = "", hide_default_value = true)]
    development: String,
    #[command(subcommand)]
    verb: TiersVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TiersVerb {
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
    /// SIGSTOP of one, or of a whole tier: it holds its connections and does nothing
    Pause {
        /// Which
        node: Target,
    },
    /// SIGCONT: ends that
    Resume {
        /// Which
        node: Target,
    },
    /// What becomes of bytes from one part to another, in a topology that is up with NETWORK=1
    Network {
        /// Who connects: ingress-1, fanout, nats-2, clients, or all
        from: String,
        /// To whom: nats-1, nats, cql or haproxy
        to: String,
        /// whole, broken, held, answers-held, slow=200ms, lossy=200ms,1%, forgetful=30%
        state: Network,
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

/// False when something that is asked after is not well.
pub(crate) async fn run(cache: Option<PathBuf>, area: TiersArea) -> anyhow::Result<bool> {
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
        network: !area.network.is_empty(),
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
        TiersVerb::Pause { node } => tiers.pause(node)?,
        TiersVerb::Resume { node } => tiers.resume(node)?,
        TiersVerb::Network { from, to, state } => tiers.turn(&from, &to, state).await?,
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
