//! Access of agents: who asks, from which page, and for which tenant.

use parlor_auth::{Agent, Bearer, Credential, Kind, visit};
use parlor_common::problem::{Code, Problem};

use super::super::{call::Call, deps::Deps};

/// Who asks, from which page, and that what it names besides is its own tenant.
pub(super) fn check(rest: &Deps, call: &mut Call, kind: Kind) -> Result<Agent, Problem> {
    let refuse = || Problem::new(Code::Unauthorized, "an agent's token is wanted");
    let Bearer::Other(token) = visit::bearer(call.headers())? else { return Err(refuse()) };
    let agent = rest.agents.verify(token)?;
    // A reload of the tenants' file may have removed the tenant since the token was verified.
    let tenant = rest.tenants.get(&agent.tenant).ok_or_else(refuse)?;
    call.check_origin(&tenant, kind, Credential::Bearer)?;
    visit::agree(&agent.tenant, call.headers(), None)?;
    Ok(agent)
}
