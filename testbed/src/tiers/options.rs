//! Which topology a command means: its options, and the variables of the environment that are the
//! same to all commands of a script.

use std::path::PathBuf;

use clap::Args;

use super::{Settings, Tiers, node::Tier};
use crate::place::{self, Place};

/// The options.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The topology")]
pub struct Options {
    /// Logs, data, pid files and secrets [default: tiers in the cache]
    #[arg(long, env = "PARLOR_TIERS_RUN")]
    pub folder: Option<PathBuf>,
    /// The parlor that is run, with parlor-loadtest beside it [default: target/release/parlor]
    #[arg(long, env = "PARLOR_TIERS_BIN")]
    pub binary: Option<PathBuf>,
    /// How far the ports are above the usual ones
    #[arg(long, env = "PARLOR_TIERS_OFFSET", default_value_t = 3000)]
    pub offset: u16,
    /// How many ingress nodes
    #[arg(long, env = "INGRESS", default_value_t = 2)]
    pub ingress: u16,
    /// How many fanout nodes
    #[arg(long, env = "FANOUT", default_value_t = 2)]
    pub fanout: u16,
    /// How many persister nodes
    #[arg(long, env = "PERSISTER", default_value_t = 1)]
    pub persister: u16,
    /// How many tenants t-1, t-2, … are made beside `demo`, for load tests
    #[arg(long, env = "TENANTS", default_value_t = 50)]
    pub tenants: u32,
    /// Puts a network of our own between the nodes, NATS and the database, and before the balancer,
    /// so that it can be broken: `network` tells it how
    #[arg(long, env = "NETWORK", default_value = "", hide_default_value = true)]
    pub network: String,
    /// Runs the nodes without a settings file, in development mode: any tenant, and the demo page
    #[arg(long, env = "DEVELOPMENT", default_value = "", hide_default_value = true)]
    pub development: String,
}

impl Options {
    /// The topology, whether it runs or not.
    pub fn tiers(self, place: Place) -> Tiers {
        let settings = Settings {
            folder: self.folder.unwrap_or_else(|| place.cache.join("tiers")),
            binary: self.binary.unwrap_or_else(|| place::root().join("target/release/parlor")),
            offset: self.offset,
            nodes: [
                (Tier::Ingress, self.ingress),
                (Tier::Fanout, self.fanout),
                (Tier::Persister, self.persister),
            ],
            tenants: self.tenants,
            development: !self.development.is_empty(),
            network: !self.network.is_empty(),
        };
        Tiers::new(place, settings)
    }
}
