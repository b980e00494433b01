//! Access of visitors: which tenant, from which page, and who the visitor is.

use std::sync::Arc;

use parlor_auth::{Bearer, Credential, Kind, Tenant, VisitorToken, visit};
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

/// Who the visitor is: by a token in `Authorization`, or else by cookie. A cookie that does not
/// verify counts as none.
pub(super) fn known(rest: &Deps, call: &Call) -> Result<Option<VisitorToken>, Problem> {
    let bearer = by_bearer(rest, call)?;
    Ok(bearer.or_else(|| by_cookie(rest, call)))
}

/// Who the visitor is by a token in `Authorization`.
pub(super) fn by_bearer(rest: &Deps, call: &Call) -> Result<Option<VisitorToken>, Problem> {
    visit::bearer_visitor(&rest.visitors, visit::bearer(call.headers())?)
}

/// Who the visitor is by cookie.
pub(super) fn by_cookie(rest: &Deps, call: &Call) -> Option<VisitorToken> {
    rest.visitors.from_cookies(call.headers())
}

/// A new visitor, whose cookie goes with the answer.
pub(super) fn introduce(rest: &Deps, call: &mut Call) -> VisitorToken {
    let token = rest.visitors.issue();
    call.cookie = Some(rest.visitors.set_cookie(&token));
    token
}
