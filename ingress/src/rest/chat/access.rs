//! Access of visitors: which tenant, from which page, and who the visitor is.

use std::{sync::Arc, time::Duration};

use parlor_auth::{
    BadToken, Bearer, CookieVisitor, Credential, Kind, Proven, Tenant, VisitorToken, identity,
    visit,
};
use parlor_common::{
    action::Action,
    deadline::in_time,
    door::Submission,
    event::{ProfileBody, Transport},
    problem::{Code, Problem},
    tenant::TenantId,
};
use tracing::debug;

use super::super::{call::Call, deps::Deps, fields::Fields};

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

/// Who the visitor is to `tenant` by a token in `Authorization`.
pub(super) fn by_bearer(
    rest: &Deps,
    call: &Call,
    tenant: &TenantId,
) -> Result<Option<VisitorToken>, Problem> {
    visit::bearer_visitor(&rest.visitors, visit::bearer(call.headers())?, tenant)
}

/// Who the visitor is by the tenant's JWT, and what that says of the visitor. Whoever showed
/// another token besides has been this visitor without a proof, whose conversations are this one's
/// from now on; not so where it is a proven visitor's, and never by a cookie: it may be the last
/// user's of this browser.
pub(super) async fn by_identity(
    rest: &Deps,
    call: &Call,
    tenant: &TenantId,
    identity: &str,
) -> Result<(VisitorToken, Option<ProfileBody>), Problem> {
    let proven = prove(rest, tenant, identity)?;
    let before = match visit::bearer(call.headers())? {
        // Its end is why there is a new proof.
        Bearer::Visitor(token) => rest.visitors.verify_past(token, tenant).map(Some),
        Bearer::None | Bearer::Publishable(_) => Ok(None),
        Bearer::Other(_) => Err(BadToken),
    };
    let before =
        before.map_err(|bad: BadToken| Problem::new(Code::Unauthorized, bad.to_string()))?;
    let token = rest.visitors.prove(&proven).absorbing(&before);
    let absorbs_one = before
        .is_some_and(|before| !before.is_proven() && token.absorbed().contains(&before.visitor()));
    // Otherwise the client keeps what it has, and tries again.
    if absorbs_one && !link(rest, call, tenant, &token).await {
        return Err(Problem::unavailable("the two visitors are not made one just now"));
    }
    Ok((token, Fields::claims(proven.claims)?))
}

/// Who the tenant says that the bearer of this JWT is.
pub(super) fn prove(rest: &Deps, tenant: &TenantId, identity: &str) -> Result<Proven, Problem> {
    let proven = identity::prove(&rest.tenants, tenant, identity, rest.clock.now());
    proven.map_err(|refused| Problem::from(refused).detail("identity", "refused"))
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
