//! The tenants' file as it is written: TOML, each tenant's fields, and the bytes of the key files
//! that it names.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;

use crate::{
    role::{AUDIENCE, Role},
    tenant::TenantLimits,
    token_key::KeyAlgorithm,
};

/// The most bytes of a key file.
const MAX_KEY_BYTES: u64 = 64 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileText {
    #[serde(default)]
    pub(crate) tenant: Vec<TenantText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantText {
    pub(crate) name: String,
    /// One that is removed needs none.
    pub(crate) origins: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) removed: bool,
    pub(crate) publishable_key: Option<String>,
    #[serde(default)]
    pub(crate) publishable_key_required: bool,
    #[serde(default)]
    pub(crate) suspended: bool,
    #[serde(default)]
    pub(crate) limits: TenantLimits,
    #[serde(default)]
    pub(crate) agent_key: Vec<AgentKeyText>,
    #[serde(default)]
    pub(crate) agent_issuer: Vec<IssuerText>,
    #[serde(default)]
    pub(crate) visitor_key: Vec<VisitorKeyText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentKeyText {
    pub(crate) issuer: String,
    pub(crate) kid: String,
    pub(crate) algorithm: KeyAlgorithm,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) public_key: Option<String>,
    pub(crate) public_key_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VisitorKeyText {
    pub(crate) kid: String,
    pub(crate) algorithm: KeyAlgorithm,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) public_key: Option<String>,
    pub(crate) public_key_file: Option<PathBuf>,
}

/// Where the bytes of a key are said to be.
struct KeyAt<'a> {
    algorithm: KeyAlgorithm,
    secret_file: Option<&'a PathBuf>,
    public_key: Option<&'a String>,
    public_key_file: Option<&'a PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerText {
    pub(crate) issuer: String,
    pub(crate) jwks_url: String,
    #[serde(default = "agents_audience")]
    pub(crate) audience: String,
    #[serde(default = "agents_role_claim")]
    pub(crate) role_claim: String,
    /// What the claim's values mean.
    #[serde(default = "roles_by_name")]
    pub(crate) roles: BTreeMap<String, Role>,
    /// Takes `http` to this machine.
    #[serde(default)]
    pub(crate) loopback_http: bool,
}

/// A tenant of the file with the files that it names.
pub(crate) struct Entry {
    pub(crate) text: TenantText,
    /// The bytes of each agent's key, or why they cannot be had.
    pub(crate) keys: Vec<Result<Vec<u8>, String>>,
    /// The same of each visitor's key.
    pub(crate) visitor_keys: Vec<Result<Vec<u8>, String>>,
}

/// Reads a file that may have so many bytes.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

// === impl FileText ===

impl FileText {
    /// Reads TOML, all of whose fields are known.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        Figment::from(Toml::string(text)).extract().map_err(|error| {
            // One that is about no key has no path.
            let key = error.path.join(".");
            if key.is_empty() { error.kind.to_string() } else { format!("{key}: {}", error.kind) }
        })
    }
}

// === impl KeyAt ===

impl KeyAt<'_> {
    fn bytes(
        &self,
        folder: &Path,
        take: &mut impl FnMut(io::Result<Vec<u8>>) -> Result<Vec<u8>, String>,
    ) -> Result<Vec<u8>, String> {
        let file = match (self.algorithm, self.secret_file, self.public_key, self.public_key_file) {
            (KeyAlgorithm::Hs256, Some(file), None, None) => file,
            (KeyAlgorithm::Hs256, ..) => {
                return Err("HS256 takes a secret_file and nothing else".to_owned());
            }
            (_, None, Some(pem), None) => return Ok(pem.clone().into_bytes()),
            (_, None, None, Some(file)) => file,
            _ => {
                return Err("EdDSA and ES256 take either public_key or public_key_file".to_owned());
            }
        };
        let file = folder.join(file);
        take(read(&file, MAX_KEY_BYTES)).map_err(|error| format!("{}: {error}", file.display()))
    }
}

// === impl AgentKeyText ===

impl AgentKeyText {
    const fn at(&self) -> KeyAt<'_> {
        KeyAt {
            algorithm: self.algorithm,
            secret_file: self.secret_file.as_ref(),
            public_key: self.public_key.as_ref(),
            public_key_file: self.public_key_file.as_ref(),
        }
    }

    /// What is in every token must fit its header and be readable in a log.
    pub(crate) fn check(&self) -> Result<(), String> {
        short("issuer", &self.issuer)?;
        short("kid", &self.kid)
    }
}

// === impl VisitorKeyText ===

impl VisitorKeyText {
    const fn at(&self) -> KeyAt<'_> {
        KeyAt {
            algorithm: self.algorithm,
            secret_file: self.secret_file.as_ref(),
            public_key: self.public_key.as_ref(),
            public_key_file: self.public_key_file.as_ref(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        short("kid", &self.kid)
    }
}

// === impl Entry ===

impl Entry {
    /// Reads the key files with `take`; those that the file names relatively are in `folder`.
    pub(crate) fn read(
        text: TenantText,
        folder: &Path,
        take: &mut impl FnMut(io::Result<Vec<u8>>) -> Result<Vec<u8>, String>,
    ) -> Self {
        let keys = text.agent_key.iter().map(|key| key.at().bytes(folder, take)).collect();
        let of_visitors = text.visitor_key.iter().map(|key| key.at().bytes(folder, take));
        let visitor_keys = of_visitors.collect();
        Self { text, keys, visitor_keys }
    }
}

// === impl IssuerText ===

impl IssuerText {
    /// What tokens and logs carry is short, and somebody gets in.
    pub(crate) fn check(&self) -> Result<(), String> {
        short("issuer", &self.issuer)?;
        short("audience", &self.audience)?;
        short("role_claim", &self.role_claim)?;
        match self.roles.is_empty() {
            true => Err("roles names none, so that nobody is an agent".to_owned()),
            false => Ok(()),
        }
    }
}

fn short(field: &str, text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
        return Err(format!("{field} has 1 to 256 bytes and no control characters"));
    }
    Ok(())
}

fn agents_audience() -> String {
    AUDIENCE.to_owned()
}

fn agents_role_claim() -> String {
    "role".to_owned()
}

fn roles_by_name() -> BTreeMap<String, Role> {
    let named = [("agent", Role::Agent), ("bot", Role::Bot), ("admin", Role::Admin)];
    named.map(|(name, role)| (name.to_owned(), role)).into()
}
