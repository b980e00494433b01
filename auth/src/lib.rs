//! Who is asking: the tenants, visitors' tokens, agents' JWT, origins and rate limits.
//!
//! REST and sockets decide alike because both decide here. Nothing in this room writes, and nothing
//! waits for a server: what is needed to say who someone is comes with the request, from the
//! installation's keys or the tenants' file.

pub mod agent;
mod agent_key;
mod jar;
pub mod limits;
mod metrics;
pub mod origin;
mod rate;
mod tenant;
pub mod tenants;
mod tenants_file;
#[cfg(test)]
mod test_keys;
pub mod visit;
pub mod visitor;

pub use self::{
    agent::{Agent, Agents, Refused, Role},
    jar::CookieVisitor,
    limits::{LimitSettings, Limited, Limits},
    metrics::Metrics,
    origin::{AllowedOrigin, BadOrigin, Origin, OriginRule},
    rate::Rate,
    tenant::{Tenant, TenantLimits},
    tenants::Tenants,
    tenants_file::BadTenants,
    visit::{Bearer, Credential, Kind},
    visitor::{BadToken, CookieSettings, VisitorToken, VisitorTokens},
};
