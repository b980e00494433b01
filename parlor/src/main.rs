//! The binary: roles, composition, settings, demo pages.

#![deny(clippy::print_stderr, clippy::print_stdout)] // They panic where nobody takes what they say.

mod backends;
mod cli;
mod demo;
mod descriptors;
mod exit;
mod handed;
mod lines;
mod metrics;
mod node;
mod pages;
mod panics;
mod planted;
mod private;
mod provision;
mod role;
mod roles;
mod secrets;
mod service_links;
mod settings;
mod telemetry;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use parlor_auth::{Agents, Tenants};
use parlor_common::{clock::Clock, keys::InstallationKeys, random::Random, tenant::TenantId};
use parlor_log::jetstream::Renew;

use crate::{
    backends::Backends,
    cli::{Cli, Command},
    exit::Exit,
    handed::Handed,
    metrics::Metrics,
    role::Role,
    settings::{InForce, Settings},
};

/// What it saves and costs: `docs/PERFORMANCE.md`, "The build and the allocator".
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long the last lines of the log may take to be written.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.report(),
    }
}

fn run(cli: Cli) -> Result<(), Exit> {
    planted::begin()?;
    private::keep_to_ourselves();
    let metrics = Metrics::new().map_err(Exit::internal)?;
    let in_force = settings::read(cli.settings)?;
    let role = match cli.command {
        None => Role::Alone,
        Some(Command::Ingress) => Role::Ingress,
        Some(Command::Fanout) => Role::Fanout,
        Some(Command::Persister) => Role::Persister,
        Some(Command::Provision { renew, restored }) => {
            let renew = match (renew, restored) {
                (false, false) => Renew::Nothing,
                (true, _) => Renew::Behind,
                (false, true) => Renew::Everything,
            };
            return block_on(&in_force, &metrics, provision::run(&in_force.settings, renew));
        }
        Some(Command::Restored) => {
            return block_on(&in_force, &metrics, restored(&in_force.settings));
        }
        Some(Command::Config) => return print_settings(&in_force),
        Some(Command::Token { tenant, agent }) => return print_token(&in_force, &tenant, &agent),
    };
    let handed = Handed::take()?;
    block_on(&in_force, &metrics, roles::run(role, &in_force, handed, &metrics))
}

fn block_on(
    in_force: &InForce,
    metrics: &Metrics,
    work: impl Future<Output = Result<(), Exit>>,
) -> Result<(), Exit> {
    let lines = in_force.settings.telemetry.start(metrics).map_err(Exit::usage)?;
    panics::end_the_process(lines.clone());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = runtime.map_err(Exit::unavailable)?.block_on(work);
    lines.flush(FLUSH_WITHIN);
    ended
}

/// The embedded log goes on in a new epoch.
async fn restored(settings: &Settings) -> Result<(), Exit> {
    let registry = parlor_common::metrics::registry().map_err(Exit::internal)?;
    let epoch = Backends::renew(settings, &registry).await?;
    say(&format!("the log goes on in epoch {epoch}: clients load their pages anew\n"))
}

/// Prints what was asked for.
fn say(text: &str) -> Result<(), Exit> {
    let mut to = io::stdout();
    let said = to.write_all(text.as_bytes()).and_then(|()| to.flush());
    said.map_err(|error| Exit::data(format_args!("standard output: {error}")))
}

fn print_settings(in_force: &InForce) -> Result<(), Exit> {
    let mode = if in_force.development {
        "development mode: no settings file"
    } else {
        "from a settings file"
    };
    let settings = toml::to_string(&in_force.settings).map_err(Exit::internal)?;
    say(&format!("# {mode}\n{settings}"))
}

fn print_token(in_force: &InForce, tenant: &str, agent: &str) -> Result<(), Exit> {
    let settings = &in_force.settings;
    if !in_force.development {
        return Err(Exit::usage(
            "token is for development mode: with a settings file, tenants have keys of their own",
        ));
    }
    let tenant = TenantId::parse(tenant).map_err(Exit::usage)?;
    // A missing folder would be made for a key that no running process has.
    if settings.secrets.current_file.is_none() && !settings.data.is_dir() {
        return Err(Exit::data(format_args!(
            "there is no folder {}: run this where parlor was started, or set PARLOR_DATA",
            settings.data.display()
        )));
    }
    let keys: InstallationKeys =
        secrets::read(&settings.secrets, Some(&settings.data), &Random::system())?;
    let agents = Agents::new(Tenants::development(&keys), Clock::system());
    let role = parlor_auth::Role::Agent;
    let minted = agents.mint_development(&tenant, agent, Some(agent), role, demo::TOKEN_LIFE);
    let (token, _) = minted.map_err(Exit::usage)?;
    say(&format!("{token}\n"))
}
