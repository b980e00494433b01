//! A visitor's identity: who a tenant says that its visitor is, by a JWT of the tenant's server.

use parlor_common::{clock::Timestamp, id::VisitorId, tenant::TenantId};
use serde_json::{Map, Value};

use crate::{
    jwt::{self, Refused},
    tenants::Tenants,
};

/// Whom a visitor's JWT is for.
const AUDIENCE: &str = "parlor.visitor";

/// A visitor whom a tenant has proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Whose visitor.
    pub tenant: TenantId,
    /// A hash of the tenant and the JWT's `sub`.
    pub visitor: VisitorId,
    /// When the proof ends.
    pub ends: Timestamp,
    /// What else the JWT says. Nothing of it has been looked at.
    pub claims: Map<String, Value>,
}

/// Who `tenant` says at `now` that the bearer of `token` is.
///
/// # Errors
/// [`Refused`] says why it is not believed.
pub fn prove(
    tenants: &Tenants,
    tenant: &TenantId,
    token: &str,
    now: Timestamp,
) -> Result<Proven, Refused> {
    let kid = jwt::key_id(token)?;
    let key = tenants.visitor_key(tenant, &kid).ok_or(Refused::UnknownKey)?;
    let claims = jwt::verified(token, &key)?;
    let ends = claims.check(AUDIENCE, now)?;
    let visitor = VisitorId::proven(tenant, &claims.sub);
    Ok(Proven { tenant: tenant.clone(), visitor, ends, claims: claims.others.0 })
}

#[cfg(test)]
mod tests;
