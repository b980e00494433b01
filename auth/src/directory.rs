//! The directory: the tenants of a file by what they are looked up by.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use parlor_common::tenant::{BadTenant, TenantId};

use crate::{
    connector::JwksUrl,
    issuer::{AgentIssuer, IssuerKeys},
    origin::{Origin, OriginRule},
    tenant::Tenant,
    tenants_text::{Entry, IssuerText},
    token_key::{BadKey, TokenKey},
};

/// The tenants by what they are looked up by.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    tenants: HashMap<TenantId, Arc<Tenant>>,
    /// By issuer, then key id.
    agent_keys: HashMap<String, HashMap<String, (Arc<Tenant>, TokenKey)>>,
    /// Those whose keys are fetched, by issuer. One has either these or the ones above.
    issuers: HashMap<String, Arc<AgentIssuer>>,
    /// By tenant, then key id.
    visitor_keys: HashMap<TenantId, HashMap<String, TokenKey>>,
    origins: HashSet<OriginRule>,
    /// Whom the file names as removed.
    removed: HashSet<TenantId>,
    /// Who is served although the file does not name them.
    missing: BTreeSet<TenantId>,
}

// === impl Directory ===

impl Directory {
    pub(crate) fn names_nobody(&self) -> bool {
        self.tenants.is_empty() && self.removed.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.tenants.len()
    }

    pub(crate) fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.tenants.get(id).cloned()
    }

    pub(crate) fn agent_key(&self, issuer: &str, kid: &str) -> Option<(Arc<Tenant>, TokenKey)> {
        self.agent_keys.get(issuer)?.get(kid).cloned()
    }

    pub(crate) fn agent_issuer(&self, issuer: &str) -> Option<Arc<AgentIssuer>> {
        self.issuers.get(issuer).cloned()
    }

    pub(crate) fn visitor_key(&self, tenant: &TenantId, kid: &str) -> Option<TokenKey> {
        self.visitor_keys.get(tenant)?.get(kid).cloned()
    }

    /// The keys of every issuer.
    pub(crate) fn issuers_keys(&self) -> impl Iterator<Item = &Arc<IssuerKeys>> {
        self.issuers.values().map(|issuer| &issuer.keys)
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
            if let Some(keys) = before.visitor_keys.get(id) {
                self.visitor_keys.insert(id.clone(), keys.clone());
            }
        }
        for (name, issuer) in &before.issuers {
            match self.issuers.get_mut(name) {
                // What was fetched for it holds on.
                Some(known) if known.keys.url == issuer.keys.url => {
                    let keys = issuer.keys.clone();
                    *known = Arc::new(AgentIssuer { keys, ..AgentIssuer::clone(known) });
                }
                Some(_) => {}
                None if self.missing.contains(&issuer.tenant.id)
                    && !self.agent_keys.contains_key(name) =>
                {
                    self.issuers.insert(name.clone(), issuer.clone());
                }
                None => {}
            }
        }
        for (issuer, keys) in &before.agent_keys {
            if self.issuers.contains_key(issuer) {
                continue;
            }
            for (kid, key) in keys.iter().filter(|(_, (of, _))| self.missing.contains(&of.id)) {
                let of_issuer = self.agent_keys.entry(issuer.clone()).or_default();
                of_issuer.entry(kid.clone()).or_insert_with(|| key.clone());
            }
        }
    }

    /// Adds a tenant of the file.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn add(&mut self, entry: &Entry) -> Result<(), String> {
        let Entry { text, keys, visitor_keys } = entry;
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
            let parsed = TokenKey::from_file(key.algorithm, bytes)
                .map_err(|error: BadKey| named(error.to_string()))?;
            if self.issuers.contains_key(&key.issuer) {
                return Err(named("the keys of this issuer are at a jwks_url".to_owned()));
            }
            let of_issuer = self.agent_keys.entry(key.issuer.clone()).or_default();
            if of_issuer.insert(key.kid.clone(), (tenant.clone(), parsed)).is_some() {
                return Err(named("there is one of this issuer and kid already".to_owned()));
            }
        }
        for issuer in &text.agent_issuer {
            self.add_issuer(issuer, &tenant)
                .map_err(|trouble| format!("agent issuer {:?}: {trouble}", issuer.issuer))?;
        }
        for (key, bytes) in text.visitor_key.iter().zip(visitor_keys) {
            let named = |trouble: String| format!("visitor key {:?}: {trouble}", key.kid);
            key.check().map_err(named)?;
            let bytes = bytes.as_ref().map_err(|error| named(error.clone()))?;
            let parsed = TokenKey::from_file(key.algorithm, bytes)
                .map_err(|error: BadKey| named(error.to_string()))?;
            let of_tenant = self.visitor_keys.entry(id.clone()).or_default();
            if of_tenant.insert(key.kid.clone(), parsed).is_some() {
                return Err(named("there is one of this kid already".to_owned()));
            }
        }
        self.origins.extend(origins);
        self.tenants.insert(id, tenant);
        Ok(())
    }

    fn add_issuer(&mut self, text: &IssuerText, tenant: &Arc<Tenant>) -> Result<(), String> {
        text.check()?;
        let url = JwksUrl::parse(&text.jwks_url, text.loopback_http)?;
        if self.agent_keys.contains_key(&text.issuer) {
            return Err("there is an agent_key of this issuer already".to_owned());
        }
        let issuer = AgentIssuer {
            tenant: tenant.clone(),
            audience: text.audience.clone(),
            role_claim: text.role_claim.clone(),
            roles: text.roles.clone(),
            keys: Arc::new(IssuerKeys::new(&text.issuer, url)),
        };
        match self.issuers.insert(text.issuer.clone(), Arc::new(issuer)) {
            // Its tokens do not say whose agents they name.
            Some(other) => Err(format!("tenant {} names this issuer already", other.tenant.id)),
            None => Ok(()),
        }
    }
}
