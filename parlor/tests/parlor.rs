//! The binary, as its users start it: alone, as tiers on real NATS and CQL, and with everything
//! that can be wrong.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "parlor/alone.rs"]
mod alone;
#[path = "parlor/balancer.rs"]
mod balancer;
#[path = "parlor/handed.rs"]
mod handed;
#[path = "parlor/installation.rs"]
mod installation;
#[path = "parlor/operating.rs"]
mod operating;
#[path = "parlor/outages.rs"]
mod outages;
#[path = "parlor/passwords.rs"]
mod passwords;
#[path = "parlor/standing.rs"]
mod standing;
#[path = "parlor/startup.rs"]
mod startup;
#[path = "parlor/tiers.rs"]
mod tiers;
#[path = "parlor/work.rs"]
mod work;
