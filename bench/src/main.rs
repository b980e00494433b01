//! What Parlor costs: rates, latencies, CPU and memory of its processes, two builds in turns, and
//! beside them what this machine can do at most. Load goes to loopback alone, and ends by itself.

mod echo;
mod load;
mod page;
mod process;
mod subject;
mod table;
mod target;
mod wire;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::{Parser, Subcommand};
use parlor_testbed::process::own_program;
use tokio::task::LocalSet;

use crate::{
    subject::{Size, Subject},
    table::{Side, Table},
    target::{Target, Topology},
};

/// Measures what Parlor costs on this machine, with servers that it starts and ends itself.
///
/// Every measurement begins with new servers and empty folders. With --other, two builds are
/// measured in turns, so that what else this machine does meets both. The client is one thread; a
/// row says so where that was the limit. Tiers need a NATS server's program and a CQL database:
/// scripts/servers up nats cql; eval "$(scripts/servers env)".
#[derive(Debug, Parser)]
#[command(name = "parlor-bench", version)]
struct Cli {
    #[command(subcommand)]
    helper: Option<Helper>,
    /// What to measure; everything, if nothing is said
    #[arg(value_enum)]
    subjects: Vec<Subject>,
    /// How Parlor is set up; every way that makes sense for a subject, if nothing is said
    #[arg(long, value_enum, value_delimiter = ',')]
    on: Vec<Topology>,
    /// The `parlor` to measure; the one beside this program, if nothing is said
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Another `parlor`, measured in turns with the first
    #[arg(long)]
    other: Option<PathBuf>,
    /// How often
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// How many seconds each measurement lasts
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Sockets of `sparse`, `idle` and `opening`
    #[arg(long, default_value_t = 9_999)]
    sockets: usize,
    /// Sockets of `room`
    #[arg(long, default_value_t = 1_000)]
    room: usize,
    /// Conversations of `pages`
    #[arg(long, default_value_t = 300)]
    conversations: usize,
    /// A folder for `bench.json` and `bench.html`
    #[arg(long)]
    report: Option<PathBuf>,
    /// The `bench.json` of an earlier run: what got worse by more than the spread is named
    #[arg(long)]
    earlier: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Helper {
    /// Answers from memory, as a limit to compare with
    #[command(hide = true)]
    Echo { address: SocketAddr },
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let cli = Cli::parse();
    let done = runtime
        .context("no runtime")
        .and_then(|runtime| LocalSet::new().block_on(&runtime, run(cli)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("parlor-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(Helper::Echo { address }) = cli.helper {
        return echo::serve(address).await;
    }
    let earlier = cli.earlier.as_deref().map(read).transpose()?;
    let table = measured(&cli).await?;
    print!("{}", table.terminal(earlier.as_ref()));
    if let Some(folder) = &cli.report {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("bench.json"), serde_json::to_string_pretty(&table)?)?;
        fs::write(folder.join("bench.html"), page::page(&table, earlier.as_ref()))?;
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Table> {
    let text = fs::read(file).with_context(|| file.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| file.display().to_string())
}

/// Wherever it is started from.
fn found(binary: &Path) -> anyhow::Result<PathBuf> {
    let found = binary.canonicalize();
    found.with_context(|| format!("there is no {}: cargo build --release", binary.display()))
}

/// Each subject on each topology, `runs` times, the two builds in turns.
async fn measured(cli: &Cli) -> anyhow::Result<Table> {
    let size = Size {
        lasts: Duration::from_secs(cli.seconds),
        sockets: cli.sockets,
        room: cli.room,
        conversations: cli.conversations,
    };
    let first = match &cli.binary {
        Some(binary) => binary.clone(),
        None => own_program()?.with_file_name("parlor"),
    };
    let builds = [
        (Side::First, Some(found(&first)?)),
        (Side::Other, cli.other.as_deref().map(found).transpose()?),
    ];
    let subjects = match cli.subjects.is_empty() {
        true => <Subject as clap::ValueEnum>::value_variants(),
        false => &cli.subjects,
    };
    let mut table = Table::default();
    for subject in subjects {
        let on = subject.topologies().iter().filter(|of| cli.on.is_empty() || cli.on.contains(of));
        for topology in on {
            for run in 0..cli.runs {
                for (side, binary) in &builds {
                    let Some(binary) = &binary else { continue };
                    if *side == Side::Other && *topology == Topology::Echo {
                        continue;
                    }
                    eprintln!("{subject:?} on {topology:?}, {side:?}, run {}", run + 1);
                    // What an earlier measurement's clients still do ends with their sockets.
                    let figures = LocalSet::new()
                        .run_until(async {
                            let target = Target::start(*topology, binary).await?;
                            subject.measure(&target, size).await
                        })
                        .await
                        .with_context(|| format!("{subject:?} on {topology:?}, {side:?}"))?;
                    table.add(*subject, *topology, *side, figures);
                }
            }
        }
    }
    Ok(table)
}
