//! What a visitor does with the own conversation besides writing: says who it is, notes how far it
//! has read, closes it, rates it. None of it is there before the first message.

use axum::{body::Body, response::Response};
use http::StatusCode;
use parlor_auth::{CookieVisitor, Kind, VisitorToken};
use parlor_common::{
    action::{Action, Change},
    conversation::ConversationSet,
    event::{Audience, ChangeBody, ReadBody},
    problem::{Code, Problem},
    shown::Rating,
    state::{ConversationState, Status},
    tenant::TenantId,
};
use parlor_http::read_body;
use serde::Serialize;

use super::{
    super::{
        body::idempotency_key,
        call::{Call, json},
        conversation::{MarkBody, not_of_this_kind, read_up_to, status_of, submit_to, within},
        deps::Deps,
        fields::{Fields, attributes_of, has_room},
    },
    access, proof,
};

/// A visitor with a conversation.
struct Owner {
    tenant: TenantId,
    token: VisitorToken,
    set: ConversationSet,
    state: ConversationState,
}

#[derive(Serialize)]
struct Done {
    ok: bool,
}

#[derive(Serialize)]
struct StatusBody {
    status: Status,
}

#[derive(Serialize)]
struct RatingBody {
    rating: Rating,
    duplicate: bool,
}

/// Who the visitor is, as the visitor says.
pub(in super::super) async fn profile(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let (tenant, token) = asker(rest, call)?;
    let body = read_body(body, rest.settings.max_body, rest.settings.body_stall).await?;
    let mut fields = Fields::parse(&body)?;
    if let Some(identity) = fields.identity()? {
        let proven = access::prove(rest, &tenant, &identity)?;
        if proven.visitor != token.visitor() {
            return Err(Problem::new(Code::Forbidden, "the identity is another visitor's"));
        }
        if let Some(profile) = Fields::claims(proven.claims)?
            && !proof::note(rest, call, &token, &tenant, &profile).await?
        {
            return Err(Problem::not_found());
        }
        return json(StatusCode::OK, &Done { ok: true });
    }
    let owner = owner_of(rest, tenant, token).await?;
    let profile = fields.profile()?;
    has_room(&owner.state, attributes_of(&profile))?;
    let action = Action::Know(profile, idempotency_key(call.headers())?);
    owner.submit(rest, call, action).await?;
    json(StatusCode::OK, &Done { ok: true })
}

/// How far the visitor has read.
pub(in super::super) async fn mark(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let owner = owner(rest, call).await?;
    let up_to = read_up_to(rest, &owner.tenant, body).await?;
    let before = owner.state.read_by_visitor();
    if up_to > before {
        owner.submit(rest, call, Action::Read(ReadBody { agent: None, up_to })).await?;
    }
    let read = rest.cursors.write(&owner.tenant, up_to.max(before));
    json(StatusCode::OK, &MarkBody { read })
}

/// Closes the conversation; the visitor's next message opens it again.
pub(in super::super) async fn close(
    rest: &Deps,
    call: &mut Call,
    _: Body,
) -> Result<Response, Problem> {
    let owner = owner(rest, call).await?;
    if owner.status(rest) != Status::Closed {
        let change = Change {
            body: ChangeBody::status(Status::Closed),
            client_message_id: idempotency_key(call.headers())?,
            expected: None,
        };
        owner.submit(rest, call, Action::Change(change)).await?;
    }
    json(StatusCode::OK, &StatusBody { status: Status::Closed })
}

/// Rates a conversation that is closed, once for each closing.
pub(in super::super) async fn rate(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let owner = owner(rest, call).await?;
    let body = read_body(body, rest.settings.max_body, rest.settings.body_stall).await?;
    let rating = Fields::parse(&body)?.rating()?;
    let closed_at = owner.state.status_set().filter(|_| owner.status(rest) == Status::Closed);
    let closed_at = closed_at.ok_or_else(Problem::not_found)?;
    let receipt = owner.submit(rest, call, Action::Rate(rating, closed_at)).await?;
    let rating = Rating::of(&receipt.event, &rest.cursors).ok_or_else(not_of_this_kind)?;
    json(status_of(receipt.duplicate), &RatingBody { rating, duplicate: receipt.duplicate })
}

/// Who asks, where the visitor has a conversation.
async fn owner(rest: &Deps, call: &mut Call) -> Result<Owner, Problem> {
    let (tenant, token) = asker(rest, call)?;
    owner_of(rest, tenant, token).await
}

/// Who asks, and whose visitor it is.
fn asker(rest: &Deps, call: &mut Call) -> Result<(TenantId, VisitorToken), Problem> {
    let tenant = access::check(rest, call, Kind::Write, None)?.id.clone();
    let token = match access::by_bearer(rest, call, &tenant)? {
        Some(token) => token,
        None => {
            let known = rest.visitors.from_cookies(call.headers());
            let CookieVisitor { token, .. } = known.ok_or_else(Problem::not_found)?;
            token
        }
    };
    Ok((tenant, token))
}

async fn owner_of(rest: &Deps, tenant: TenantId, token: VisitorToken) -> Result<Owner, Problem> {
    let set = token.conversations(&tenant);
    let primary = set.primary();
    let read = async {
        let is_there = rest.history.exists(&primary, Audience::Visitor).await?;
        Ok(is_there.then_some(rest.history.state(&primary).await?))
    };
    let state = within(rest.settings.read_within, read).await?.ok_or_else(Problem::not_found)?;
    Ok(Owner { tenant, token, set, state })
}

// === impl Owner ===

impl Owner {
    fn status(&self, rest: &Deps) -> Status {
        self.state.status(rest.monitor.time()).0
    }

    async fn submit(
        &self,
        rest: &Deps,
        call: &Call,
        action: Action,
    ) -> Result<parlor_common::door::Receipt, Problem> {
        submit_to(rest, call, self.set.clone(), self.token.author(), action).await
    }
}
