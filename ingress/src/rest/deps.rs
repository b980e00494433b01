//! What REST is made of.

use std::sync::Arc;

use parlor_auth::{Agents, Limits, Tenants, VisitorTokens};
use parlor_common::{clock::Clock, cursor::Cursors, door::Door, random::Random};
use parlor_history::History;
use parlor_http::page_loads::PageLoads;
use parlor_log::{EventLog, monitor::Monitor};

use crate::{Metrics, RestSettings};

/// What REST needs.
#[derive(Debug)]
pub struct Deps {
    /// Takes drafts.
    pub door: Arc<dyn Door>,
    /// Tells which shard a tenant lives in; nothing is read from it here.
    pub log: Arc<dyn EventLog>,
    /// Reads conversations.
    pub history: History,
    /// Knows how far the store has got.
    pub monitor: Monitor,
    /// Who may be named, and from which pages.
    pub tenants: Tenants,
    /// Who a visitor is.
    pub visitors: VisitorTokens,
    /// Who an agent is.
    pub agents: Agents,
    /// How often an address may ask.
    pub limits: Limits,
    /// Tells the sockets of this node which pages have been loaded.
    pub page_loads: PageLoads,
    /// Positions as clients see them.
    pub cursors: Cursors,
    /// The time.
    pub clock: Clock,
    /// Names requests that came without a name.
    pub random: Random,
    /// How to answer.
    pub settings: RestSettings,
    /// What to count.
    pub metrics: Metrics,
}
