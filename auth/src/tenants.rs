//! The registry of tenants: from a file, or invented for any name in development.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use parlor_common::{
    drain::Drain,
    keys::{DerivedKey, InstallationKeys},
    planted::{self, Fault},
    tenant::TenantId,
};
use tracing::{info, warn};

use crate::{
    directory::Directory,
    issuer::{AgentIssuer, IssuerKeys},
    metrics::Metrics,
    origin::{Origin, OriginRule},
    tenant::Tenant,
    tenants_file::{BadTenants, TenantsFile},
    token_key::TokenKey,
};

const DEVELOPMENT_ISSUER: &str = "parlor-dev:";

/// The tenants of the installation. Cheap to clone; clones see a reload.
#[derive(Clone)]
pub struct Tenants(Arc<Source>);

enum Source {
    Development(Vec<DevelopmentKey>),
    File { file: TenantsFile, directory: ArcSwap<Directory>, seen: Mutex<[u8; 32]> },
}

/// The first of them signs.
struct DevelopmentKey {
    kid: String,
    key: DerivedKey,
}

// === impl Tenants ===

impl Tenants {
    /// Any name is a tenant, whose pages come from this machine and whose agents' key is an HMAC of
    /// the installation's key and the name. This must not be used where strangers can reach the
    /// installation.
    pub fn development(keys: &InstallationKeys) -> Self {
        let keys = keys.derive("parlor 2026 development agent key").into_iter();
        let named = keys.map(|key| {
            let id = key.mac(&[b"key id"]);
            DevelopmentKey {
                kid: format!("dev-{:02x}{:02x}{:02x}{:02x}", id[0], id[1], id[2], id[3]),
                key,
            }
        });
        Self(Arc::new(Source::Development(named.collect())))
    }

    /// The tenants of a TOML file; files it names are relative to its folder. Blocks on the disk.
    ///
    /// # Errors
    /// [`BadTenants`] says what is wrong with the file, or why it cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, BadTenants> {
        let file = TenantsFile::new(path);
        let read = file.read();
        let directory = ArcSwap::from_pointee(read.parse()?);
        Ok(Self(Arc::new(Source::File { file, directory, seen: Mutex::new(read.digest()) })))
    }

    /// The tenant of this name, suspended or not.
    pub fn get(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        match &*self.0 {
            Source::Development(_) => Some(Arc::new(Tenant::development(id.clone()))),
            Source::File { directory, .. } => directory.load().tenant(id),
        }
    }

    /// Whether some tenant's pages may come from `origin`: a preflight names no tenant.
    pub fn any_origin(&self, origin: &str) -> bool {
        let Ok(origin) = Origin::parse(origin) else { return false };
        match &*self.0 {
            Source::Development(_) => OriginRule::Loopback.allows(&origin),
            Source::File { directory, .. } => directory.load().has_origin(origin),
        }
    }

    /// Whether tenants are invented.
    pub fn is_development(&self) -> bool {
        matches!(&*self.0, Source::Development(_))
    }

    /// Reads the file again where it, or a key it names, has changed; tells whether it had. What
    /// was in force stays where the new one is broken, which is reported once, and again when it
    /// changes. Tenants whom the new one does not name are served on. Blocks on the disk.
    ///
    /// # Errors
    /// [`BadTenants`] of a changed file that is broken.
    pub fn reload_if_changed(&self) -> Result<bool, BadTenants> {
        let Source::File { file, directory, seen } = &*self.0 else { return Ok(false) };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.read();
        if read.digest() == *seen {
            return Ok(false);
        }
        *seen = read.digest();
        let mut read = read.parse()?;
        read.serve_on(&directory.load());
        directory.store(Arc::new(read));
        Ok(true)
    }

    /// Looks for changes each `interval` until the drain begins. Does nothing in development mode.
    pub async fn run(self, interval: Duration, metrics: Metrics, drain: Drain) {
        if self.is_development() {
            return;
        }
        loop {
            tokio::select! {
                () = drain.draining() => return,
                () = tokio::time::sleep(interval) => {}
            }
            planted::panic_if(Fault::PanicInReload);
            let tenants = self.clone();
            match tokio::task::spawn_blocking(move || tenants.reload_if_changed()).await {
                Ok(Ok(true)) => {
                    info!("the tenants' file has changed and is in force");
                    self.report_missing(&metrics);
                }
                Ok(Ok(false)) => {}
                Ok(Err(error)) => {
                    warn!(%error, "the tenants' file has changed and is broken: the old one stays \
                        in force")
                }
                Err(error) => warn!(%error, "the tenants' file could not be looked at"),
            }
        }
    }

    fn report_missing(&self, metrics: &Metrics) {
        let Source::File { directory, .. } = &*self.0 else { return };
        let directory = directory.load();
        let missing = directory.missing();
        metrics.missing.set(i64::try_from(missing.len()).unwrap_or(i64::MAX));
        if let Some(first) = missing.first() {
            warn!(
                missing = missing.len(), tenant.id = %first,
                "the tenants' file no longer names every tenant: the missing are served on until \
                 it says that they are removed, or until a restart"
            );
        }
    }

    /// The key that this issuer calls `kid`, and whose agents it verifies.
    pub(crate) fn agent_key(&self, issuer: &str, kid: &str) -> Option<(Arc<Tenant>, TokenKey)> {
        match &*self.0 {
            Source::Development(keys) => {
                let name = issuer.strip_prefix(DEVELOPMENT_ISSUER)?;
                let id = TenantId::parse(name).ok().filter(|id| id.as_str() == name)?;
                let key = keys.iter().find(|key| key.kid == kid)?;
                let secret = key.secret(&id);
                Some((Arc::new(Tenant::development(id)), TokenKey::secret(&secret).ok()?))
            }
            Source::File { directory, .. } => directory.load().agent_key(issuer, kid),
        }
    }

    /// The issuer of this name, where its keys are at an address.
    pub(crate) fn agent_issuer(&self, issuer: &str) -> Option<Arc<AgentIssuer>> {
        match &*self.0 {
            Source::Development(_) => None,
            Source::File { directory, .. } => directory.load().agent_issuer(issuer),
        }
    }

    /// The key that this tenant calls `kid`, and whose visitors it verifies.
    pub(crate) fn visitor_key(&self, tenant: &TenantId, kid: &str) -> Option<TokenKey> {
        match &*self.0 {
            Source::Development(_) => None,
            Source::File { directory, .. } => directory.load().visitor_key(tenant, kid),
        }
    }

    /// The keys of every issuer that the file names.
    pub(crate) fn issuers_keys(&self) -> Vec<Arc<IssuerKeys>> {
        match &*self.0 {
            Source::Development(_) => Vec::new(),
            Source::File { directory, .. } => directory.load().issuers_keys().cloned().collect(),
        }
    }

    /// What signs agents' tokens of `tenant` in development mode: issuer, key id, secret.
    pub(crate) fn development_signer(
        &self,
        tenant: &TenantId,
    ) -> Option<(String, String, [u8; 32])> {
        let Source::Development(keys) = &*self.0 else { return None };
        let key = keys.first()?;
        Some((format!("{DEVELOPMENT_ISSUER}{tenant}"), key.kid.clone(), key.secret(tenant)))
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Source::Development(_) => f.write_str("Tenants(development)"),
            Source::File { file, directory, .. } => f
                .debug_struct("Tenants")
                .field("file", file)
                .field("count", &directory.load().len())
                .finish(),
        }
    }
}

// === impl DevelopmentKey ===

impl DevelopmentKey {
    fn secret(&self, tenant: &TenantId) -> [u8; 32] {
        self.key.mac(&[b"agents of", tenant.as_str().as_bytes()])
    }
}

#[cfg(test)]
mod tests;
