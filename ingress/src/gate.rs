//! The gate: how many drafts may be between arrival and receipt, of a tenant and in all. Never a
//! wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use parlor_common::tenant::TenantId;

/// Counts drafts in flight. Cheap to clone.
///
/// It remembers a tenant only while that has one in flight, so that its memory is bounded by
/// `whole`, and no tenant's count can be evicted under it.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    in_flight: Arc<Mutex<InFlight>>,
    whole: usize,
    per_tenant: usize,
}

/// A draft is in flight; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Pass {
    in_flight: Arc<Mutex<InFlight>>,
    tenant: TenantId,
}

/// Which bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Whole,
    Tenant,
}

#[derive(Debug, Default)]
struct InFlight {
    whole: usize,
    tenants: HashMap<TenantId, usize>,
}

// === impl Gate ===

impl Gate {
    pub(crate) fn new(whole: usize, per_tenant: usize) -> Self {
        Self { in_flight: Arc::default(), whole, per_tenant }
    }

    /// Lets one draft of `tenant` in, or says at once which bound is reached.
    pub(crate) fn pass(&self, tenant: &TenantId) -> Result<Pass, Full> {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if in_flight.whole >= self.whole {
            return Err(Full::Whole);
        }
        let of_tenant = in_flight.tenants.get(tenant).copied().unwrap_or(0);
        if of_tenant >= self.per_tenant {
            return Err(Full::Tenant);
        }
        in_flight.tenants.insert(tenant.clone(), of_tenant + 1);
        in_flight.whole += 1;
        Ok(Pass { in_flight: self.in_flight.clone(), tenant: tenant.clone() })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.whole -= 1;
        if let Some(of_tenant) = in_flight.tenants.get_mut(&self.tenant) {
            *of_tenant -= 1;
            if *of_tenant == 0 {
                in_flight.tenants.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_fills_its_share_leaves_room_for_others() {
        let gate = Gate::new(3, 2);
        let (a, b, c) = ("a", "b", "c");
        let pass = |name: &str| gate.pass(&TenantId::parse(name).unwrap());
        let first = pass(a).unwrap();
        let _second = pass(a).unwrap();
        assert_eq!(pass(a).unwrap_err(), Full::Tenant);
        let other = pass(b).unwrap();
        assert_eq!(pass(c).unwrap_err(), Full::Whole);
        drop(first);
        let _again = pass(a).unwrap();
        drop(other);
        assert_eq!(
            gate.in_flight.lock().unwrap().tenants.len(),
            1,
            "a tenant with nothing in flight is forgotten"
        );
    }
}
