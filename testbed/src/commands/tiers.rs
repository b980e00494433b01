//! The commands of the whole topology.

use std::path::PathBuf;

use clap::Subcommand;
use parlor_testbed::{
    network::Network,
    place::Place,
    tiers::{
        node::{Target, Tier},
        options::Options,
    },
};

#[derive(Debug, clap::Args)]
pub(crate) struct TiersArea {
    #[command(flatten)]
    options: Options,
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
    let tiers = area.options.tiers(place);
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
