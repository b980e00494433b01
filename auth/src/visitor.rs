//! Visitors' tokens: a visitor is who holds the random bits, and nothing is looked up to know it.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderValue;
use parlor_common::{
    author::{Author, AuthorKind},
    clock::{Clock, Timestamp},
    conversation::ConversationSet,
    event::LinkedBody,
    id::VisitorId,
    keys::{DerivedKey, InstallationKeys},
    random::Random,
    settings::duration,
    tenant::TenantId,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{identity::Proven, jwt::LEEWAY};

/// The most visitors a token has absorbed.
pub const MAX_ABSORBED: usize = 4;

const PREFIX: &str = "vt_";
/// Of a visitor who is anonymous, and of one whom a tenant has proven.
const ANONYMOUS: u8 = 1;
const PROVEN: u8 = 2;
const ID_BYTES: usize = 16;
const TIME_BYTES: usize = 6;
const TENANT_BYTES: usize = 8;
/// Version, key id, issue time (48 bits of milliseconds), random bits or the proven visitor.
const FIXED_BYTES: usize = 1 + 1 + TIME_BYTES + ID_BYTES;
/// Its end and its tenant's hash, which a proven visitor's has behind that.
const PROOF_BYTES: usize = TIME_BYTES + TENANT_BYTES;
const MAC_BYTES: usize = 16;

/// Who a visitor is: for any tenant the holder of 128 random bits, or whom one tenant has proven. A
/// credential; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct VisitorToken {
    issued: Timestamp,
    /// The random bits, or the visitor's id where it is proven.
    secret: [u8; ID_BYTES],
    proof: Option<Proof>,
    /// At most [`MAX_ABSORBED`].
    absorbed: Vec<VisitorId>,
}

/// What holds of a proven visitor's token besides.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Proof {
    ends: Timestamp,
    tenant: [u8; TENANT_BYTES],
}

/// Issues, writes and reads visitors' tokens and their cookies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VisitorTokens {
    /// The signing one first.
    keys: Vec<Key>,
    clock: Clock,
    random: Random,
    cookies: CookieSettings,
}

/// How visitors' cookies are set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CookieSettings {
    /// `cookies.secure`: `Secure; SameSite=None; Partitioned`, as a third-party frame needs;
    /// browsers take it on `localhost` without TLS too. Otherwise `SameSite=Lax`, for an
    /// installation on its pages' own site without TLS.
    pub secure: bool,
    /// `cookies.max_age`: how long a browser keeps a visitor. Browsers keep 400 days at most.
    #[serde(with = "duration")]
    pub max_age: Duration,
}

/// The text is no visitor's token, or no live key of the installation signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a visitor's token of this installation")]
pub struct BadToken;

#[derive(Clone, Copy, Debug)]
struct Key {
    id: u8,
    key: DerivedKey,
}

// === impl VisitorToken ===

impl VisitorToken {
    /// The visitor that the holder is, and writes as.
    pub fn visitor(&self) -> VisitorId {
        match self.proof {
            None => VisitorId::derive(&self.secret),
            Some(_) => VisitorId::from_bytes(self.secret),
        }
    }

    /// Whether a tenant has proven who it is.
    pub const fn is_proven(&self) -> bool {
        self.proof.is_some()
    }

    /// When it ends; `None` for never.
    pub fn ends(&self) -> Option<Timestamp> {
        self.proof.map(|proof| proof.ends)
    }

    /// Whether it says anything to this tenant.
    fn is_for(&self, tenant: &TenantId) -> bool {
        self.proof.is_none_or(|proof| proof.tenant == hash_of(tenant))
    }

    /// Other visitors whose conversations are this one's too; at most [`MAX_ABSORBED`].
    pub fn absorbed(&self) -> &[VisitorId] {
        &self.absorbed
    }

    /// When it was first issued.
    pub const fn issued(&self) -> Timestamp {
        self.issued
    }

    /// The visitor's conversations with `tenant`, the primary's first.
    pub fn conversations(&self, tenant: &TenantId) -> ConversationSet {
        let set = ConversationSet::of_visitor(tenant, self.visitor(), &self.absorbed);
        if self.is_proven() { set.proven() } else { set }
    }

    /// Who a message of this visitor is by.
    pub fn author(&self) -> Author {
        Author { kind: AuthorKind::Visitor, id: self.visitor().to_string(), name: None }
    }

    /// What is noted in its conversations when it has absorbed others.
    pub fn link(&self) -> LinkedBody {
        LinkedBody {
            visitor: self.visitor(),
            absorbed: self.absorbed.clone(),
            proven: self.is_proven(),
        }
    }

    /// This token, which also stands for what `others` stand for, as far as there is room; the rest
    /// is left out, and so is whoever is proven to be somebody else.
    #[must_use]
    pub fn absorbing<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut merged = self.clone();
        let own = self.visitor();
        for other in others {
            if other.is_proven() && other.visitor() != own {
                continue;
            }
            for visitor in std::iter::once(other.visitor()).chain(other.absorbed.iter().copied()) {
                let known = visitor == own || merged.absorbed.contains(&visitor);
                if !known && merged.absorbed.len() < MAX_ABSORBED {
                    merged.absorbed.push(visitor);
                }
            }
        }
        merged
    }

    /// Whether it stands for everybody that `other` stands for.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let own = self.visitor();
        let mut of_other = std::iter::once(other.visitor()).chain(other.absorbed.iter().copied());
        of_other.all(|visitor| visitor == own || self.absorbed.contains(&visitor))
    }

    /// What decides which of several is the visitor: the oldest, then the bits, so that every node
    /// decides alike.
    pub(crate) fn seniority(&self) -> impl Ord + use<> {
        (self.issued, self.secret)
    }
}

fn hash_of(tenant: &TenantId) -> [u8; TENANT_BYTES] {
    let hash =
        blake3::derive_key("parlor 2026 tenant of a visitor token", tenant.as_str().as_bytes());
    *hash.first_chunk().expect("a hash has 32 bytes")
}

/// 48 bits of milliseconds.
fn time_bytes(time: Timestamp) -> [u8; TIME_BYTES] {
    let [_, _, bytes @ ..] = time.as_millis().to_be_bytes();
    bytes
}

fn time_of(bytes: &[u8]) -> Timestamp {
    Timestamp::from_millis(bytes.iter().fold(0, |millis, &byte| millis << 8 | i64::from(byte)))
}

impl fmt::Debug for VisitorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitorToken")
            .field("visitor", &self.visitor())
            .field("issued", &self.issued)
            .field("absorbed", &self.absorbed)
            .finish_non_exhaustive()
    }
}

// === impl CookieSettings ===

impl CookieSettings {
    /// The fixed part of a cookie's name. `__Host-` makes a browser refuse it from any other host
    /// or without TLS.
    pub const fn prefix(&self) -> &'static str {
        if self.secure { "__Host-parlor_v_" } else { "parlor_v_" }
    }

    const fn attributes(&self) -> &'static str {
        if self.secure { "SameSite=None; Secure; Partitioned" } else { "SameSite=Lax" }
    }
}

impl Default for CookieSettings {
    fn default() -> Self {
        parlor_common::settings::defaults("cookies")
    }
}

// === impl VisitorTokens ===

impl VisitorTokens {
    /// Tokens under these keys.
    pub fn new(
        keys: &InstallationKeys,
        clock: Clock,
        random: Random,
        cookies: CookieSettings,
    ) -> Self {
        let keys = keys.derive("parlor 2026 visitor token").into_iter();
        let keys = keys.map(|key| Key { id: key.mac(&[b"key id"])[0], key }).collect();
        Self { keys, clock, random, cookies }
    }

    /// A new visitor.
    pub fn issue(&self) -> VisitorToken {
        let (issued, secret) = (self.clock.now(), self.random.bytes());
        VisitorToken { issued, secret, proof: None, absorbed: Vec::new() }
    }

    /// The visitor whom a tenant has proven, until the proof ends. It is no cookie: the next user
    /// of the browser would have it too.
    pub fn prove(&self, proven: &Proven) -> VisitorToken {
        let proof = Proof { ends: proven.ends, tenant: hash_of(&proven.tenant) };
        VisitorToken {
            issued: self.clock.now(),
            secret: *proven.visitor.as_bytes(),
            proof: Some(proof),
            absorbed: Vec::new(),
        }
    }

    /// The token's text, signed with the current key: `vt_` and base64url, 56 to 160 characters.
    pub fn write(&self, token: &VisitorToken) -> String {
        let key = &self.keys[0];
        let mut bytes = vec![if token.is_proven() { PROVEN } else { ANONYMOUS }, key.id];
        bytes.extend_from_slice(&time_bytes(token.issued));
        bytes.extend_from_slice(&token.secret);
        if let Some(Proof { ends, tenant }) = token.proof {
            bytes.extend_from_slice(&time_bytes(ends));
            bytes.extend_from_slice(&tenant);
        }
        for visitor in &token.absorbed {
            bytes.extend_from_slice(visitor.as_bytes());
        }
        let tag = key.key.mac(&[&bytes]);
        bytes.extend_from_slice(&tag[..MAC_BYTES]);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Who the holder of a token is to `tenant`.
    ///
    /// # Errors
    /// [`BadToken`] for what is none of a live key, has ended, or is a proof of another tenant's.
    pub fn verify(&self, text: &str, tenant: &TenantId) -> Result<VisitorToken, BadToken> {
        let now = self.clock.now();
        let token = self.read(text)?;
        let has_ended = token.ends().is_some_and(|ends| ends.plus(LEEWAY) <= now);
        if has_ended || !token.is_for(tenant) { Err(BadToken) } else { Ok(token) }
    }

    /// Whom the bearer of a token has been, also where it has ended: another proof goes on with the
    /// conversations that it stands for.
    ///
    /// # Errors
    /// As [`verify`](Self::verify), but for the end.
    pub fn verify_past(&self, text: &str, tenant: &TenantId) -> Result<VisitorToken, BadToken> {
        self.read(text).ok().filter(|token| token.is_for(tenant)).ok_or(BadToken)
    }

    /// Reads what [`write`](Self::write) wrote under a key that is still live. Whether it has
    /// ended, and for which tenant it is, is not looked at.
    ///
    /// # Errors
    /// [`BadToken`] for anything else.
    pub(crate) fn read(&self, text: &str) -> Result<VisitorToken, BadToken> {
        const MAX_BYTES: usize = FIXED_BYTES + PROOF_BYTES + MAX_ABSORBED * ID_BYTES + MAC_BYTES;
        let encoded = text.strip_prefix(PREFIX).ok_or(BadToken)?;
        if encoded.len() > MAX_BYTES.div_ceil(3) * 4 {
            return Err(BadToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| BadToken)?;
        let (signed, tag) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(BadToken)?;
        let (fixed, absorbed) = signed.split_first_chunk::<FIXED_BYTES>().ok_or(BadToken)?;
        let [version, id, issued @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = fixed;
        let keys = self.keys.iter().filter(|key| key.id == *id);
        if !keys.into_iter().any(|key| bool::from(key.key.mac(&[signed])[..MAC_BYTES].ct_eq(tag))) {
            return Err(BadToken);
        }
        let (proof, absorbed) = match *version {
            ANONYMOUS => (None, absorbed),
            PROVEN => {
                let (proof, rest) = absorbed.split_first_chunk::<PROOF_BYTES>().ok_or(BadToken)?;
                let (ends, tenant) = proof.split_at(TIME_BYTES);
                let tenant = *tenant.first_chunk().expect("the proof ends with the tenant's hash");
                (Some(Proof { ends: time_of(ends), tenant }), rest)
            }
            _ => return Err(BadToken),
        };
        let (absorbed, rest) = absorbed.as_chunks::<ID_BYTES>();
        if absorbed.len() > MAX_ABSORBED || !rest.is_empty() {
            return Err(BadToken);
        }
        Ok(VisitorToken {
            issued: time_of(issued),
            proof,
            secret: *fixed.last_chunk().expect("the fixed part ends with the random bits"),
            absorbed: absorbed.iter().map(|&bytes| VisitorId::from_bytes(bytes)).collect(),
        })
    }

    /// A `Set-Cookie` value for this token, under a name never used before: two answers that set
    /// one at the same time do not overwrite each other, and the next request shows both.
    pub fn set_cookie(&self, token: &VisitorToken) -> HeaderValue {
        let name = format!("{}{:016x}", self.cookies.prefix(), self.random.number());
        self.cookie(&name, &self.write(token), self.cookies.max_age)
    }

    /// A `Set-Cookie` value that ends the cookie `name`, with the attributes it was set with.
    ///
    /// `None` where the name is none of ours.
    pub fn expire_cookie(&self, name: &str) -> Option<HeaderValue> {
        self.is_ours(name).then(|| self.cookie(name, "", Duration::ZERO))
    }

    /// Whether a visitor's cookie may have this name.
    pub(crate) fn is_ours(&self, name: &str) -> bool {
        let suffix = name.strip_prefix(self.cookies.prefix());
        suffix.is_some_and(|suffix| {
            suffix.len() <= 32 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    }

    fn cookie(&self, name: &str, value: &str, max_age: Duration) -> HeaderValue {
        let attributes = self.cookies.attributes();
        let text = format!(
            "{name}={value}; Path=/; HttpOnly; Max-Age={}; {attributes}",
            max_age.as_secs()
        );
        HeaderValue::try_from(text).expect("a cookie of ours is printable ASCII")
    }
}

#[cfg(test)]
mod tests;
