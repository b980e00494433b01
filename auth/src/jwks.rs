//! The fetching of issuers' keys: what keeps them fresh while tokens are verified with those that
//! are there.

use std::{sync::Arc, time::Duration};

use parlor_common::{clock::Clock, drain::Drain};
use tokio::{sync::Semaphore, task::JoinHandle};
use tracing::{info, warn};

pub use crate::connector::Connector;
use crate::{
    connector::Outcome,
    issuer::{Attempt, IssuerKeys},
    jwk,
    metrics::Metrics,
    tenants::Tenants,
};

/// How often it is looked at what is due.
const TICK: Duration = Duration::from_secs(1);
/// The most fetches of a node at once; the others wait for the next look.
const AT_ONCE: usize = 32;

/// Fetches the keys of the issuers that the tenants' file names at the moment.
#[derive(Debug)]
pub struct Jwks {
    tenants: Tenants,
    connector: Connector,
    clock: Clock,
    metrics: Metrics,
    drain: Drain,
    room: Arc<Semaphore>,
}

// === impl Jwks ===

impl Jwks {
    /// Fetches for `tenants`. `clock` is the one by which tokens are verified.
    pub fn new(
        tenants: Tenants,
        connector: Connector,
        clock: Clock,
        metrics: Metrics,
        drain: Drain,
    ) -> Self {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        Self { tenants, connector, clock, metrics, drain, room }
    }

    /// Keeps the keys fresh until the drain begins. Does nothing in development mode, whose tenants
    /// have no issuer.
    pub async fn run(self) {
        if self.tenants.is_development() {
            return;
        }
        loop {
            self.begin_due();
            tokio::select! {
                () = self.drain.draining() => return,
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Begins each fetch that is due, in a task of its own: an issuer that is slow keeps no other
    /// waiting.
    pub(crate) fn begin_due(&self) -> Vec<JoinHandle<()>> {
        let now = self.clock.now();
        let all = self.tenants.issuers_keys();
        let oldest = all.iter().map(|keys| keys.age(now)).max().unwrap_or_default();
        self.metrics.oldest_keys.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
        let mut begun = Vec::new();
        for keys in all {
            let Ok(permit) = self.room.clone().try_acquire_owned() else { break };
            let Some(attempt) = keys.begin(now) else { continue };
            let (connector, metrics) = (self.connector.clone(), self.metrics.clone());
            let drain = self.drain.clone();
            begun.push(self.drain.spawn(async move {
                tokio::select! {
                    () = drain.draining() => {}
                    () = fetch(attempt, &connector, &metrics) => {}
                }
                drop(permit);
            }));
        }
        begun
    }
}

async fn fetch(attempt: Attempt, connector: &Connector, metrics: &Metrics) {
    let answer = connector.get(&attempt.keys().url).await;
    let keys = answer.and_then(|body| jwk::parse(&body).ok_or(Outcome::Malformed));
    let IssuerKeys { issuer, .. } = attempt.keys();
    let issuer = issuer.clone();
    match keys {
        Ok(keys) => {
            metrics.fetched(Outcome::Fetched);
            let count = keys.len();
            if attempt.succeeded(keys) {
                info!(issuer, count, "an issuer's keys are fetched");
            }
        }
        Err(outcome) => {
            metrics.fetched(outcome);
            if attempt.failed() {
                warn!(
                    issuer,
                    outcome = outcome.as_str(),
                    "an issuer's keys cannot be fetched: those of before verify for a day"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
