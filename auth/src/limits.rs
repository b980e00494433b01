//! Rate limits: of a visitor, a tenant, an address; each by the generic cell rate algorithm, in
//! bounded memory.
//!
//! The algorithm is written out in `rate.rs`, in a dozen lines, rather than taken from `governor`:
//! its state for a key is one number, which an LRU can hold and evict (governor's keyed stores have
//! no bound), and the time comes from our [`Clock`], so that a clock that is set back does not make
//! a long refusal.

use std::{
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use parlor_common::{
    address::address_group,
    clock::Clock,
    id::VisitorId,
    planted::{self, Fault},
    problem::{Code, Problem},
    tenant::TenantId,
};
use serde::{Deserialize, Serialize};

use crate::{rate::Rate, tenant::TenantLimits, tenants::Tenants};

/// The limits of one node. [`Default`] has the defaults named here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// `limits.visitor_messages`: messages of a visitor of a tenant.
    pub visitor_messages: Rate,
    /// `limits.tenant_messages`: messages of a tenant's visitors and agents.
    pub tenant_messages: Rate,
    /// `limits.visitor_bytes`: bytes of the texts of a visitor of a tenant.
    pub visitor_bytes: Rate,
    /// `limits.tenant_bytes`: bytes of the texts of a tenant's visitors and agents.
    pub tenant_bytes: Rate,
    /// `limits.address_requests`: REST requests of an IPv4 address or IPv6 /64.
    pub address_requests: Rate,
    /// `limits.address_upgrades`: upgrades of an IPv4 address or IPv6 /64.
    pub address_upgrades: Rate,
    /// `limits.keys`: how many visitors, tenants and addresses, each, are remembered; the least
    /// recently seen is forgotten first, and with it what it had used up.
    pub keys: usize,
}

/// The limits and what is used up of them. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Limits(Arc<Shared>);

/// The sender is over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} sends more than it may", .whose.as_str())]
pub struct Limited {
    /// Whose limit it is.
    pub whose: Whose,
    /// When the next one would be let through.
    pub retry_after: Duration,
}

/// Whose a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The visitor's.
    Visitor,
    /// The tenant's, all of its visitors and agents together.
    Tenant,
    /// The address's.
    Address,
}

#[derive(Debug)]
struct Shared {
    settings: LimitSettings,
    tenants: Tenants,
    clock: Clock,
    visitors: Buckets<(TenantId, VisitorId), 2>,
    of_tenants: Buckets<TenantId, 2>,
    requests: Buckets<IpAddr, 1>,
    upgrades: Buckets<IpAddr, 1>,
}

/// For each key and each of its `N` rates the instant, in microseconds, at which the rate will have
/// paid for everything that was let through.
#[derive(Debug)]
struct Buckets<K: Hash + Eq, const N: usize> {
    cap: usize,
    used: Mutex<LruCache<K, [i64; N]>>,
}

// === impl LimitSettings ===

impl Default for LimitSettings {
    fn default() -> Self {
        parlor_common::settings::defaults("limits")
    }
}

// === impl Limits ===

impl Limits {
    /// The limits of `settings`, and of the tenants that have their own.
    pub fn new(settings: LimitSettings, tenants: Tenants, clock: Clock) -> Self {
        let cap = settings.keys;
        Self(Arc::new(Shared {
            settings,
            tenants,
            clock,
            visitors: Buckets::new(cap),
            of_tenants: Buckets::new(cap),
            requests: Buckets::new(cap),
            upgrades: Buckets::new(cap),
        }))
    }

    /// One message of a visitor to a tenant, whose text has so many bytes.
    ///
    /// # Errors
    /// [`Limited`] over one of the visitor's rates.
    pub fn check_visitor(
        &self,
        tenant: &TenantId,
        visitor: VisitorId,
        bytes: usize,
    ) -> Result<(), Limited> {
        let own = self.own(tenant);
        let rates = [
            (own.visitor_messages.unwrap_or(self.0.settings.visitor_messages), 1),
            (own.visitor_bytes.unwrap_or(self.0.settings.visitor_bytes), amount(bytes)),
        ];
        self.0
            .visitors
            .check((tenant.clone(), visitor), rates, self.now())
            .map_err(|wait| Whose::Visitor.limited(wait))
    }

    /// One message to a tenant's conversations, whoever it is by, whose text has so many bytes.
    ///
    /// # Errors
    /// [`Limited`] over one of the tenant's rates.
    pub fn check_tenant(&self, tenant: &TenantId, bytes: usize) -> Result<(), Limited> {
        let own = self.own(tenant);
        let rates = [
            (own.messages.unwrap_or(self.0.settings.tenant_messages), 1),
            (own.bytes.unwrap_or(self.0.settings.tenant_bytes), amount(bytes)),
        ];
        self.0
            .of_tenants
            .check(tenant.clone(), rates, self.now())
            .map_err(|wait| Whose::Tenant.limited(wait))
    }

    /// One REST request from an address; IPv6 addresses of one /64 count together.
    ///
    /// # Errors
    /// [`Limited`] over the address's rate.
    pub fn check_request(&self, address: IpAddr) -> Result<(), Limited> {
        let (rate, key) = (self.0.settings.address_requests, address_group(address));
        self.0
            .requests
            .check(key, [(rate, 1)], self.now())
            .map_err(|wait| Whose::Address.limited(wait))
    }

    /// One upgrade from an address; IPv6 addresses of one /64 count together.
    ///
    /// # Errors
    /// [`Limited`] over the address's rate.
    pub fn check_upgrade(&self, address: IpAddr) -> Result<(), Limited> {
        let (rate, key) = (self.0.settings.address_upgrades, address_group(address));
        self.0
            .upgrades
            .check(key, [(rate, 1)], self.now())
            .map_err(|wait| Whose::Address.limited(wait))
    }

    /// What differs for `tenant` from the settings.
    fn own(&self, tenant: &TenantId) -> TenantLimits {
        self.0.tenants.get(tenant).map(|tenant| tenant.limits).unwrap_or_default()
    }

    fn now(&self) -> i64 {
        self.0.clock.now().as_millis().saturating_mul(1000)
    }
}

// === impl Buckets ===

impl<K: Hash + Eq, const N: usize> Buckets<K, N> {
    fn new(cap: usize) -> Self {
        // Bounded by `check`: a cache made with a capacity takes its memory at once.
        Self { cap: cap.max(1), used: Mutex::new(LruCache::unbounded()) }
    }

    /// Takes each amount from its rate, or none of them and says how long to wait.
    fn check(&self, key: K, rates: [(Rate, u32); N], now: i64) -> Result<(), Duration> {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = all.get_or_insert_mut(key, || [now; N]);
        let (mut after, mut longest) = ([now; N], None);
        for (((rate, amount), used), after) in rates.into_iter().zip(&mut *used).zip(&mut after) {
            match rate.let_through(amount, used, now) {
                Ok(then) => *after = then,
                Err(wait) => longest = longest.max(Some(wait)),
            }
        }
        if longest.is_none() {
            *used = after;
        }
        if all.len() > self.cap && !planted::is(Fault::LimiterWithoutEviction) {
            all.pop_lru();
        }
        drop(all);
        let longest = longest.map(|wait| Duration::from_micros(u64::try_from(wait).unwrap_or(0)));
        longest.map_or(Ok(()), Err)
    }
}

fn amount(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

// === impl Whose ===

impl Whose {
    /// As a problem's `details` name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Tenant => "tenant",
            Self::Address => "address",
        }
    }

    const fn limited(self, retry_after: Duration) -> Limited {
        Limited { whose: self, retry_after }
    }
}

// === impl Limited ===

impl From<Limited> for Problem {
    fn from(limited: Limited) -> Self {
        let problem =
            Self::new(Code::RateLimited, limited.to_string()).retry_after(limited.retry_after);
        problem.detail(limited.whose.as_str(), "rate_limited")
    }
}

#[cfg(test)]
mod tests;
