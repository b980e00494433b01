//! What every scenario can be told, each said once: where the installation is, who takes part, how
//! much is written, what is broken, what is allowed, and what is looked at.

use std::{path::PathBuf, time::Duration};

use clap::{Args, builder::TypedValueParser, value_parser};
use parlor_common::tenant::TenantId;

use super::{
    fault::{NamedCommand, PlannedFault, checked},
    kinds::Kinds,
    rate::{Rate, parse_duration},
};
use crate::address::{Address, Node};

/// Everything that scenarios share.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) cast: Cast,
    #[command(flatten)]
    pub(crate) pace: Pace,
    #[command(flatten)]
    pub(crate) drive: Drive,
    #[command(flatten)]
    pub(crate) bounds: Bounds,
    #[command(flatten)]
    pub(crate) evidence: Evidence,
}

/// Where the installation is, and how agents log in.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The installation")]
pub(crate) struct Target {
    /// Where visitors go; several take turns
    #[arg(long, value_name = "URL", num_args = 1.., default_value = "http://127.0.0.1:8080")]
    pub(crate) rest: Vec<Address>,
    /// Where agents' sockets go [default: as --rest]
    #[arg(long, value_name = "URL", num_args = 1..)]
    pub(crate) agents: Vec<Address>,
    /// Where conversations' states and lists are compared at the end, at each of them [default: as
    /// --rest]
    #[arg(long, value_name = "URL", num_args = 1..)]
    pub(crate) views: Vec<Address>,
    /// The origin that pages name [default: the first --rest]
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Option<String>,
    /// A tenant's name, with a place for its number, which is counted from 1
    #[arg(long, value_name = "NAME", default_value = "load-{n}", value_parser = tenant_name)]
    pub(crate) tenant_name: String,
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
}

/// Who takes part.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Who takes part")]
pub(crate) struct Cast {
    /// How many tenants
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) tenants: u32,
    /// How many conversations, spread over the tenants
    #[arg(long, default_value_t = 500, value_parser = count())]
    pub(crate) conversations: u32,
    /// How many visitors' sockets, spread over the conversations: at least one each
    #[arg(long, default_value_t = 2000, value_parser = count())]
    pub(crate) sockets: u32,
    /// How many sockets of agents each tenant has
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(0..=1000))]
    pub(crate) dashboards: u32,
    /// How many agents work: they claim conversations, read, note, answer, label and close them;
    /// four to a tenant, so that they meet
    #[arg(long, default_value_t = 0, value_parser = value_parser!(u32).range(0..=1000))]
    pub(crate) workers: u32,
    /// Shares of the kinds of conversations: widget, widget-post, parlor1, rest
    #[arg(long, default_value = "widget=35,widget-post=5,parlor1=50,rest=10")]
    pub(crate) kinds: Kinds,
}

/// How much is written, and for how long.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The load")]
pub(crate) struct Pace {
    /// Drafts a second, offered whatever the answers do
    #[arg(long, default_value = "300/s")]
    pub(crate) rate: Rate,
    /// How many of 100 drafts are agents' answers
    #[arg(long, value_name = "PERCENT", default_value_t = 20, value_parser = percent())]
    pub(crate) replies: u32,
    /// How many bytes a text has
    #[arg(long, default_value_t = 256, value_parser = value_parser!(u32).range(1..=16_384))]
    pub(crate) bytes: u32,
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
    /// Makes the choice of who writes when the same again [default: a random one]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// What is broken meanwhile, by commands of the installation. They are split at spaces and run
/// without a shell.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Faults")]
pub(crate) struct Drive {
    /// Breaks something, so long after the load's beginning, and mends it; may be given several
    /// times. The name is that of a --break
    #[arg(long, value_name = "NAME@WHEN[,for=TIME][,every=TIME]")]
    pub(crate) fault: Vec<PlannedFault>,
    /// The command that breaks it, such as "database=docker stop scylla"
    #[arg(long = "break", value_name = "NAME=COMMAND")]
    pub(crate) breaks: Vec<NamedCommand>,
    /// The command that mends it, such as "database=docker start scylla"
    #[arg(long = "mend", value_name = "NAME=COMMAND")]
    pub(crate) mends: Vec<NamedCommand>,
    /// Breaks this one in its turn, one after the other until the load ends; may be given several
    /// times
    #[arg(long, value_name = "NAME", value_parser = checked)]
    pub(crate) rotate: Vec<String>,
    /// How often the next one's turn comes
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub(crate) rotate_every: Duration,
    /// How long it stays broken
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub(crate) rotate_for: Duration,
    /// Kills a node: as --fault, by the same two commands for every node
    #[arg(long, value_name = "NODE@WHEN[,back=TIME][,every=TIME]")]
    pub(crate) kill: Vec<PlannedFault>,
    /// What kills a node; {node} stands for its name
    #[arg(long, value_name = "COMMAND", default_value = "scripts/tiers kill {node}")]
    pub(crate) command_kill: String,
    /// What starts it again
    #[arg(long, value_name = "COMMAND", default_value = "scripts/tiers start {node}")]
    pub(crate) command_start: String,
}

/// What is allowed, beside that nothing may be lost, doubled, reordered, foreign or invented.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is allowed")]
pub(crate) struct Bounds {
    /// So many of 100 sends may be refused, fail, or find no answer
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub(crate) allow_failed: f64,
    /// So many subscriptions may be told that their past is not known
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) allow_gaps: u64,
    /// 99 of 100 answers must come within this time [default: it is told, not judged]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) accept_within: Option<Duration>,
    /// 99 of 100 lost sockets must be back within this time [default: it is told, not judged]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) back_within: Option<Duration>,
}

/// What is looked at beside the clients, and what is written down.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Evidence and report")]
pub(crate) struct Evidence {
    /// Compares the database's rows with history
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) cql: Option<String>,
    /// The database's keyspace
    #[arg(long, value_name = "NAME", default_value = "parlor")]
    pub(crate) cql_keyspace: String,
    /// A node's operators' port, whose /metrics are read; may be given several times
    #[arg(long, value_name = "[NAME=]URL")]
    pub(crate) admin: Vec<Node>,
    /// Writes report.json and report.html there
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Shows an earlier run's report.json beside this one
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,
    /// What the report says about the installation, such as its version
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Prints plain lines, as it does where standard error is no terminal
    #[arg(long)]
    pub(crate) plain: bool,
    /// Shows no colours
    #[arg(long, env = "NO_COLOR", hide_env_values = true, value_parser = is_set)]
    pub(crate) no_color: bool,
}

// === impl Target ===

impl Target {
    /// Where states and lists are compared.
    pub(crate) fn views(&self) -> &[Address] {
        if self.views.is_empty() { &self.rest } else { &self.views }
    }

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

pub(crate) fn percent() -> impl TypedValueParser<Value = u32> {
    value_parser!(u32).range(0..=100)
}

/// `NO_COLOR` counts whatever it says, unless it is empty; the flag's own values are the words.
#[expect(clippy::unnecessary_wraps, reason = "a value parser can fail, and this one never does")]
fn is_set(text: &str) -> Result<bool, String> {
    Ok(!matches!(text, "" | "false"))
}
