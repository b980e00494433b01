//! The developer's commands: servers, and the whole topology, as processes of this machine.

mod commands;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use parlor_testbed::network::links;

use crate::commands::{
    servers::{self, ServersArea},
    tiers::{self, TiersArea},
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
    /// The proxies of a topology with a network of its own, which `tiers up` starts
    #[command(hide = true)]
    Network {
        /// A link in each line
        links: PathBuf,
        /// Where it is told what becomes of bytes
        control: SocketAddr,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let (name, done) = match cli.area {
        Area::Servers(area) => ("servers", servers::run(cli.cache, area).await),
        Area::Tiers(area) => ("tiers", tiers::run(cli.cache, area).await),
        Area::Network { links, control } => ("network", network(&links, control).await),
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

async fn network(file: &std::path::Path, control: SocketAddr) -> anyhow::Result<bool> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let links = text.lines().map(str::parse).collect::<Result<_, _>>()?;
    links::run(links, control).await?;
    Ok(true)
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
