//! A visitor's own messages: read a page, send a draft.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use parlor_auth::{Bearer, Credential, Kind, Tenant, VisitorToken, visit};
use parlor_common::{event::Audience, problem::Problem};

use super::{
    Deps,
    call::Call,
    conversation::{accept, draft, empty_page, page as read_page, page_answer, wanted},
};

/// A page of the visitor's conversation. Sets no cookie and keeps no record: every view of a page
/// asks for it.
pub(super) async fn page(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let tenant = check(rest, call, Kind::Read, None)?;
    let wanted = wanted(rest, call, &tenant.id)?;
    match known(rest, call)? {
        Some(token) => {
            let page = read_page(rest, &token.conversations(&tenant.id), Audience::Visitor, wanted)
                .await?;
            page_answer(rest, &tenant.id, &page)
        }
        None => empty_page(rest, &tenant.id),
    }
}

/// A draft. Makes a visitor where none is known.
pub(super) async fn post(rest: &Deps, call: &mut Call, body: Body) -> Result<Response, Problem> {
    let tenant = check(rest, call, Kind::Write, None)?;
    let known = known(rest, call)?;
    let draft = draft(rest, call, body).await?;
    // A new visitor keeps the cookie also when the door could not tell: trying again must meet the
    // same conversation.
    let token = known.unwrap_or_else(|| introduce(rest, call));
    accept(rest, call, token.conversations(&tenant.id), token.author(), draft).await
}

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
        // What is no visitor's token is refused in a moment, so that no cookie counts beside it.
        Ok(Bearer::Visitor(_) | Bearer::Other(_)) | Err(_) => Credential::Bearer,
    };
    call.check_origin(&tenant, kind, credential.unwrap_or(of_headers))?;
    visit::check_publishable_key(&tenant, visit::bearer(call.headers())?)?;
    Ok(tenant)
}

/// Who the visitor is: by a token in `Authorization`, or else by cookie. A cookie that does not
/// verify counts as none.
fn known(rest: &Deps, call: &Call) -> Result<Option<VisitorToken>, Problem> {
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
