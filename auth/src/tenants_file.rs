//! The tenants' file: TOML, checked wholly before anything of it is in force.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use figment::{
    Figment,
    providers::{Format, Toml},
};
use parlor_common::tenant::{BadTenant, TenantId};
use serde::Deserialize;

use crate::{
    agent_key::{AgentKey, BadKey, KeyAlgorithm},
    origin::{Origin, OriginRule},
    tenant::{Tenant, TenantLimits},
};

/// The most bytes of the file: some hundred thousand tenants. One that is larger is no tenants'
/// file, and reading all of it could take the node's memory.
const MAX_BYTES: u64 = 64 << 20;
/// The same of a key file.
const MAX_KEY_BYTES: u64 = 64 << 10;

/// What is wrong with a tenants' file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {trouble}")]
pub struct BadTenants {
    path: String,
    trouble: String,
}

/// Where the file is.
#[derive(Clone, Debug)]
pub(crate) struct TenantsFile(PathBuf);

/// The file as it was at one moment, with every file it names.
pub(crate) struct Contents {
    path: PathBuf,
    tenants: Result<Vec<Entry>, String>,
    digest: [u8; 32],
}

/// The tenants by what they are looked up by.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    tenants: HashMap<TenantId, Arc<Tenant>>,
    /// By issuer, then key id.
    agent_keys: HashMap<String, HashMap<String, (Arc<Tenant>, AgentKey)>>,
    origins: HashSet<OriginRule>,
    /// Whom the file names as removed.
    removed: HashSet<TenantId>,
    /// Who is served although the file does not name them.
    missing: BTreeSet<TenantId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    #[serde(default)]
    tenant: Vec<TenantText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantText {
    name: String,
    /// One that is removed needs none.
    origins: Option<Vec<String>>,
    #[serde(default)]
    removed: bool,
    publishable_key: Option<String>,
    #[serde(default)]
    publishable_key_required: bool,
    #[serde(default)]
    suspended: bool,
    #[serde(default)]
    limits: TenantLimits,
    #[serde(default)]
    agent_key: Vec<AgentKeyText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentKeyText {
    issuer: String,
    kid: String,
    algorithm: KeyAlgorithm,
    secret_file: Option<PathBuf>,
    public_key: Option<String>,
    public_key_file: Option<PathBuf>,
}

struct Entry {
    text: TenantText,
    /// The bytes of each agent's key, or why they cannot be had.
    keys: Vec<Result<Vec<u8>, String>>,
}

/// Reads a file that may have so many bytes.
fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

// === impl TenantsFile ===

impl TenantsFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Reads the file and the key files it names.
    pub(crate) fn read(&self) -> Contents {
        let mut digest = blake3::Hasher::new();
        let mut take = |read: io::Result<Vec<u8>>| {
            let read = read.map_err(|error| error.to_string());
            let (kind, bytes) = read
                .as_ref()
                .map_or_else(|error| (0, error.as_bytes()), |bytes| (1, bytes.as_slice()));
            digest.update(&[kind]).update(&(bytes.len() as u64).to_be_bytes()).update(bytes);
            read
        };
        let text = take(read(&self.0, MAX_BYTES))
            .and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()));
        let folder = self.0.parent().unwrap_or_else(|| Path::new(""));
        let tenants = text.and_then(|text| FileText::read(&text)).map(|file| {
            let entries = file.tenant.into_iter().map(|text| {
                let keys = text.agent_key.iter().map(|key| key.bytes(folder, &mut take)).collect();
                Entry { text, keys }
            });
            entries.collect()
        });
        Contents { path: self.0.clone(), tenants, digest: *digest.finalize().as_bytes() }
    }
}

// === impl Contents ===

impl Contents {
    /// Changes when the file or a key file does.
    pub(crate) const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Checks all of it. A file that names nobody is one that is being written, or a mistake.
    pub(crate) fn parse(&self) -> Result<Directory, BadTenants> {
        let bad = |trouble| BadTenants { path: self.path.display().to_string(), trouble };
        let mut directory = Directory::default();
        for entry in self.tenants.as_ref().map_err(|trouble| bad(trouble.clone()))? {
            directory
                .add(entry)
                .map_err(|trouble| bad(format!("tenant {:?}: {trouble}", entry.text.name)))?;
        }
        if directory.tenants.is_empty() && directory.removed.is_empty() {
            return Err(bad("it names no tenant".to_owned()));
        }
        Ok(directory)
    }
}

// === impl FileText ===

impl FileText {
    fn read(text: &str) -> Result<Self, String> {
        Figment::from(Toml::string(text)).extract().map_err(|error| {
            // One that is about no key has no path.
            let key = error.path.join(".");
            if key.is_empty() { error.kind.to_string() } else { format!("{key}: {}", error.kind) }
        })
    }
}

// === impl AgentKeyText ===

impl AgentKeyText {
    fn bytes(
        &self,
        folder: &Path,
        take: &mut impl FnMut(io::Result<Vec<u8>>) -> Result<Vec<u8>, String>,
    ) -> Result<Vec<u8>, String> {
        let file =
            match (self.algorithm, &self.secret_file, &self.public_key, &self.public_key_file) {
                (KeyAlgorithm::Hs256, Some(file), None, None) => file,
                (KeyAlgorithm::Hs256, ..) => {
                    return Err("HS256 takes a secret_file and nothing else".to_owned());
                }
                (_, None, Some(pem), None) => return Ok(pem.clone().into_bytes()),
                (_, None, None, Some(file)) => file,
                _ => {
                    return Err(
                        "EdDSA and ES256 take either public_key or public_key_file".to_owned()
                    );
                }
            };
        let file = folder.join(file);
        take(read(&file, MAX_KEY_BYTES)).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// What is in every token must fit its header and be readable in a log.
    fn check(&self) -> Result<(), String> {
        for (field, text) in [("issuer", &self.issuer), ("kid", &self.kid)] {
            if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
                return Err(format!("{field} has 1 to 256 bytes and no control characters"));
            }
        }
        Ok(())
    }
}

// === impl Directory ===

impl Directory {
    pub(crate) fn len(&self) -> usize {
        self.tenants.len()
    }

    pub(crate) fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.tenants.get(id).cloned()
    }

    pub(crate) fn agent_key(&self, issuer: &str, kid: &str) -> Option<(Arc<Tenant>, AgentKey)> {
        self.agent_keys.get(issuer)?.get(kid).cloned()
    }

    pub(crate) fn has_origin(&self, origin: Origin) -> bool {
        self.origins.contains(&OriginRule::Exact(origin))
    }

    pub(crate) const fn missing(&self) -> &BTreeSet<TenantId> {
        &self.missing
    }

    /// Takes over, as they were, the tenants of `before` whom this file does not name: it may have
    /// been read while it was written, so only its word removes a tenant. An agents' key that it
    /// gives to somebody else is that tenant's.
    pub(crate) fn serve_on(&mut self, before: &Self) {
        for (id, tenant) in &before.tenants {
            if self.removed.contains(id) || self.tenants.contains_key(id) {
                continue;
            }
            self.missing.insert(id.clone());
            self.origins.extend(tenant.origins.iter().cloned());
            self.tenants.insert(id.clone(), tenant.clone());
        }
        for (issuer, keys) in &before.agent_keys {
            for (kid, key) in keys.iter().filter(|(_, (of, _))| self.missing.contains(&of.id)) {
                let of_issuer = self.agent_keys.entry(issuer.clone()).or_default();
                of_issuer.entry(kid.clone()).or_insert_with(|| key.clone());
            }
        }
    }

    fn add(&mut self, Entry { text, keys }: &Entry) -> Result<(), String> {
        let id = TenantId::parse(&text.name).map_err(|error| error.to_string())?;
        if id.as_str() != text.name {
            return Err(format!("{BadTenant}, written in lower case"));
        }
        if self.tenants.contains_key(&id) || self.removed.contains(&id) {
            return Err("there is one of this name already".to_owned());
        }
        if text.removed {
            self.removed.insert(id);
            return Ok(());
        }
        let rule = |text: &String| {
            OriginRule::exact(text).map_err(|error| format!("origin {text:?}: {error}"))
        };
        let origins = text
            .origins
            .as_ref()
            .ok_or("missing field `origins`")?
            .iter()
            .map(rule)
            .collect::<Result<Vec<_>, _>>()?;
        let key_is_sane = |key: &String| {
            key.strip_prefix("pk_").is_some_and(|rest| {
                (1..=125).contains(&rest.len())
                    && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            })
        };
        match &text.publishable_key {
            Some(key) if !key_is_sane(key) => {
                return Err("publishable_key is pk_ and 1 to 125 of A-Z, a-z, 0-9 and _".to_owned());
            }
            None if text.publishable_key_required => {
                return Err("publishable_key_required without a publishable_key".to_owned());
            }
            _ => {}
        }
        let tenant = Arc::new(Tenant {
            id: id.clone(),
            origins: origins.clone(),
            publishable_key: text.publishable_key.clone(),
            publishable_key_required: text.publishable_key_required,
            suspended: text.suspended,
            limits: text.limits,
        });
        for (key, bytes) in text.agent_key.iter().zip(keys) {
            let named =
                |trouble: String| format!("agent key {:?} of {:?}: {trouble}", key.kid, key.issuer);
            key.check().map_err(named)?;
            let bytes = bytes.as_ref().map_err(|error| named(error.clone()))?;
            let parsed = AgentKey::from_file(key.algorithm, bytes)
                .map_err(|error: BadKey| named(error.to_string()))?;
            let of_issuer = self.agent_keys.entry(key.issuer.clone()).or_default();
            if of_issuer.insert(key.kid.clone(), (tenant.clone(), parsed)).is_some() {
                return Err(named("there is one of this issuer and kid already".to_owned()));
            }
        }
        self.origins.extend(origins);
        self.tenants.insert(id, tenant);
        Ok(())
    }
}
