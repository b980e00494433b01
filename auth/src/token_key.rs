//! A key that verifies tokens of agents or of visitors. The algorithm is the key's, never a
//! token's.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// A secret has as many bytes as the hash it keys (RFC 7518 §3.2).
const MIN_SECRET_BYTES: usize = 32;

/// A key that verifies tokens.
#[derive(Clone)]
pub(crate) struct TokenKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// The algorithms a key may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum KeyAlgorithm {
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "ES256")]
    Es256,
}

/// The bytes are no key for the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadKey {
    #[error("an HS256 secret needs {MIN_SECRET_BYTES} bytes or more")]
    ShortSecret,
    #[error("no Ed25519 public key in PEM")]
    NotEd,
    #[error("no P-256 public key in PEM")]
    NotEc,
    #[error("no RSA, P-256 or Ed25519 key that signs")]
    NotJwk,
}

impl TokenKey {
    /// A secret shared with whoever signs: 32 bytes or more.
    pub(crate) fn secret(secret: &[u8]) -> Result<Self, BadKey> {
        let long = secret.len() >= MIN_SECRET_BYTES;
        long.then(|| Self { algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret) })
            .ok_or(BadKey::ShortSecret)
    }

    /// Takes what a file holds: a secret, the white space around it not counted, or a public key in
    /// PEM.
    pub(crate) fn from_file(algorithm: KeyAlgorithm, bytes: &[u8]) -> Result<Self, BadKey> {
        match algorithm {
            KeyAlgorithm::Hs256 => Self::secret(bytes.trim_ascii()),
            KeyAlgorithm::EdDsa => {
                let key = DecodingKey::from_ed_pem(bytes).map_err(|_| BadKey::NotEd)?;
                // The library takes the first 32 bytes of whatever the file holds.
                if key.as_bytes().len() == 32 {
                    Self::usable(Algorithm::EdDSA, key, BadKey::NotEd)
                } else {
                    Err(BadKey::NotEd)
                }
            }
            KeyAlgorithm::Es256 => {
                let key = DecodingKey::from_ec_pem(bytes).map_err(|_| BadKey::NotEc)?;
                Self::usable(Algorithm::ES256, key, BadKey::NotEc)
            }
        }
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) const fn decoding(&self) -> &DecodingKey {
        &self.key
    }

    /// Tries the key once, so that a key on another curve is found when the file is read and not
    /// when the first agent comes.
    pub(crate) fn usable(
        algorithm: Algorithm,
        key: DecodingKey,
        bad: BadKey,
    ) -> Result<Self, BadKey> {
        jsonwebtoken::crypto::verify("", b"", &key, algorithm).map_err(|_| bad)?;
        Ok(Self { algorithm, key })
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({:?})", self.algorithm)
    }
}
