//! Actions in flight: how many may be between arrival and receipt, of a tenant, of a shard and in
//! all. An action over a bound is refused at once; none waits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use parlor_common::{
    shard::{Shard, Shards},
    tenant::TenantId,
};

use crate::busy::Busy;

/// Counts the actions in flight. Cheap to clone; clones count together.
///
/// Where there are several shards, one may hold no more of the node's permits than are free: a
/// shard that elects its leader, or does not answer, keeps what it holds until the deadline. So one
/// silent shard takes half of the permits at the most, and however many are silent, others find
/// room.
///
/// A tenant is remembered only while it has one in flight, so that the memory is bounded by `node`,
/// and no tenant's count can be evicted while it is needed.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    counts: Arc<Mutex<Counts>>,
    shards: Shards,
    node: usize,
    per_tenant: usize,
}

/// An action is in flight; dropping this makes room.
#[derive(Debug)]
pub(crate) struct Permit {
    counts: Arc<Mutex<Counts>>,
    shard: Shard,
    tenant: TenantId,
}

#[derive(Debug)]
struct Counts {
    node: usize,
    /// By the shard's number.
    shards: Vec<usize>,
    tenants: HashMap<TenantId, usize>,
}

// === impl InFlight ===

impl InFlight {
    /// At most `node` in all, and `per_tenant` of one tenant.
    pub(crate) fn new(shards: Shards, node: usize, per_tenant: usize) -> Self {
        let of_shards = vec![0; usize::from(shards.count())];
        let counts = Counts { node: 0, shards: of_shards, tenants: HashMap::new() };
        Self { counts: Arc::new(Mutex::new(counts)), shards, node, per_tenant }
    }

    /// Counts one action of `tenant` more, or says which bound is reached.
    pub(crate) fn enter(&self, tenant: &TenantId) -> Result<Permit, Busy> {
        let shard = self.shards.of(tenant);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.node.saturating_sub(counts.node);
        if free == 0 {
            return Err(Busy::Node);
        }
        if self.shards.count() > 1 && counts.shards[usize::from(shard.number())] >= free {
            return Err(Busy::Shard);
        }
        let of_tenant = counts.tenants.get(tenant).copied().unwrap_or(0);
        if of_tenant >= self.per_tenant {
            return Err(Busy::Tenant);
        }
        counts.tenants.insert(tenant.clone(), of_tenant + 1);
        counts.shards[usize::from(shard.number())] += 1;
        counts.node += 1;
        Ok(Permit { counts: self.counts.clone(), shard, tenant: tenant.clone() })
    }
}

// === impl Permit ===

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.node -= 1;
        counts.shards[usize::from(self.shard.number())] -= 1;
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
    use std::num::NonZeroU16;

    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    /// A tenant of this shard of 16.
    fn of_shard(number: u16) -> TenantId {
        let mut names = (0..).map(|suffix| tenant(&format!("t{suffix}")));
        names.find(|name| sixteen().of(name).number() == number).unwrap()
    }

    fn sixteen() -> Shards {
        Shards::new(NonZeroU16::new(16).unwrap())
    }

    #[test]
    fn a_tenant_that_fills_its_share_leaves_room_for_others() {
        let in_flight = InFlight::new(Shards::ONE, 3, 2);
        let (a, b, c) = ("a", "b", "c");
        let enter = |name: &str| in_flight.enter(&tenant(name));
        let first = enter(a).unwrap();
        let _second = enter(a).unwrap();
        assert_eq!(enter(a).unwrap_err(), Busy::Tenant);
        let other = enter(b).unwrap();
        assert_eq!(enter(c).unwrap_err(), Busy::Node);
        drop(first);
        let _again = enter(a).unwrap();
        drop(other);
        assert_eq!(
            in_flight.counts.lock().unwrap().tenants.len(),
            1,
            "a tenant with nothing in flight is forgotten"
        );
    }

    #[test]
    fn silent_shards_leave_room_for_the_others() {
        let in_flight = InFlight::new(sixteen(), 120, 120);
        let fill = |shard| {
            let tenant = of_shard(shard);
            let mut permits = Vec::new();
            while let Ok(permit) = in_flight.enter(&tenant) {
                permits.push(permit);
            }
            assert_eq!(in_flight.enter(&tenant).unwrap_err(), Busy::Shard);
            permits
        };
        // Nobody gives anything back, so that half, a quarter and an eighth are held.
        let (first, second, third) = (fill(3), fill(7), fill(11));
        assert_eq!((first.len(), second.len(), third.len()), (60, 30, 15));
        let _other = in_flight.enter(&of_shard(0)).unwrap();
        drop(first);
        assert_eq!(in_flight.counts.lock().unwrap().shards[3], 0);
        assert!(fill(3).len() > 30, "what is given back can be taken again");
    }
}
