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

/// The most visitors a token has absorbed.
pub const MAX_ABSORBED: usize = 4;

const PREFIX: &str = "vt_";
const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
/// Version, key id, issue time (48 bits of milliseconds), random bits.
const FIXED_BYTES: usize = 1 + 1 + 6 + ID_BYTES;
const MAC_BYTES: usize = 16;

/// Who a visitor is, for any tenant: the holder of 128 random bits. A credential; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct VisitorToken {
    issued: Timestamp,
    secret: [u8; ID_BYTES],
    /// At most [`MAX_ABSORBED`].
    absorbed: Vec<VisitorId>,
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
        VisitorId::derive(&self.secret)
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
        ConversationSet::of_visitor(tenant, self.visitor(), &self.absorbed)
    }

    /// Who a message of this visitor is by.
    pub fn author(&self) -> Author {
        Author { kind: AuthorKind::Visitor, id: self.visitor().to_string(), name: None }
    }

    /// What is noted in its conversations when it has absorbed others.
    pub fn link(&self) -> LinkedBody {
        LinkedBody { visitor: self.visitor(), absorbed: self.absorbed.clone() }
    }

    /// This token, which also stands for what `others` stand for, as far as there is room; the rest
    /// is left out.
    #[must_use]
    pub fn absorbing<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut merged = self.clone();
        let own = self.visitor();
        for other in others {
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
        VisitorToken { issued: self.clock.now(), secret: self.random.bytes(), absorbed: Vec::new() }
    }

    /// The token's text, signed with the current key: `vt_` and base64url, 56 to 142 characters.
    pub fn write(&self, token: &VisitorToken) -> String {
        let key = &self.keys[0];
        let mut bytes = vec![VERSION, key.id];
        bytes.extend_from_slice(&token.issued.as_millis().to_be_bytes()[2..]);
        bytes.extend_from_slice(&token.secret);
        for visitor in &token.absorbed {
            bytes.extend_from_slice(visitor.as_bytes());
        }
        let tag = key.key.mac(&[&bytes]);
        bytes.extend_from_slice(&tag[..MAC_BYTES]);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads what [`write`](Self::write) wrote under a key that is still live.
    ///
    /// # Errors
    /// [`BadToken`] for anything else.
    pub fn read(&self, text: &str) -> Result<VisitorToken, BadToken> {
        const MAX_BYTES: usize = FIXED_BYTES + MAX_ABSORBED * ID_BYTES + MAC_BYTES;
        let encoded = text.strip_prefix(PREFIX).ok_or(BadToken)?;
        if encoded.len() > MAX_BYTES.div_ceil(3) * 4 {
            return Err(BadToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| BadToken)?;
        let (signed, tag) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(BadToken)?;
        let (fixed, absorbed) = signed.split_first_chunk::<FIXED_BYTES>().ok_or(BadToken)?;
        let [VERSION, id, issued @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = fixed
        else {
            return Err(BadToken);
        };
        let keys = self.keys.iter().filter(|key| key.id == *id);
        if !keys.into_iter().any(|key| bool::from(key.key.mac(&[signed])[..MAC_BYTES].ct_eq(tag))) {
            return Err(BadToken);
        }
        let (absorbed, rest) = absorbed.as_chunks::<ID_BYTES>();
        if absorbed.len() > MAX_ABSORBED || !rest.is_empty() {
            return Err(BadToken);
        }
        Ok(VisitorToken {
            issued: Timestamp::from_millis(
                issued.iter().fold(0, |millis, &byte| millis << 8 | i64::from(byte)),
            ),
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
