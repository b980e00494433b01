//! The harness that judges Parlor from outside: virtual visitors and agents over the public
//! protocols, a ledger of what was sent, answered and seen, faults on a schedule, a report.

mod address;
mod backoff;
mod cli;
mod client;
mod commands;
mod exposition;
mod faults;
mod frame;
mod http;
mod jar;
mod ledger;
mod load;
mod nodes;
mod plan;
mod play;
mod progress;
mod readback;
mod report;
mod rows;
mod scores;
mod socket;
mod stage;
mod timeline;
mod tokens;
mod work;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use parlor_common::{clock::Clock, random::Random};

use crate::{
    cli::{Cli, Scenario},
    commands::Commands,
    play::play,
};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("parlor-loadtest: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// False where the judgement says so.
fn run(cli: Cli) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
    if let Scenario::Faults(faults) = cli.scenario {
        return runtime.block_on(Box::pin(faults.run()));
    }
    let plan = cli.scenario.plan()?;
    let faults = Commands::new(&plan.options.drive)?;
    let playing = Box::pin(play(&plan, &faults, Clock::system(), Random::system()));
    let report = runtime.block_on(playing)?;
    print!("{}", report.terminal());
    if let Some(folder) = &plan.options.evidence.report {
        report.write(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(report.passed())
}
