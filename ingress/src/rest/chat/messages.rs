//! A visitor's own messages: read a page, send a draft.

use axum::{body::Body, response::Response};
use parlor_auth::{CookieVisitor, Kind, VisitorToken};
use parlor_common::problem::Problem;
use parlor_http::page_loads::{PageKey, Snapshot};

use super::{
    super::{
        call::Call,
        conversation::{
            MESSAGES, accept, draft, empty_page, page as read_page, page_answer, wanted,
        },
        deps::Deps,
    },
    access::{by_bearer, by_cookies, check},
    delivered,
};

/// A page of the visitor's conversation. Sets no cookie and keeps no record but the delivered mark
/// of what it shows: every view of a page asks for it.
pub(in super::super) async fn page(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let tenant = check(rest, call, Kind::Read, None)?;
    let wanted = wanted(rest, call, &tenant.id)?;
    let by_bearer = by_bearer(rest, call, &tenant.id)?;
    // The widget is known by its cookies and asks for no certain part.
    let is_widgets = by_bearer.is_none() && call.query().is_none_or(str::is_empty);
    let known = by_bearer.or_else(|| {
        let known = rest.visitors.from_cookies(call.headers());
        known.map(|CookieVisitor { token, .. }| token)
    });
    // The socket of the same page opens once this is answered.
    let load = wanted.is_newest().then(|| {
        let visitor = known.as_ref().map(VisitorToken::visitor);
        let key = PageKey::new(tenant.id.clone(), visitor, call.address, call.headers());
        rest.page_loads.begin(key)
    });
    let page = match known {
        Some(token) => {
            let conversations = token.conversations(&tenant.id);
            let page = read_page(rest, &conversations, wanted).await?;
            if is_widgets {
                delivered::note(rest, call, &token, &conversations, &page).await;
            }
            page
        }
        None => empty_page(rest, &tenant.id),
    };
    let answer = page_answer(rest, &tenant.id, MESSAGES, &page);
    if let Some(load) = load {
        load.answered(Snapshot { through: page.through, last: page.last });
    }
    Ok(answer)
}

/// A draft. Makes a visitor where none is known.
pub(in super::super) async fn post(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let tenant = check(rest, call, Kind::Write, None)?;
    let by_bearer = by_bearer(rest, call, &tenant.id)?;
    let draft = draft(rest, call, body).await?;
    // A new visitor keeps the cookie also when the door could not tell: trying again must meet the
    // same conversation.
    let token = match by_bearer {
        Some(token) => token,
        None => by_cookies(rest, call, &tenant.id).await.0,
    };
    accept(rest, call, token.conversations(&tenant.id), token.author(), draft).await
}
