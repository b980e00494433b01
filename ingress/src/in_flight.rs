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
/// In the same way a tenant may hold no more than what its shard may still take: one tenant whose
/// appends all wait has a third of the permits at the most, and however many wait, another of the
/// same shard finds room. What is in flight is bounded in bytes too, since a text is.
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
        let of_shard = match self.shards.count() {
            1 => 0,
            _ => counts.shards[usize::from(shard.number())],
        };
        let room = free.saturating_sub(of_shard);
        if room == 0 {
            return Err(Busy::Shard);
        }
        let of_tenant = counts.tenants.get(tenant).copied().unwrap_or(0);
        if of_tenant >= self.per_tenant.min(room) {
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

    /// The tenants of this shard of 16, without end.
    fn of_shard(number: u16) -> impl Iterator<Item = TenantId> {
        let names = (0..).map(|suffix| tenant(&format!("t{suffix}")));
        names.filter(move |name| sixteen().of(name).number() == number)
    }

    /// As many permits as the tenant gets, and what it is told then.
    fn fill(in_flight: &InFlight, tenant: &TenantId) -> (Vec<Permit>, Busy) {
        let mut permits = Vec::new();
        loop {
            match in_flight.enter(tenant) {
                Ok(permit) => permits.push(permit),
                Err(busy) => return (permits, busy),
            }
        }
    }

    fn sixteen() -> Shards {
        Shards::new(NonZeroU16::new(16).unwrap())
    }

    #[test]
    fn a_tenant_that_fills_its_share_leaves_room_for_others() {
        let in_flight = InFlight::new(Shards::ONE, 4, 2);
        let (a, b, c, d) = ("a", "b", "c", "d");
        let enter = |name: &str| in_flight.enter(&tenant(name));
        let first = enter(a).unwrap();
        let _second = enter(a).unwrap();
        assert_eq!(enter(a).unwrap_err(), Busy::Tenant);
        let others = [enter(b).unwrap(), enter(c).unwrap()];
        assert_eq!(enter(d).unwrap_err(), Busy::Node);
        drop((first, others));
        let _again = enter(a).unwrap();
        assert_eq!(
            in_flight.counts.lock().unwrap().tenants.len(),
            1,
            "a tenant with nothing in flight is forgotten"
        );
    }

    #[test]
    fn tenants_whose_appends_wait_leave_room_for_another_of_their_shard() {
        let in_flight = InFlight::new(sixteen(), 900, 900);
        let mut tenants = of_shard(5);
        let mut waiting = Vec::new();
        for expected in [300, 100, 34, 11] {
            let (permits, busy) = fill(&in_flight, &tenants.next().unwrap());
            assert_eq!((permits.len(), busy), (expected, Busy::Tenant));
            waiting.push(permits);
        }
        let _modest = in_flight.enter(&tenants.next().unwrap()).unwrap();

        // Where there is one shard, it is the node's.
        let in_flight = InFlight::new(Shards::ONE, 900, 900);
        let (first, busy) = fill(&in_flight, &tenant("a"));
        assert_eq!((first.len(), busy), (450, Busy::Tenant));
        let (second, _) = fill(&in_flight, &tenant("b"));
        assert_eq!(second.len(), 225);
        let _modest = in_flight.enter(&tenant("c")).unwrap();
    }

    #[test]
    fn silent_shards_leave_room_for_the_others() {
        let in_flight = InFlight::new(sixteen(), 120, 120);
        // So many tenants that the shard takes what it may.
        let fill = |shard| -> Vec<Permit> {
            of_shard(shard).take(40).flat_map(|tenant| fill(&in_flight, &tenant).0).collect()
        };
        // Nobody gives anything back, so that half, a quarter and an eighth are held.
        let (first, second, third) = (fill(3), fill(7), fill(11));
        assert_eq!((first.len(), second.len(), third.len()), (60, 30, 15));
        let told = in_flight.enter(&of_shard(3).nth(99).unwrap()).unwrap_err();
        assert_eq!(told, Busy::Shard);
        let _other = in_flight.enter(&of_shard(0).next().unwrap()).unwrap();
        drop(first);
        assert_eq!(in_flight.counts.lock().unwrap().shards[3], 0);
        assert!(fill(3).len() > 30, "what is given back can be taken again");
    }
}
