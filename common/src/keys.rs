//! The installation's keys: two live secrets, from which the key of each use is derived.

use std::fmt;

/// A secret of the installation, of 32 bytes or more; never shown.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// The installation's live secrets: the first signs, each verifies, so that one can be rotated out.
#[derive(Clone, Debug)]
pub struct InstallationKeys {
    current: Secret,
    previous: Option<Secret>,
}

/// A key derived from a secret for one use.
#[derive(Clone, Copy)]
pub struct DerivedKey([u8; 32]);

/// The secret is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret of the installation needs 32 bytes or more")]
pub struct ShortSecret;

// === impl Secret ===

impl Secret {
    /// Takes the bytes of a secret.
    ///
    /// # Errors
    /// [`ShortSecret`] below 32 bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, ShortSecret> {
        if bytes.len() >= 32 { Ok(Self(bytes)) } else { Err(ShortSecret) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

// === impl InstallationKeys ===

impl InstallationKeys {
    /// Signs with `current`; verifies with both.
    pub const fn new(current: Secret, previous: Option<Secret>) -> Self {
        Self { current, previous }
    }

    /// The keys for one `usage`, a hard-coded and globally unique text: the signing one first.
    pub fn derive(&self, usage: &str) -> Vec<DerivedKey> {
        let secrets = std::iter::once(&self.current).chain(&self.previous);
        secrets.map(|secret| DerivedKey(blake3::derive_key(usage, &secret.0))).collect()
    }
}

// === impl DerivedKey ===

impl DerivedKey {
    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key of its own for each `scope`.
    #[must_use]
    pub fn within(&self, scope: &[u8]) -> Self {
        Self(self.mac(&[scope]))
    }

    /// A MAC of `parts`, each preceded by its length.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey(…)")
    }
}
