//! What every JWT of ours has in common, whoever signs it: how it is read, and when it holds.

use std::{fmt, time::Duration};

use jsonwebtoken::{
    Algorithm, Header, Validation, dangerous::insecure_decode, decode, decode_header,
    errors::ErrorKind,
};
use parlor_common::{
    clock::Timestamp,
    problem::{Code, Problem},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::token_key::TokenKey;

/// The most bytes of a token; one of ours has about 400.
const MAX_TOKEN_BYTES: usize = 4096;
/// The most characters of a subject and of an agent's name.
const MAX_CHARS: usize = 128;
/// How far two clocks may be apart before a token counts as ended, or as not begun.
pub(crate) const LEEWAY: Duration = Duration::from_secs(5);
/// How long a token may live, whoever signs it.
const MAX_LIFE: Duration = Duration::from_secs(86_400);

/// Why a token is refused. The client may be told, since none of it helps to forge a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not a JWT, too large, or with claims of other types than they should have.
    #[error("not a token of this kind")]
    Malformed,
    /// The issuer, or the tenant, has no key of this id.
    #[error("no key of this issuer and kid is known")]
    UnknownKey,
    /// The issuer's keys are at an address that has not been asked for this one yet.
    #[error("the issuer's keys cannot be had just now")]
    KeysPending,
    /// Another algorithm than the key's, or not signed by it.
    #[error("the token's signature does not verify")]
    Signature,
    /// `aud` is not whom it is shown to.
    #[error("the token's aud is not the one that is wanted here")]
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
    /// Another claim is missing or malformed.
    #[error("the token's sub, name or role is not what it should be")]
    Claims,
    /// The tenant is served no more.
    #[error("the tenant is suspended")]
    Suspended,
    /// Tokens are minted in development mode only.
    #[error("tokens are minted in development mode only")]
    NotDevelopment,
}

/// The claims that every token has. Times are seconds since the Unix epoch, with a fraction where
/// the issuer likes (RFC 7519 §2).
#[derive(Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(crate) exp: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nbf: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) iat: Option<f64>,
    pub(crate) aud: Audience,
    #[serde(flatten)]
    pub(crate) others: Others,
}

/// The claims that differ between kinds of tokens, each of them there once.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Others(pub(crate) Map<String, Value>);

/// Whom a token is for.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Several(Vec<String>),
}

/// The part of a token that is read before it is verified: it only chooses the key to verify with.
#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

/// The key that a token says it is signed with. Nothing of it is believed.
pub(crate) fn key_id(token: &str) -> Result<String, Refused> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Refused::Malformed);
    }
    let Header { crit, kid, .. } = decode_header(token).map_err(|_| Refused::Malformed)?;
    // An extension we do not know changes what the token means (RFC 7515 §4.1.11).
    if crit.is_some() {
        return Err(Refused::Malformed);
    }
    kid.ok_or(Refused::UnknownKey)
}

/// Who a token says has signed it. It is not believed either.
pub(crate) fn issuer(token: &str) -> Result<String, Refused> {
    Ok(insecure_decode::<Issuer>(token).map_err(|_| Refused::Malformed)?.claims.iss)
}

/// The claims of a token that `key` has signed.
pub(crate) fn verified(token: &str, key: &TokenKey) -> Result<Claims, Refused> {
    let read = decode::<Claims>(token, key.decoding(), &signature_only(key.algorithm()));
    read.map(|read| read.claims).map_err(|error| match error.kind() {
        ErrorKind::Json(_) => Refused::Claims,
        _ => Refused::Signature,
    })
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

/// 1 to 128 characters, none of them a control character, more than white space.
pub(crate) fn is_printable(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= MAX_CHARS
        && !text.chars().any(char::is_control)
}

/// A float that is too large, or not a number, becomes the nearest instant there is.
#[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates")]
fn instant(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0) as i64)
}

// === impl Claims ===

impl Claims {
    /// When the token ends, where it is for `audience`, holds at `now`, and names somebody.
    pub(crate) fn check(&self, audience: &str, now: Timestamp) -> Result<Timestamp, Refused> {
        if !self.aud.names(audience) {
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
        if is_printable(&self.sub) { Ok(expires) } else { Err(Refused::Claims) }
    }
}

impl Audience {
    fn names(&self, wanted: &str) -> bool {
        match self {
            Self::One(audience) => audience == wanted,
            Self::Several(audiences) => audiences.iter().any(|audience| audience == wanted),
        }
    }
}

impl<'de> Deserialize<'de> for Others {
    /// A claim that is there twice means one thing to one reader and another to the next.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Others;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut claims: A) -> Result<Others, A::Error> {
                let mut others = Map::new();
                while let Some((name, value)) = claims.next_entry::<String, Value>()? {
                    if others.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim is there twice"));
                    }
                }
                Ok(Others(others))
            }
        }
        from.deserialize_map(Once)
    }
}

// === impl Refused ===

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Suspended => {
                Self::new(Code::Forbidden, refused.to_string()).detail("tenant", "suspended")
            }
            Refused::KeysPending => Self::unavailable(refused.to_string()),
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
