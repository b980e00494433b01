//! JSON Web Keys (RFC 7517) as an issuer publishes them: what verifies signatures is taken, and
//! whatever else is there is passed over.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::token_key::{BadKey, TokenKey};

/// The most keys of an issuer that are kept. Providers publish two or three.
const MAX_KEYS: usize = 64;
/// The most bytes of a key's id, as of one in the tenants' file.
const MAX_KID: usize = 256;
/// The bytes that an RSA modulus may have: 2048 bits at least (RFC 7518 §3.3), and 4096 at most,
/// which is what the library takes.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// The most bytes of an RSA exponent. It is 65537 everywhere, and a long one only costs time.
const MAX_EXPONENT_BYTES: usize = 4;

/// What an issuer's address answers.
#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

/// The fields of a key that matter here.
#[derive(Deserialize)]
struct Jwk {
    kid: String,
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys that verify, by id; the first of two with the same id. `None` where it is no set of
/// keys, or none of them is of use: then something is wrong, and the keys of before are better.
pub(crate) fn parse(bytes: &[u8]) -> Option<HashMap<String, TokenKey>> {
    let published: Published = serde_json::from_slice(bytes).ok()?;
    let mut keys = HashMap::new();
    for key in published.keys {
        if keys.len() == MAX_KEYS {
            break;
        }
        let Ok(key) = serde_json::from_value::<Jwk>(key) else { continue };
        if let Ok(usable) = key.usable() {
            keys.entry(key.kid).or_insert(usable);
        }
    }
    (!keys.is_empty()).then_some(keys)
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

// === impl Jwk ===

impl Jwk {
    /// The key, where it is one that verifies signatures of a kind we take.
    fn usable(&self) -> Result<TokenKey, BadKey> {
        let kid_is_sane = (1..=MAX_KID).contains(&self.kid.len());
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let verifies = self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !kid_is_sane || !signs || !verifies {
            return Err(BadKey::NotJwk);
        }
        let (algorithm, name, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => (Algorithm::RS256, "RS256", self.rsa()),
            ("EC", Some("P-256")) => (Algorithm::ES256, "ES256", self.ec()),
            ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, "EdDSA", self.ed()),
            _ => return Err(BadKey::NotJwk),
        };
        // A key for another algorithm of its family, such as PS256, is not for ours.
        let is_for_it = |alg: &str| alg == name || (name == "EdDSA" && alg == "Ed25519");
        if !self.alg.as_deref().is_none_or(is_for_it) {
            return Err(BadKey::NotJwk);
        }
        TokenKey::usable(algorithm, key.ok_or(BadKey::NotJwk)?, BadKey::NotJwk)
    }

    fn rsa(&self) -> Option<DecodingKey> {
        let (modulus, exponent) = (bytes(self.n.as_ref())?, bytes(self.e.as_ref())?);
        let leading = modulus.iter().take_while(|byte| **byte == 0).count();
        let (modulus, last) = (&modulus[leading..], exponent.last()?);
        let is_sane = MODULUS_BYTES.contains(&modulus.len())
            && exponent.len() <= MAX_EXPONENT_BYTES
            && last % 2 == 1
            && exponent != [1];
        is_sane.then(|| DecodingKey::from_rsa_raw_components(modulus, &exponent))
    }

    fn ec(&self) -> Option<DecodingKey> {
        let is_sane = [&self.x, &self.y]
            .into_iter()
            .all(|number| bytes(number.as_ref()).is_some_and(|number| number.len() == 32));
        is_sane.then(|| DecodingKey::from_ec_components(self.x.as_ref()?, self.y.as_ref()?).ok())?
    }

    fn ed(&self) -> Option<DecodingKey> {
        bytes(self.x.as_ref()).filter(|point| point.len() == 32)?;
        DecodingKey::from_ed_components(self.x.as_ref()?).ok()
    }
}

#[cfg(test)]
mod tests;
