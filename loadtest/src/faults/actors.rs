//! Who acts beside the load while a fault is played: always for tenants, or in ways, that the load
//! itself does not have.

mod flood;
mod ids;
mod probe;
mod reads;
mod stranger;

use parlor_testbed::tiers::Tiers;
use tokio::sync::watch;

use super::figures::Figures;
use crate::address::Address;

/// The tenant of those who act; the load's are others.
const TENANT: &str = "demo";

/// One who acts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Actor {
    /// Uses one client message id for every tenant.
    Ids,
    /// Writes as much as it can for one tenant.
    Flood,
    /// Reads one history again and again.
    Reads,
    /// Writes for one tenant, to see when it is refused.
    Probe,
}

/// Whether what is played is over.
pub(super) type Over = watch::Receiver<bool>;

// === impl Actor ===

impl Actor {
    /// Acts until it is over, and gives the figures of it.
    ///
    /// # Errors
    /// It could not begin, or not see what it came to.
    pub(super) async fn act(self, tiers: &Tiers, over: Over) -> anyhow::Result<Figures> {
        let at: Address =
            format!("http://{}", tiers.entrance()).parse().map_err(anyhow::Error::msg)?;
        match self {
            Self::Ids => ids::act(&at, &tiers.tenant_names()).await,
            Self::Flood => flood::act(&at, over).await,
            Self::Reads => reads::act(&at, over).await,
            Self::Probe => probe::act(&at, over).await,
        }
    }
}
