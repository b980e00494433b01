//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, builder::TypedValueParser, value_parser};
use parlor_common::tenant::TenantId;

use crate::{
    address::Address,
    plan::{Kill, Kinds, Rate, parse_duration},
};

/// Judges Parlor from outside: virtual visitors and agents over the public protocols, a ledger of
/// what was sent, answered and seen, faults on a schedule, a report.
///
/// The exit status is 0 only where nothing was lost, doubled, reordered, foreign or invented and no
/// more sends failed than allowed; 1 where the judgement says otherwise; 2 where there could be
/// none.
#[derive(Debug, Parser)]
#[command(name = "parlor-loadtest", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    /// A steady load, with kills on a schedule
    Steady(Box<Steady>),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Steady {
    /// Where visitors go; several take turns
    #[arg(long, value_name = "URL", num_args = 1.., default_value = "http://127.0.0.1:8080")]
    pub(crate) rest: Vec<Address>,
    /// Where agents' sockets go [default: as --rest]
    #[arg(long, value_name = "URL", num_args = 1..)]
    pub(crate) agents: Vec<Address>,
    /// The origin that pages name [default: the first --rest]
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Option<String>,
    /// How many tenants
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) tenants: u32,
    /// A tenant's name; {n} stands for its number, from 1
    #[arg(long, value_name = "NAME", default_value = "load-{n}", value_parser = tenant_name)]
    pub(crate) tenant_name: String,
    /// How many conversations, spread over the tenants
    #[arg(long, default_value_t = 500, value_parser = count())]
    pub(crate) conversations: u32,
    /// How many visitors' sockets, spread over the conversations: at least one each
    #[arg(long, default_value_t = 2000, value_parser = count())]
    pub(crate) sockets: u32,
    /// How many sockets of agents each tenant has
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) dashboards: u32,
    /// Shares of the kinds of conversations: widget, widget-post, parlor1, rest
    #[arg(long, default_value = "widget=35,widget-post=5,parlor1=50,rest=10")]
    pub(crate) kinds: Kinds,
    /// How many of 100 drafts are agents' answers
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = percent())]
    pub(crate) replies: u32,
    /// How many bytes a text has
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub(crate) bytes: u32,
    /// Drafts a second, offered whatever the answers do
    #[arg(long, default_value = "300/s")]
    pub(crate) rate: Rate,
    /// How long the load runs before latencies count
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub(crate) warm: Duration,
    /// How long the load runs after that
    #[arg(
        long = "for",
        value_name = "DURATION",
        default_value = "60s",
        value_parser = parse_duration
    )]
    pub(crate) load: Duration,
    /// How long everything may take to arrive, and to be read back, after that
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub(crate) drain: Duration,
    /// How long the sockets may take to connect at the start
    #[arg(long, value_name = "DURATION", default_value = "120s", value_parser = parse_duration)]
    pub(crate) connect: Duration,
    /// Kills a node, so long after the load's beginning; may be given several times
    #[arg(long, value_name = "NODE@WHEN[,back=AFTER][,every=PERIOD]")]
    pub(crate) kill: Vec<Kill>,
    /// What kills a node; {node} stands for its name. Split at spaces; no shell
    #[arg(long, value_name = "COMMAND", default_value = "scripts/tiers kill {node}")]
    pub(crate) command_kill: String,
    /// What starts it again
    #[arg(long, value_name = "COMMAND", default_value = "scripts/tiers start {node}")]
    pub(crate) command_start: String,
    /// A file with the secret of the agents' HS256 key [default: ask the development mode's demo
    /// page for tokens]
    #[arg(long, value_name = "FILE")]
    pub(crate) agent_key: Option<PathBuf>,
    /// The issuer of --agent-key; {tenant} stands for the tenant's name
    #[arg(long, value_name = "ISSUER", default_value = "{tenant}")]
    pub(crate) agent_issuer: String,
    /// The id of --agent-key; {tenant} stands for the tenant's name
    #[arg(long, value_name = "KID", default_value = "1")]
    pub(crate) agent_kid: String,
    /// Compares the database's rows with history
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) cql: Option<String>,
    /// The database's keyspace
    #[arg(long, value_name = "NAME", default_value = "parlor")]
    pub(crate) cql_keyspace: String,
    /// Writes report.json and report.html there
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// So many of 100 sends may be refused, fail, or find no answer
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) allow_failed: f64,
    /// So many subscriptions may be told that their past is not known
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) allow_gaps: u64,
    /// Makes the choice of who writes when the same again [default: a random one]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

// === impl Steady ===

impl Steady {
    /// The name of the tenant with this number.
    pub(crate) fn tenant(&self, number: u32) -> String {
        self.tenant_name.replace("{n}", &number.to_string())
    }
}

fn tenant_name(text: &str) -> Result<String, String> {
    if !text.contains("{n}") {
        return Err("a name with {n} in it is expected, such as load-{n}".to_owned());
    }
    match TenantId::parse(&text.replace("{n}", "99999")) {
        Ok(_) => Ok(text.to_owned()),
        Err(bad) => Err(bad.to_string()),
    }
}

/// A number of clients or conversations.
fn count() -> impl TypedValueParser<Value = u32> {
    value_parser!(u32).range(1..=1_000_000)
}

fn percent() -> impl TypedValueParser<Value = u32> {
    value_parser!(u32).range(0..=100)
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
