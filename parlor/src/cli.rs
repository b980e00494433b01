//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A chat backend that cannot lose a message.
///
/// Without a command it is everything in one process, on an embedded, durable log and store.
/// Without a settings file it runs in development mode: any tenant, localhost only.
#[derive(Debug, Parser)]
#[command(name = "parlor", version)]
pub(crate) struct Cli {
    /// A settings file (TOML); it ends development mode.
    #[arg(short, long, global = true, value_name = "FILE", env = "PARLOR_SETTINGS")]
    pub(crate) settings: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The tier that visitors reach: REST and their sockets; appends to NATS `JetStream`
    Ingress,
    /// The tier that agents' dashboards subscribe to
    Fanout,
    /// The consumer that writes the database
    Persister,
    /// Creates or checks streams, consumers and the database's tables
    Provision {
        /// Gives a shard whose stream lies behind the database a new stream and epoch; the old one
        /// is kept aside.
        #[arg(long)]
        renew: bool,
        /// Gives every shard a new stream, epoch and incarnation: the streams and the database were
        /// restored from backups of the same time.
        #[arg(long, conflicts_with = "renew")]
        restored: bool,
    },
    /// Tells the embedded log that its folder was restored from a backup: it goes on in a new epoch
    Restored,
    /// Prints the settings in force
    Config,
    /// Prints an agent's token that the running development mode accepts
    Token {
        /// Whose agent.
        #[arg(long, value_name = "TENANT")]
        tenant: String,
        /// The agent's id, which is also shown as the name.
        #[arg(long, value_name = "NAME")]
        agent: String,
    },
}
