//! Agents: who a JWT says is asking, verified by a key of the tenant's.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parlor_common::{
    author::{Author, AuthorKind},
    clock::{Clock, Timestamp},
    tenant::TenantId,
};
use serde_json::{Map, Value, json};

use crate::{
    issuer::Missing,
    jwt::{self, Audience, Claims, Others, is_printable},
    role::AUDIENCE,
    tenants::Tenants,
};
pub use crate::{jwt::Refused, role::Role};

/// Verifies agents' tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Agents {
    tenants: Tenants,
    clock: Clock,
}

/// Someone who answers, as a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Whose agent: the tenant of the key that verified.
    pub tenant: TenantId,
    /// The token's `sub`: 1 to 128 printable characters.
    pub id: String,
    /// The token's `name`.
    pub name: Option<String>,
    /// The token's `role`.
    pub role: Role,
    /// When the token ends.
    pub expires: Timestamp,
}

// === impl Agents ===

impl Agents {
    /// Verifies with the keys of `tenants`.
    pub const fn new(tenants: Tenants, clock: Clock) -> Self {
        Self { tenants, clock }
    }

    /// Who `token` says is asking. Nothing is waited for: a key that the issuer has and we have not
    /// seen is fetched meanwhile.
    ///
    /// # Errors
    /// [`Refused`] says why it is not believed.
    pub fn verify(&self, token: &str) -> Result<Agent, Refused> {
        let (kid, issuer) = (jwt::key_id(token)?, jwt::issuer(token)?);
        let now = self.clock.now();
        let (tenant, agent) = match self.tenants.agent_issuer(&issuer) {
            Some(of) => {
                let key = of.keys.key(&kid, now).map_err(|missing| match missing {
                    Missing::Unknown => Refused::UnknownKey,
                    Missing::Pending => Refused::KeysPending,
                })?;
                let claims = jwt::verified(token, &key)?;
                let role = claims.others.0.get(&of.role_claim).and_then(|said| of.role(said));
                let agent = Agent::of(claims, &of.tenant.id, &of.audience, role, now)?;
                (of.tenant.clone(), agent)
            }
            None => {
                let known = self.tenants.agent_key(&issuer, &kid);
                let (tenant, key) = known.ok_or(Refused::UnknownKey)?;
                let claims = jwt::verified(token, &key)?;
                let role = claims.others.0.get("role").and_then(Role::of);
                let agent = Agent::of(claims, &tenant.id, AUDIENCE, role, now)?;
                (tenant, agent)
            }
        };
        if tenant.suspended { Err(Refused::Suspended) } else { Ok(agent) }
    }

    /// Makes a token for an agent of `tenant` that lives for `ttl`, a day at most, and tells when
    /// it ends. `id` has 1 to 128 printable characters. For development mode, whose nodes accept
    /// it.
    ///
    /// # Errors
    /// [`Refused::NotDevelopment`] where tenants come from a file, and what
    /// [`verify`](Self::verify) would say.
    pub fn mint_development(
        &self,
        tenant: &TenantId,
        id: &str,
        name: Option<&str>,
        role: Role,
        ttl: Duration,
    ) -> Result<(String, Timestamp), Refused> {
        let (issuer, kid, secret) =
            self.tenants.development_signer(tenant).ok_or(Refused::NotDevelopment)?;
        let now = self.clock.now();
        // Whole seconds, rounded down, so that the end is what the token says.
        let seconds = |time: Timestamp| time.as_millis().div_euclid(1000);
        let expires = seconds(now.plus(ttl));
        let mut others: Map<String, Value> =
            [("iss".to_owned(), json!(issuer)), ("role".to_owned(), json!(role))]
                .into_iter()
                .collect();
        others.extend(name.map(|name| ("name".to_owned(), json!(name))));
        let claims = Claims {
            sub: id.to_owned(),
            exp: expires as f64,
            nbf: None,
            iat: Some(seconds(now) as f64),
            aud: Audience::One(AUDIENCE.to_owned()),
            others: Others(others),
        };
        claims.check(AUDIENCE, now)?;
        name_of(&claims)?;
        let header = Header { kid: Some(kid), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&secret))
            .expect("claims have string keys, finite numbers and a secret to sign with");
        Ok((token, Timestamp::from_millis(expires * 1000)))
    }
}

/// The claim `name`, where it is there.
fn name_of(claims: &Claims) -> Result<Option<&str>, Refused> {
    match claims.others.0.get("name") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if is_printable(name) => Ok(Some(name)),
        Some(_) => Err(Refused::Claims),
    }
}

// === impl Agent ===

impl Agent {
    /// Who `claims` say is asking, where they are for `audience` and hold at `now`.
    fn of(
        claims: Claims,
        tenant: &TenantId,
        audience: &str,
        role: Option<Role>,
        now: Timestamp,
    ) -> Result<Self, Refused> {
        let expires = claims.check(audience, now)?;
        let name = name_of(&claims)?.map(ToOwned::to_owned);
        let role = role.ok_or(Refused::Claims)?;
        Ok(Self { tenant: tenant.clone(), id: claims.sub, name, role, expires })
    }

    /// Who a message of this agent is by.
    pub fn author(&self) -> Author {
        let kind = match self.role {
            Role::Agent | Role::Admin => AuthorKind::Agent,
            Role::Bot => AuthorKind::Bot,
        };
        Author { kind, id: self.id.clone(), name: self.name.clone() }
    }
}

#[cfg(test)]
mod tests;
