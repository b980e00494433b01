//! The harness that judges Parlor from outside: virtual visitors and agents over the public
//! protocols, a ledger of what was sent, answered and seen, faults on a schedule, a report.

mod address;
mod backoff;
mod cli;
mod client;
mod faults;
mod frame;
mod http;
mod jar;
mod ledger;
mod plan;
mod readback;
mod report;
mod rows;
mod scores;
mod socket;
mod stage;
mod steady;
mod tokens;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use parlor_common::{clock::Clock, random::Random};

use crate::cli::{Cli, Scenario};

fn main() -> ExitCode {
    let Cli { scenario: Scenario::Steady(plan) } = Cli::parse();
    let folder = plan.report.clone();
    let played = tokio::runtime::Runtime::new().context("no runtime").and_then(|runtime| {
        let report =
            runtime.block_on(Box::pin(steady::run(*plan, Clock::system(), Random::system())))?;
        print!("{}", report.terminal());
        if let Some(folder) = folder {
            report.write(&folder).with_context(|| folder.display().to_string())?;
        }
        Ok(report)
    });
    match played {
        Ok(report) if report.passed() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("parlor-loadtest: {error:#}");
            ExitCode::from(2)
        }
    }
}
