//! What a tenant's JWT says of its visitor, in the conversations that there are.

use std::time::Duration;

use parlor_auth::VisitorToken;
use parlor_common::{
    action::Action,
    conversation::ConversationKey,
    deadline::in_time,
    event::{Audience, ProfileBody},
    id::ClientMessageId,
    position::Position,
    problem::{Code, Problem},
    tenant::TenantId,
};
use tracing::debug;

use super::super::{
    call::Call,
    conversation::{submit, within},
    deps::Deps,
    fields::{attributes_of, has_room},
};

/// How long a session waits for it. A client says it again after its first message.
const WITHIN: Duration = Duration::from_secs(2);

/// Notes it before a session is answered, where that is soon.
pub(super) async fn note_in_time(
    rest: &Deps,
    call: &Call,
    token: &VisitorToken,
    tenant: &TenantId,
    profile: &ProfileBody,
) {
    let late = |_| Problem::unavailable("the profile was not noted in time");
    let noted = in_time(WITHIN, late, note(rest, call, token, tenant, profile)).await;
    if let Err(problem) = noted {
        debug!(code = problem.code.as_str(), "what is proven of a visitor is not noted");
    }
}

/// Notes it in each of the visitor's conversations, where that does not know it yet; tells whether
/// there is one.
pub(super) async fn note(
    rest: &Deps,
    call: &Call,
    token: &VisitorToken,
    tenant: &TenantId,
    profile: &ProfileBody,
) -> Result<bool, Problem> {
    let mut is_there = false;
    for key in token.conversations(tenant).keys() {
        is_there |= note_in(rest, call, token, &key, profile).await?;
    }
    Ok(is_there)
}

async fn note_in(
    rest: &Deps,
    call: &Call,
    token: &VisitorToken,
    key: &ConversationKey,
    profile: &ProfileBody,
) -> Result<bool, Problem> {
    let read = async {
        let is_there = rest.history.exists(key, Audience::Visitor).await?;
        Ok(is_there.then_some(rest.history.state(key).await?))
    };
    let Some(state) = within(rest.settings.read_within, read).await? else { return Ok(false) };
    if !state.knows(profile) {
        has_room(&state, attributes_of(profile))?;
        let id = id_of(profile, state.proven_at())?;
        let action = Action::Know(profile.clone(), Some(id));
        submit(rest, call, key, token.author(), action).await?;
    }
    Ok(true)
}

/// The same claims on top of the same ones before are one event, whoever notes them how often; what
/// was said before and comes back later is another.
fn id_of(profile: &ProfileBody, after: Position) -> Result<ClientMessageId, Problem> {
    let unwritten = |_| Problem::new(Code::Internal, "the profile could not be written");
    let said = serde_json::to_vec(profile).map_err(unwritten)?;
    let mut hash = blake3::Hasher::new_derive_key("parlor 2026 what is proven of a visitor");
    hash.update(&after.as_i64().to_be_bytes()).update(&said);
    ClientMessageId::parse(hash.finalize().to_hex().as_str())
        .map_err(|_| Problem::new(Code::Internal, "the profile could not be named"))
}
