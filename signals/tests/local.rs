//! The suite within one process.

use std::sync::Arc;

use parlor_common::clock::Clock;
use parlor_signals::{LocalSignals, Metrics};

use crate::suite::{Harness, Node, SHARDS, whole_suite};

struct Local(LocalSignals);

impl Harness for Local {
    async fn new() -> Self {
        Self(LocalSignals::new(SHARDS, Clock::system(), Metrics::unregistered()))
    }

    async fn node(&self, clock: Clock) -> Node {
        let metrics = Metrics::unregistered();
        Node { signals: Arc::new(self.0.also_by(clock, metrics.clone())), metrics }
    }
}

whole_suite!(crate::local::Local);
