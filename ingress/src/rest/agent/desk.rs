//! The desk: what a tenant's agents share. Canned replies, teams, labels, the widget's look, and
//! who the agents are.

use std::collections::BTreeMap;

use axum::{body::Body, response::Response};
use http::StatusCode;
use parlor_auth::{Agent, Kind, Role};
use parlor_common::{
    action::Action,
    conversation::ConversationKey,
    event::{DeskBody, DeskItem},
    id::ConversationId,
    problem::{Code, Problem},
    state::{ConversationState, Register},
    tenant::TenantId,
};
use parlor_http::read_body;
use serde::Serialize;
use serde_json::Value;

use super::{
    super::{
        body::idempotency_key,
        call::{Call, json},
        conversation::{submit, within},
        deps::Deps,
        fields::{Fields, MAX_AGENT, line},
    },
    access::check,
};

/// The most bytes of a value as JSON.
const MAX_VALUE: usize = 2_048;
/// The most things on a desk: all of it is one value of the store.
const MOST_THINGS: usize = 300;
/// The most keys that a desk has ever had: the store remembers that a thing is gone.
const MOST_KEYS: usize = 3_000;

#[derive(Serialize)]
struct DeskAnswer {
    /// By kind and key.
    desk: BTreeMap<String, BTreeMap<String, Value>>,
    cursor: String,
}

#[derive(Serialize)]
struct ThingAnswer {
    item: DeskItem,
    key: String,
    value: Option<Value>,
}

/// Everything on it.
pub(in super::super) async fn all(rest: &Deps, call: &mut Call) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Read)?;
    let key = key_of(&agent.tenant);
    let read = within(rest.settings.read_within, rest.history.state_through(&key));
    let (state, through) = read.await?;
    let cursor = rest.cursors.write(&agent.tenant, through);
    json(StatusCode::OK, &DeskAnswer { desk: things(&state), cursor })
}

/// Puts a thing there, or another in its place.
pub(in super::super) async fn put(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Write)?;
    let body = read_body(body, rest.settings.max_body, rest.settings.body_stall).await?;
    let value = value(Fields::parse(&body)?)?;
    let (item, key) = named(call, &agent)?;
    furnish(rest, call, &agent, DeskBody { item, key, value: Some(value) }).await
}

/// Takes a thing away.
pub(in super::super) async fn delete(
    rest: &Deps,
    call: &mut Call,
    _: Body,
) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Write)?;
    let (item, key) = named(call, &agent)?;
    furnish(rest, call, &agent, DeskBody { item, key, value: None }).await
}

/// What the agent is called, and whether the agent is away.
pub(in super::super) async fn me(
    rest: &Deps,
    call: &mut Call,
    body: Body,
) -> Result<Response, Problem> {
    let agent = check(rest, call, Kind::Write)?;
    let body = read_body(body, rest.settings.max_body, rest.settings.body_stall).await?;
    let value = Fields::parse(&body)?.me()?;
    let desk = DeskBody { item: DeskItem::Agent, key: agent.id.clone(), value: Some(value) };
    furnish(rest, call, &agent, desk).await
}

async fn furnish(
    rest: &Deps,
    call: &Call,
    agent: &Agent,
    desk: DeskBody,
) -> Result<Response, Problem> {
    if agent.role == Role::Bot {
        return Err(Problem::new(Code::Forbidden, "a bot changes nothing on the desk"));
    }
    let key = key_of(&agent.tenant);
    let state = within(rest.settings.read_within, rest.history.state(&key)).await?;
    has_room(&state, &desk)?;
    let answer = ThingAnswer {
        item: desk.item,
        key: desk.key.clone(),
        value: desk.value.as_deref().and_then(|value| serde_json::from_str(value).ok()),
    };
    let action = Action::Furnish(desk, idempotency_key(call.headers())?);
    submit(rest, call, &key, agent.author(), action).await?;
    json(StatusCode::OK, &answer)
}

/// What is there can be changed and taken away, however full the desk is.
fn has_room(state: &ConversationState, desk: &DeskBody) -> Result<(), Problem> {
    let register = Register::Desk(desk.item.as_str().to_owned(), desk.key.clone());
    let is_new = desk.value.is_some() && state.value(&register).is_none();
    let is_full = state.desk().count() >= MOST_THINGS || state.registers().len() >= MOST_KEYS;
    match is_new && is_full {
        true => Err(Problem::field("key", "too_many", "the desk has no room for more things")),
        false => Ok(()),
    }
}

/// The thing that the address names, where the agent may change it: canned replies are everybody's,
/// what makes up the team is an admin's, and each agent's own entry is the agent's too.
fn named(call: &Call, agent: &Agent) -> Result<(DeskItem, String), Problem> {
    let item = DeskItem::parse(call.param("item")?).ok_or_else(Problem::not_found)?;
    let key = line("key", call.param("key")?.to_owned(), MAX_AGENT)?;
    let may = agent.role == Role::Admin
        || item == DeskItem::Reply
        || (item == DeskItem::Agent && key == agent.id);
    match may {
        true => Ok((item, key)),
        false => Err(Problem::new(Code::Forbidden, "an admin alone changes this")),
    }
}

/// `{"value":{…}}`.
fn value(mut fields: Fields) -> Result<String, Problem> {
    let value = fields.object("value")?.to_string();
    match value.len() > MAX_VALUE {
        true => Err(Problem::field("value", "too_long", "value has more than 2,048 bytes")),
        false => Ok(value),
    }
}

fn key_of(tenant: &TenantId) -> ConversationKey {
    ConversationKey { tenant: tenant.clone(), id: ConversationId::desk(tenant) }
}

fn things(state: &ConversationState) -> BTreeMap<String, BTreeMap<String, Value>> {
    let mut all: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
    for (item, key, value) in state.desk() {
        if let Ok(value) = serde_json::from_str(value) {
            all.entry(item.to_owned()).or_default().insert(key.to_owned(), value);
        }
    }
    all
}
