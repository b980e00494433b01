//! Who is asking: the tenants, visitors' tokens, agents' JWT, origins and rate limits.
//!
//! REST and sockets decide alike because both decide here. Nothing in this room writes, and nobody
//! who asks waits for a server: what is needed to say who someone is comes with the request, from
//! the installation's keys or the tenants' file, or has been fetched before from the issuer that it
//! names.

pub mod agent;
mod connector;
mod directory;
pub mod identity;
mod issuer;

mod jar;
mod jwk;
pub mod jwks;
mod jwt;
pub mod limits;
mod metrics;
pub mod origin;
mod rate;
mod role;
mod tenant;
pub mod tenants;
mod tenants_file;
mod tenants_text;
#[cfg(test)]
mod test_keys;
mod token_key;
pub mod visit;
pub mod visitor;

pub use self::{
    agent::{Agent, Agents, Refused, Role},
    identity::Proven,
    jar::CookieVisitor,
    jwks::{Connector, Jwks},
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
