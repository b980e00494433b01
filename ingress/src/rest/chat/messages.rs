//! A visitor's own messages: read a page, send a draft.

use axum::{body::Body, response::Response};
use parlor_auth::Kind;
use parlor_common::{event::Audience, problem::Problem};

use super::{
    super::{
        call::Call,
        conversation::{accept, draft, empty_page, page as read_page, page_answer, wanted},
        deps::Deps,
    },
    access::{by_bearer, by_cookies, check, known},
};

/// A page of the visitor's conversation. Sets no cookie and keeps no record: every view of a page
/// asks for it.
pub(in super::super) async fn page(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
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
pub(in super::super) async fn post(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let tenant = check(rest, call, Kind::Write, None)?;
    let by_bearer = by_bearer(rest, call)?;
    let draft = draft(rest, call, body).await?;
    // A new visitor keeps the cookie also when the door could not tell: trying again must meet the
    // same conversation.
    let token = by_bearer.unwrap_or_else(|| by_cookies(rest, call).0);
    accept(rest, call, token.conversations(&tenant.id), token.author(), draft).await
}
