//! How large the load of a fault is: that of its form, unless the command line says otherwise.

use std::time::Duration;

use clap::Args;

use crate::plan::rate::{Rate, parse_duration};

/// What the command line says.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The load")]
pub(super) struct Sizes {
    /// How many conversations [default: 500, short 40]
    #[arg(long, value_name = "COUNT")]
    conversations: Option<u32>,
    /// How many visitors' sockets [default: 2000, short 120]
    #[arg(long, value_name = "COUNT")]
    sockets: Option<u32>,
    /// How many tenants write, of those the topology has [default: 50, short 10]
    #[arg(long, value_name = "COUNT")]
    writing: Option<u32>,
    /// Drafts a second [default: 100/s, short 15/s]
    #[arg(long)]
    rate: Option<Rate>,
    /// How long the load runs before a fault [default: 60s, short 5s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    before: Option<Duration>,
    /// How long it runs after it [default: 60s, short 6s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    after: Option<Duration>,
    /// How long everything may take to arrive, and to be read back [default: 60s, short 20s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    drain: Option<Duration>,
}

/// What is played.
#[derive(Clone, Debug)]
pub(super) struct Size {
    pub(super) conversations: u32,
    pub(super) sockets: u32,
    pub(super) writing: u32,
    pub(super) rate: String,
    pub(super) before: Duration,
    pub(super) after: Duration,
    pub(super) drain: Duration,
}

// === impl Sizes ===

impl Sizes {
    /// The size in the short form, or in the full one.
    pub(super) fn of(&self, is_short: bool) -> Size {
        let count =
            |said: Option<u32>, short, full| said.unwrap_or(if is_short { short } else { full });
        let time = |said: Option<Duration>, short, full| {
            said.unwrap_or_else(|| Duration::from_secs(if is_short { short } else { full }))
        };
        let usual = if is_short { "15/s" } else { "100/s" };
        Size {
            conversations: count(self.conversations, 40, 500),
            sockets: count(self.sockets, 120, 2000),
            writing: count(self.writing, 10, 50),
            rate: self.rate.map_or_else(|| usual.to_owned(), |rate| rate.to_string()),
            before: time(self.before, 5, 60),
            after: time(self.after, 6, 60),
            drain: time(self.drain, 20, 60),
        }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} conversations and {} visitors' sockets of {} tenants, {} drafts, {} s before a \
             fault and {} s after it",
            self.conversations,
            self.sockets,
            self.writing,
            self.rate,
            self.before.as_secs(),
            self.after.as_secs(),
        )
    }
}
