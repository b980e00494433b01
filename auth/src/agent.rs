//! Agents: who a JWT says is asking, verified by a key of the tenant's.

use std::time::Duration;

use jsonwebtoken::{
    Algorithm, EncodingKey, Header, Validation, dangerous::insecure_decode, decode, decode_header,
};
use parlor_common::{
    author::{Author, AuthorKind},
    clock::{Clock, Timestamp},
    problem::{Code, Problem},
    tenant::TenantId,
};
use serde::{Deserialize, Serialize};

use crate::tenants::Tenants;

const AUDIENCE: &str = "parlor";
/// The most bytes of a token; one of ours has about 400.
const MAX_TOKEN_BYTES: usize = 4096;
/// The most characters of an agent's id and name.
const MAX_CHARS: usize = 128;
/// How far two clocks may be apart before a token counts as ended, or as not begun.
const LEEWAY: Duration = Duration::from_secs(5);
/// How long a token may live.
const MAX_LIFE: Duration = Duration::from_secs(86_400);

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

/// What an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A person.
    Agent,
    /// A program.
    Bot,
    /// A person with the role of an administrator, which allows nothing more yet.
    Admin,
}

/// Why a token is refused. The client may be told, since none of it helps to forge a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a JWT, too large, or with claims of other types than they should have.
    #[error("not an agent's token")]
    Malformed,
    /// The issuer has no key of this id.
    #[error("no key of this issuer and kid is known")]
    UnknownKey,
    /// Another algorithm than the key's, or not signed by it.
    #[error("the token's signature does not verify")]
    Signature,
    /// `aud` is not `parlor`.
    #[error("the token's aud is not parlor")]
    Audience,
    /// `exp` is past.
    #[error("the token has ended")]
    Ended,
    /// `nbf` is ahead.
    #[error("the token has not begun")]
    NotBegun,
    /// `exp` is more than a day after `iat`, or after now.
    #[error("the token lives for more than a day")]
    TooLong,
    /// `sub`, `name` or `role` is missing or malformed.
    #[error("the token's sub, name or role is not what it should be")]
    Claims,
    /// The tenant is served no more.
    #[error("the tenant is suspended")]
    Suspended,
    /// Tokens are minted in development mode only.
    #[error("tokens are minted in development mode only")]
    NotDevelopment,
}

/// Times are seconds since the Unix epoch, with a fraction where the issuer likes (RFC 7519 §2).
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<f64>,
    aud: Audience,
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// The part of a token that is read before it is verified: it only chooses the key to verify with.
#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

// === impl Agents ===

impl Agents {
    /// Verifies with the keys of `tenants`.
    pub const fn new(tenants: Tenants, clock: Clock) -> Self {
        Self { tenants, clock }
    }

    /// Who `token` says is asking.
    ///
    /// # Errors
    /// [`Refused`] says why it is not believed.
    pub fn verify(&self, token: &str) -> Result<Agent, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused::Malformed);
        }
        let header = decode_header(token).map_err(|_| Refused::Malformed)?;
        // An extension we do not know changes what the token means (RFC 7515 §4.1.11).
        if header.crit.is_some() {
            return Err(Refused::Malformed);
        }
        let kid = header.kid.as_deref().ok_or(Refused::UnknownKey)?;
        let issuer = insecure_decode::<Issuer>(token).map_err(|_| Refused::Malformed)?.claims.iss;
        let (tenant, key) = self.tenants.agent_key(&issuer, kid).ok_or(Refused::UnknownKey)?;
        let claims = decode::<Claims>(token, key.decoding(), &signature_only(key.algorithm()))
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::Json(_) => Refused::Claims,
                _ => Refused::Signature,
            })?;
        let agent = claims.claims.agent(&tenant.id, self.clock.now())?;
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
        let claims = Claims {
            iss: issuer,
            sub: id.to_owned(),
            exp: expires as f64,
            nbf: None,
            iat: Some(seconds(now) as f64),
            aud: Audience::One(AUDIENCE.to_owned()),
            role,
            name: name.map(ToOwned::to_owned),
        };
        claims.check(now)?;
        let header = Header { kid: Some(kid), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&secret))
            .expect("claims have string keys, finite numbers and a secret to sign with");
        Ok((token, Timestamp::from_millis(expires * 1000)))
    }
}

/// The library checks the algorithm and the signature and nothing else: it reads the machine's
/// clock, and we are given one.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

// === impl Claims ===

impl Claims {
    fn agent(self, tenant: &TenantId, now: Timestamp) -> Result<Agent, Refused> {
        self.check(now)?;
        let expires = instant(self.exp);
        Ok(Agent {
            tenant: tenant.clone(),
            id: self.sub,
            name: self.name,
            role: self.role,
            expires,
        })
    }

    fn check(&self, now: Timestamp) -> Result<(), Refused> {
        let is_ours = match &self.aud {
            Audience::One(audience) => audience == AUDIENCE,
            Audience::Several(audiences) => audiences.iter().any(|audience| audience == AUDIENCE),
        };
        if !is_ours {
            return Err(Refused::Audience);
        }
        let expires = instant(self.exp);
        if expires.plus(LEEWAY) <= now {
            return Err(Refused::Ended);
        }
        if self.nbf.is_some_and(|begins| instant(begins).minus(LEEWAY) > now) {
            return Err(Refused::NotBegun);
        }
        let begun = self.iat.map_or(now, |issued| instant(issued).min(now.plus(LEEWAY)));
        if expires > now.plus(MAX_LIFE + LEEWAY) || expires > begun.plus(MAX_LIFE + LEEWAY) {
            return Err(Refused::TooLong);
        }
        let name_is_sane = self.name.as_deref().is_none_or(is_printable);
        if is_printable(&self.sub) && name_is_sane { Ok(()) } else { Err(Refused::Claims) }
    }
}

/// 1 to 128 characters, none of them a control character, more than white space.
fn is_printable(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= MAX_CHARS
        && !text.chars().any(char::is_control)
}

/// A float that is too large, or not a number, becomes the nearest instant there is.
#[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates")]
fn instant(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0) as i64)
}

// === impl Agent ===

impl Agent {
    /// Who a message of this agent is by.
    pub fn author(&self) -> Author {
        let kind = match self.role {
            Role::Agent | Role::Admin => AuthorKind::Agent,
            Role::Bot => AuthorKind::Bot,
        };
        Author { kind, id: self.id.clone(), name: self.name.clone() }
    }
}

// === impl Refused ===

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Suspended => {
                Self::new(Code::Forbidden, refused.to_string()).detail("tenant", "suspended")
            }
            Refused::Malformed
            | Refused::UnknownKey
            | Refused::Signature
            | Refused::Audience
            | Refused::Ended
            | Refused::NotBegun
            | Refused::TooLong
            | Refused::Claims
            | Refused::NotDevelopment => Self::new(Code::Unauthorized, refused.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
