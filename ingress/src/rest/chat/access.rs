//! Access of visitors: which tenant, from which page, and who the visitor is.

use std::sync::Arc;

use parlor_auth::{Bearer, CookieVisitor, Credential, Kind, Tenant, VisitorToken, visit};
use parlor_common::problem::Problem;

use super::super::{call::Call, deps::Deps};

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

/// Who the visitor is: by a token in `Authorization`, or else by cookies. A cookie that does not
/// verify counts as none.
pub(super) fn known(rest: &Deps, call: &Call) -> Result<Option<VisitorToken>, Problem> {
    let by_cookies = || rest.visitors.from_cookies(call.headers()).map(|visitor| visitor.token);
    Ok(by_bearer(rest, call)?.or_else(by_cookies))
}

/// Who the visitor is by a token in `Authorization`.
pub(super) fn by_bearer(rest: &Deps, call: &Call) -> Result<Option<VisitorToken>, Problem> {
    visit::bearer_visitor(&rest.visitors, visit::bearer(call.headers())?)
}

/// Who the visitor is by cookies, and whether they named one; otherwise it is a new one. The answer
/// leaves the browser with one cookie.
pub(super) fn by_cookies(rest: &Deps, call: &mut Call) -> (VisitorToken, bool) {
    let known = rest.visitors.from_cookies(call.headers());
    let is_known = known.is_some();
    let CookieVisitor { token, set } = known.unwrap_or_else(|| rest.visitors.introduce());
    call.cookies = set;
    (token, is_known)
}
