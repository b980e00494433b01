//! Access of visitors: which tenant, from which page, and who the visitor is.

use std::{sync::Arc, time::Duration};

use parlor_auth::{Bearer, CookieVisitor, Credential, Kind, Tenant, VisitorToken, visit};
use parlor_common::{
    action::Action, deadline::in_time, door::Submission, event::Transport, problem::Problem,
    tenant::TenantId,
};
use tracing::debug;

use super::super::{call::Call, deps::Deps};

/// How long a POST waits until it is noted that its cookies are one visitor's.
const LINK_WITHIN: Duration = Duration::from_secs(2);

/// Whose tenant, from which page, and with its key where it wants one. `credential` is what the
/// request is known by, where its headers do not tell.
pub(super) fn check(
    rest: &Deps,
    call: &mut Call,
    kind: Kind,
    credential: Option<Credential>,
) -> Result<Arc<Tenant>, Problem> {
    let tenant = visit::tenant_of_header(&rest.tenants, call.headers())?;
    let of_headers = match visit::bearer(call.headers()) {
        Ok(Bearer::None | Bearer::Publishable(_)) => Credential::Cookie,
        // A token that is no visitor's is refused a moment later, so that no cookie counts beside
        // it.
        Ok(Bearer::Visitor(_) | Bearer::Other(_)) | Err(_) => Credential::Bearer,
    };
    call.check_origin(&tenant, kind, credential.unwrap_or(of_headers))?;
    visit::check_publishable_key(&tenant, visit::bearer(call.headers())?)?;
    Ok(tenant)
}

/// Who the visitor is by a token in `Authorization`.
pub(super) fn by_bearer(rest: &Deps, call: &Call) -> Result<Option<VisitorToken>, Problem> {
    visit::bearer_visitor(&rest.visitors, visit::bearer(call.headers())?)
}

/// Who the visitor is by cookies, and whether they named one; otherwise it is a new one. The answer
/// leaves the browser with one cookie, where it can be noted that several are one visitor's. Else
/// the browser keeps those that it has, and its next request tries again.
pub(super) async fn by_cookies(
    rest: &Deps,
    call: &mut Call,
    tenant: &TenantId,
) -> (VisitorToken, bool) {
    let known = rest.visitors.from_cookies(call.headers());
    let is_known = known.is_some();
    let visitor = known.unwrap_or_else(|| rest.visitors.introduce());
    let CookieVisitor { token, merged, set } = visitor;
    if !merged || link(rest, call, tenant, &token).await {
        call.cookies = set;
    }
    (token, is_known)
}

/// Notes that the cookies are one visitor's; tells whether it is noted.
async fn link(rest: &Deps, call: &Call, tenant: &TenantId, token: &VisitorToken) -> bool {
    let submission = Submission {
        conversations: token.conversations(tenant),
        author: token.author(),
        session: None,
        transport: Transport::Rest,
        arrived: call.arrived,
        action: Action::Link(token.link()),
    };
    let late = |_| Problem::unavailable("the link was not noted in time");
    let noted = in_time(LINK_WITHIN, late, rest.door.accept(submission)).await;
    noted.inspect_err(|problem| debug!(%problem, "cookies are not made one")).is_ok()
}
