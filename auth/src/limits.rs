//! Rate limits: of a visitor, a tenant, an address; each by the generic cell rate algorithm, in
//! bounded memory.
//!
//! The algorithm is written out, in a dozen lines, rather than taken from `governor`: what it keeps
//! for a key is one number, which an LRU can hold and evict (governor's keyed stores have no
//! bound), and the time is the process's [`Clock`], which a step back must not turn into a long
//! refusal.

use std::{
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use parlor_common::{
    address::address_group,
    clock::Clock,
    id::VisitorId,
    problem::{Code, Problem},
    tenant::TenantId,
};
use serde::{Deserialize, Serialize};

use crate::tenants::Tenants;

/// So many in a second on average, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many in a second.
    pub per_second: NonZeroU32,
    /// How many at once.
    pub burst: NonZeroU32,
}

/// The limits of one node. [`Default`] has the defaults named here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// `limits.visitor_messages`: messages of a visitor of a tenant.
    pub visitor_messages: Rate,
    /// `limits.tenant_messages`: messages of a tenant's visitors and agents.
    pub tenant_messages: Rate,
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

/// Over a limit.
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
    visitors: Buckets<(TenantId, VisitorId)>,
    of_tenants: Buckets<TenantId>,
    requests: Buckets<IpAddr>,
    upgrades: Buckets<IpAddr>,
}

/// Of each key: when, in microseconds, all that was let through will have been made up for.
#[derive(Debug)]
struct Buckets<K: Hash + Eq> {
    cap: usize,
    used: Mutex<LruCache<K, i64>>,
}

// === impl Rate ===

impl Rate {
    /// So many in a second, and so many at once; each 1 at the least.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        const fn at_least_one(number: u32) -> NonZeroU32 {
            match NonZeroU32::new(number) {
                Some(number) => number,
                None => NonZeroU32::MIN,
            }
        }
        Self { per_second: at_least_one(per_second), burst: at_least_one(burst) }
    }

    /// Lets one more through at `now` and adds it to `used`, or says how long to wait.
    /// Microseconds.
    fn let_through(self, used: &mut i64, now: i64) -> Result<(), i64> {
        let each = (1_000_000 / i64::from(self.per_second.get())).max(1);
        let most = now + each * i64::from(self.burst.get());
        // A clock that was set back makes what was used look far away: more than everything is
        // never owed.
        *used = (*used).clamp(now, most);
        let after = *used + each;
        if after > most {
            return Err(after - most);
        }
        *used = after;
        Ok(())
    }
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

    /// One message of a visitor to a tenant.
    ///
    /// # Errors
    /// [`Limited`] over the visitor's rate.
    pub fn check_visitor(&self, tenant: &TenantId, visitor: VisitorId) -> Result<(), Limited> {
        let own = self.0.tenants.get(tenant).and_then(|tenant| tenant.limits.visitor_messages);
        let rate = own.unwrap_or(self.0.settings.visitor_messages);
        self.0
            .visitors
            .check((tenant.clone(), visitor), rate, self.now())
            .map_err(|wait| Whose::Visitor.limited(wait))
    }

    /// One message to a tenant's conversations, whoever it is by.
    ///
    /// # Errors
    /// [`Limited`] over the tenant's rate.
    pub fn check_tenant(&self, tenant: &TenantId) -> Result<(), Limited> {
        let own = self.0.tenants.get(tenant).and_then(|tenant| tenant.limits.messages);
        let rate = own.unwrap_or(self.0.settings.tenant_messages);
        self.0
            .of_tenants
            .check(tenant.clone(), rate, self.now())
            .map_err(|wait| Whose::Tenant.limited(wait))
    }

    /// One REST request from an address; IPv6 addresses of one /64 count together.
    ///
    /// # Errors
    /// [`Limited`] over the address's rate.
    pub fn check_request(&self, address: IpAddr) -> Result<(), Limited> {
        let (rate, key) = (self.0.settings.address_requests, address_group(address));
        self.0.requests.check(key, rate, self.now()).map_err(|wait| Whose::Address.limited(wait))
    }

    /// One upgrade from an address; IPv6 addresses of one /64 count together.
    ///
    /// # Errors
    /// [`Limited`] over the address's rate.
    pub fn check_upgrade(&self, address: IpAddr) -> Result<(), Limited> {
        let (rate, key) = (self.0.settings.address_upgrades, address_group(address));
        self.0.upgrades.check(key, rate, self.now()).map_err(|wait| Whose::Address.limited(wait))
    }

    fn now(&self) -> i64 {
        self.0.clock.now().as_millis().saturating_mul(1000)
    }
}

// === impl Buckets ===

impl<K: Hash + Eq> Buckets<K> {
    fn new(cap: usize) -> Self {
        // Bounded by `check`: a cache made with a capacity takes its memory at once.
        Self { cap: cap.max(1), used: Mutex::new(LruCache::unbounded()) }
    }

    fn check(&self, key: K, rate: Rate, now: i64) -> Result<(), Duration> {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let used = all.get_or_insert_mut(key, || now);
        let outcome = rate.let_through(used, now);
        if all.len() > self.cap {
            all.pop_lru();
        }
        drop(all);
        outcome.map_err(|wait| Duration::from_micros(u64::try_from(wait).unwrap_or(0)))
    }
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
