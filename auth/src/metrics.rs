//! What the tenants' registry and its issuers tell the operator.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::connector::Outcome;

/// Metrics of the tenants' registry. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) missing: IntGauge,
    pub(crate) oldest_keys: IntGauge,
    fetches: [IntCounter; Outcome::ALL.len()],
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let missing = IntGauge::new(
            "parlor_auth_missing_tenants",
            "Tenants that are served on although the tenants' file no longer names them.",
        )?;
        let oldest_keys = IntGauge::new(
            "parlor_auth_jwks_oldest_seconds",
            "Age of the oldest set of keys of an issuer of agents' tokens; they verify for a day.",
        )?;
        let help = "Fetches of the keys of issuers of agents' tokens.";
        let fetches =
            IntCounterVec::new(Opts::new("parlor_auth_jwks_fetches_total", help), &["outcome"])?;
        registry.register(Box::new(missing.clone()))?;
        registry.register(Box::new(oldest_keys.clone()))?;
        registry.register(Box::new(fetches.clone()))?;
        let fetches = Outcome::ALL.map(|outcome| fetches.with_label_values(&[outcome.as_str()]));
        Ok(Self { missing, oldest_keys, fetches })
    }

    /// Counts a fetch of an issuer's keys.
    pub(crate) fn fetched(&self, outcome: Outcome) {
        self.fetches[outcome as usize].inc();
    }

    /// How many fetches ended so.
    #[cfg(test)]
    pub(crate) fn fetches(&self, outcome: Outcome) -> u64 {
        self.fetches[outcome as usize].get()
    }
}
