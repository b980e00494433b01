//! Caps: how many connections there are, in all and of each address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::metrics::{Metrics, OpenGauge};

/// The most refused connections that are waited for until they have read their answer. More are
/// closed at once.
const MAX_REFUSALS: usize = 256;

/// The connections of one listener. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Caps(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    max: usize,
    max_per_address: usize,
    taken: Mutex<Taken>,
    refusals: AtomicUsize,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Holds no more addresses than there are connections.
    by_address: HashMap<IpAddr, usize>,
}

/// Counts one open connection while it lives; dropping it makes room.
#[derive(Debug)]
pub struct ConnectionPermit {
    caps: Caps,
    address: Option<IpAddr>,
    open: OpenGauge,
}

/// A refused connection that is told why; freed on drop.
#[derive(Debug)]
pub(crate) struct Refusal(Caps);

/// A connection more would be over a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CapReached {
    /// The listener's.
    #[error("the server has as many connections as it may")]
    All,
    /// The address's.
    #[error("the address has as many connections as it may")]
    Address,
}

// === impl Caps ===

impl Caps {
    pub(crate) fn new(max: usize, max_per_address: usize) -> Self {
        Self(Arc::new(Shared {
            max,
            max_per_address,
            taken: Mutex::default(),
            refusals: AtomicUsize::new(0),
        }))
    }

    /// Counts one connection more, and counts it for `address` where one is given.
    pub(crate) fn take(
        &self,
        address: Option<IpAddr>,
        metrics: &Metrics,
    ) -> Result<ConnectionPermit, CapReached> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.0.max {
            metrics.refused_all.inc();
            return Err(CapReached::All);
        }
        if let Some(address) = address {
            let of_address = taken.by_address.entry(address).or_default();
            if *of_address >= self.0.max_per_address {
                // The entry is new only where the cap is 0; then it must not stay.
                if *of_address == 0 {
                    taken.by_address.remove(&address);
                }
                metrics.refused_address.inc();
                return Err(CapReached::Address);
            }
            *of_address += 1;
        }
        taken.all += 1;
        metrics.connections.inc();
        metrics.accepted.inc();
        Ok(ConnectionPermit { caps: self.clone(), address, open: metrics.connections.clone() })
    }

    /// A permit to tell a refused connection why; `None` where too many are being told already.
    pub(crate) fn refuse(&self) -> Option<Refusal> {
        let add_one = |count: usize| (count < MAX_REFUSALS).then_some(count + 1);
        self.0
            .refusals
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add_one)
            .is_ok()
            .then(|| Refusal(self.clone()))
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut taken = self.caps.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(address) = self.address
            && let Some(of_address) = taken.by_address.get_mut(&address)
        {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                taken.by_address.remove(&address);
            }
        }
        self.open.dec();
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        self.0.0.refusals.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use parlor_common::metrics::Registry;

    use super::*;

    #[test]
    fn a_connection_is_counted_for_its_address_and_given_back() {
        let metrics = Metrics::new(&Registry::new()).unwrap();
        let caps = Caps::new(3, 2);
        let a: Option<IpAddr> = "192.0.2.1".parse().ok();
        let b: Option<IpAddr> = "192.0.2.2".parse().ok();
        let first = caps.take(a, &metrics).unwrap();
        let _second = caps.take(a, &metrics).unwrap();
        assert_eq!(caps.take(a, &metrics).unwrap_err(), CapReached::Address);
        let _third = caps.take(b, &metrics).unwrap();
        assert_eq!(caps.take(b, &metrics).unwrap_err(), CapReached::All);
        drop(first);
        let again = caps.take(None, &metrics).unwrap();
        drop(again);
        assert!(caps.take(a, &metrics).is_ok());
        assert_eq!(
            caps.0.taken.lock().unwrap().by_address.len(),
            2,
            "a freed address leaves nothing behind"
        );
    }
}
