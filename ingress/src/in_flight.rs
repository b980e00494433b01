//! Actions in flight: how many may be between arrival and receipt, of a tenant and in all. An action
//! over a bound is refused at once; none waits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use parlor_common::tenant::TenantId;

/// Counts the actions in flight. Cheap to clone; clones count together.
///
/// A tenant is remembered only while it has one in flight, so that the memory is bounded by `whole`,
/// and no tenant's count can be evicted while it is needed.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    counts: Arc<Mutex<Counts>>,
    whole: usize,
    per_tenant: usize,
}

/// An action is in flight; dropping this makes room.
#[derive(Debug)]
pub(crate) struct Permit {
    counts: Arc<Mutex<Counts>>,
    tenant: TenantId,
}

/// Which bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// The node's.
    Whole,
    /// The tenant's.
    Tenant,
}

#[derive(Debug, Default)]
struct Counts {
    whole: usize,
    tenants: HashMap<TenantId, usize>,
}

// === impl InFlight ===

impl InFlight {
    pub(crate) fn new(whole: usize, per_tenant: usize) -> Self {
        Self { counts: Arc::default(), whole, per_tenant }
    }

    /// Counts one action of `tenant` more, or says which bound is reached.
    pub(crate) fn enter(&self, tenant: &TenantId) -> Result<Permit, Full> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.whole >= self.whole {
            return Err(Full::Whole);
        }
        let of_tenant = counts.tenants.get(tenant).copied().unwrap_or(0);
        if of_tenant >= self.per_tenant {
            return Err(Full::Tenant);
        }
        counts.tenants.insert(tenant.clone(), of_tenant + 1);
        counts.whole += 1;
        Ok(Permit { counts: self.counts.clone(), tenant: tenant.clone() })
    }
}

// === impl Permit ===

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.whole -= 1;
        if let Some(of_tenant) = counts.tenants.get_mut(&self.tenant) {
            *of_tenant -= 1;
            if *of_tenant == 0 {
                counts.tenants.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_fills_its_share_leaves_room_for_others() {
        let in_flight = InFlight::new(3, 2);
        let (a, b, c) = ("a", "b", "c");
        let enter = |name: &str| in_flight.enter(&TenantId::parse(name).unwrap());
        let first = enter(a).unwrap();
        let _second = enter(a).unwrap();
        assert_eq!(enter(a).unwrap_err(), Full::Tenant);
        let other = enter(b).unwrap();
        assert_eq!(enter(c).unwrap_err(), Full::Whole);
        drop(first);
        let _again = enter(a).unwrap();
        drop(other);
        assert_eq!(
            in_flight.counts.lock().unwrap().tenants.len(),
            1,
            "a tenant with nothing in flight is forgotten"
        );
    }
}
