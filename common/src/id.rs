//! Ids, derived instead of looked up, so that any node comes to the same one.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    author::Author,
    clock::Timestamp,
    planted::{self, Fault},
    random::Random,
    tenant::TenantId,
};

/// The text is not an id of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: {0}")]
pub struct BadId(&'static str);

macro_rules! hash_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// From its 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Its 16 bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Reads 32 lower-case hexadecimal digits.
            ///
            /// # Errors
            /// [`BadId`] where `text` is anything else.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let bytes = text.as_bytes();
                let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                if bytes.len() != 32 || !bytes.iter().all(is_digit) {
                    return Err(BadId("32 lower-case hexadecimal digits are expected"));
                }
                let number = u128::from_str_radix(text, 16).map_err(|_| BadId("not hexadecimal"))?;
                Ok(Self(number.to_be_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;

            fn try_from(text: String) -> Result<Self, BadId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    };
}

hash_id! {
    /// A visitor of any tenant: a hash of the random bits of the visitor's token, so that nothing
    /// stored is a credential.
    VisitorId
}
hash_id! {
    /// A conversation: a hash of (tenant, visitor). A visitor has one for each tenant.
    ConversationId
}
hash_id! {
    /// An event: a hash of (tenant, conversation, author, client message id). The same draft sent
    /// again has the same.
    EventId
}
hash_id! {
    /// A session over one connection. An event names the session it came through, so that no node
    /// echoes it to the socket that sent it.
    SessionId
}

/// The id a client gives a draft: 1 to 64 of `[A-Za-z0-9_-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientMessageId(String);

// === impl ids ===

/// Hashes `parts` under `domain`; each part is preceded by its length, so that no two lists of
/// parts are alike.
fn derive(domain: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key(domain);
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

impl VisitorId {
    /// The visitor that holds a token with these random bits.
    pub fn derive(secret: &[u8; 16]) -> Self {
        Self(derive("parlor 2026 visitor id", &[secret]))
    }

    /// The visitor whom `tenant` knows by this name.
    pub fn proven(tenant: &TenantId, subject: &str) -> Self {
        let parts = [tenant.as_str().as_bytes(), subject.as_bytes()];
        Self(derive("parlor 2026 proven visitor id", &parts))
    }
}

impl ConversationId {
    /// The one conversation of `visitor` with `tenant`.
    pub fn derive(tenant: &TenantId, visitor: VisitorId) -> Self {
        Self(derive(
            "parlor 2026 conversation id",
            &[tenant.as_str().as_bytes(), visitor.as_bytes()],
        ))
    }

    /// Where a tenant's agents keep what they share: a conversation of no visitor.
    pub fn desk(tenant: &TenantId) -> Self {
        Self(derive("parlor 2026 desk", &[tenant.as_str().as_bytes()]))
    }
}

impl EventId {
    /// The event of this kind that `author` made in a conversation of `tenant` under this id.
    pub fn of_kind(
        kind: &str,
        tenant: &TenantId,
        conversation: ConversationId,
        author: &Author,
        id: &ClientMessageId,
    ) -> Self {
        let Self(under) = Self::derive(tenant, conversation, author, id);
        Self(derive("parlor 2026 event id of a kind", &[kind.as_bytes(), &under]))
    }

    /// The message that `author` sent into a conversation of `tenant` under this client message id.
    pub fn derive(
        tenant: &TenantId,
        conversation: ConversationId,
        author: &Author,
        id: &ClientMessageId,
    ) -> Self {
        if planted::is(Fault::EventIdWithoutTenant) {
            let parts = [author.id.as_bytes(), id.as_str().as_bytes()];
            return Self(derive("parlor 2026 event id", &parts));
        }
        Self(derive(
            "parlor 2026 event id",
            &[
                tenant.as_str().as_bytes(),
                conversation.as_bytes(),
                author.kind.as_str().as_bytes(),
                author.id.as_bytes(),
                id.as_str().as_bytes(),
            ],
        ))
    }

    /// The event of this `kind` and content in a conversation of `tenant`: a last value that is
    /// noted again is the same event.
    pub fn of_value(
        tenant: &TenantId,
        conversation: ConversationId,
        kind: &str,
        content: &[u8],
    ) -> Self {
        Self(derive(
            "parlor 2026 event id of a value",
            &[tenant.as_str().as_bytes(), conversation.as_bytes(), kind.as_bytes(), content],
        ))
    }
}

impl SessionId {
    /// A new session's.
    pub fn random(random: &Random) -> Self {
        Self(random.bytes())
    }
}

impl ClientMessageId {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`BadId`] where it is not 1 to 64 of `[A-Za-z0-9_-]`.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadId("1 to 64 of A-Z, a-z, 0-9, '_' and '-' are expected"))
        }
    }

    /// A UUIDv7 of this instant, for a draft that came without an id.
    pub fn made(now: Timestamp, random: &Random) -> Self {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        Self(
            uuid::Builder::from_unix_timestamp_millis(millis, &random.bytes())
                .into_uuid()
                .to_string(),
        )
    }

    /// The instant that a UUIDv7 carries; `None` for any other id.
    pub fn time(&self) -> Option<Timestamp> {
        let uuid =
            uuid::Uuid::try_parse(&self.0).ok().filter(|uuid| uuid.get_version_num() == 7)?;
        let (seconds, nanos) = uuid.get_timestamp()?.to_unix();
        let millis = seconds.checked_mul(1000)?.checked_add(u64::from(nanos / 1_000_000))?;
        i64::try_from(millis).ok().map(Timestamp::from_millis)
    }

    /// The id as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ClientMessageId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        Self::parse(&text)
    }
}

impl From<ClientMessageId> for String {
    fn from(id: ClientMessageId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::author::AuthorKind;

    #[test]
    fn an_event_id_depends_on_each_of_its_parts() {
        let tenant = |name| TenantId::parse(name).unwrap();
        let author = |kind, id: &str| Author { kind, id: id.to_owned(), name: None };
        let client = |id| ClientMessageId::parse(id).unwrap();
        let conversation = |byte| ConversationId::from_bytes([byte; 16]);
        let visitor = author(AuthorKind::Visitor, "v");
        let first = EventId::derive(&tenant("a"), conversation(1), &visitor, &client("m"));
        assert_eq!(first, EventId::derive(&tenant("a"), conversation(1), &visitor, &client("m")));
        let named = Author { name: Some("Ann".to_owned()), ..visitor.clone() };
        assert_eq!(first, EventId::derive(&tenant("a"), conversation(1), &named, &client("m")));
        for other in [
            EventId::derive(&tenant("b"), conversation(1), &visitor, &client("m")),
            EventId::derive(&tenant("a"), conversation(2), &visitor, &client("m")),
            EventId::derive(
                &tenant("a"),
                conversation(1),
                &author(AuthorKind::Agent, "v"),
                &client("m"),
            ),
            EventId::derive(
                &tenant("a"),
                conversation(1),
                &author(AuthorKind::Visitor, "w"),
                &client("m"),
            ),
            EventId::derive(&tenant("a"), conversation(1), &visitor, &client("n")),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_made_client_message_id_carries_its_time_and_others_carry_none() {
        let now = Timestamp::from_millis(1_790_000_000_123);
        let made = ClientMessageId::made(now, &Random::seeded(1));
        assert_eq!(made.time(), Some(now));
        assert_eq!(ClientMessageId::parse(made.as_str()).unwrap(), made);
        for other in ["m1", "f47ac10b-58cc-4372-a567-0e02b2c3d479"] {
            assert_eq!(ClientMessageId::parse(other).unwrap().time(), None);
        }
    }

    #[test]
    fn an_id_reads_back_what_it_shows_and_nothing_else() {
        let id = EventId::from_bytes([0xab; 16]);
        assert_eq!(EventId::parse(&id.to_string()), Ok(id));
        for text in
            ["", "AB", "+bababababababababababababababab", &"AB".repeat(16), &"ab".repeat(17)]
        {
            assert!(EventId::parse(text).is_err(), "{text}");
        }
    }
}
