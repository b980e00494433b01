//! Signals within one process: what a node publishes goes into the queue of each of its listeners.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parlor_common::{
    clock::Clock,
    shard::{Shard, Shards},
};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use crate::{
    Heard, Listener, Signals,
    envelope::{Envelope, MAX_BODY_BYTES},
    metrics::{Direction, Metrics},
    signal::{Address, Signal},
};

/// So many signals wait for a listener; more are dropped.
const QUEUE: usize = 1_024;

/// Signals within one process. Cheap to clone; clones pass signals to each other's listeners, and
/// [`also_by`](Self::also_by) makes those of another node.
#[derive(Clone, Debug)]
pub struct LocalSignals {
    shared: Arc<Shared>,
    clock: Clock,
    metrics: Metrics,
}

#[derive(Debug)]
struct Shared {
    shards: Shards,
    /// By the shard's number.
    listeners: Vec<Mutex<Vec<Sender<Passing>>>>,
}

#[derive(Clone, Debug)]
struct Passing {
    address: Address,
    envelope: Envelope,
}

#[derive(Debug)]
struct LocalListener {
    queue: Receiver<Passing>,
    clock: Clock,
    metrics: Metrics,
    hears: bool,
}

// === impl LocalSignals ===

impl LocalSignals {
    /// Signals to which nobody listens yet.
    pub fn new(shards: Shards, clock: Clock, metrics: Metrics) -> Self {
        let listeners = shards.all().map(|_| Mutex::default()).collect();
        Self { shared: Arc::new(Shared { shards, listeners }), clock, metrics }
    }

    /// The same signals, as another node of this process has them.
    #[must_use]
    pub fn also_by(&self, clock: Clock, metrics: Metrics) -> Self {
        Self { shared: self.shared.clone(), clock, metrics }
    }
}

impl Signals for LocalSignals {
    fn publish(&self, signal: Signal) {
        let Signal { address, class, body } = signal;
        if body.len() > MAX_BODY_BYTES {
            self.metrics.dropped(class);
            return;
        }
        self.metrics.passed(class, Direction::Sent);
        let shard = self.shared.shards.of(&address.tenant);
        let passing = Passing { address, envelope: Envelope { class, at: self.clock.now(), body } };
        self.shared.listeners(shard).retain(|listener| match listener.try_send(passing.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.metrics.dropped(class);
                true
            }
            Err(TrySendError::Closed(_)) => false,
        });
    }

    fn listen(&self, shard: Shard) -> Box<dyn Listener> {
        let (sender, queue) = channel(QUEUE);
        let mut listeners = self.shared.listeners(shard);
        listeners.retain(|listener| !listener.is_closed());
        listeners.push(sender);
        let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
        Box::new(LocalListener { queue, clock, metrics, hears: false })
    }
}

// === impl Shared ===

impl Shared {
    fn listeners(&self, shard: Shard) -> MutexGuard<'_, Vec<Sender<Passing>>> {
        let listeners = &self.listeners[usize::from(shard.number())];
        listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl LocalListener ===

#[async_trait]
impl Listener for LocalListener {
    async fn next(&mut self) -> Heard {
        if !std::mem::replace(&mut self.hears, true) {
            return Heard::Hears;
        }
        while let Some(Passing { address, envelope }) = self.queue.recv().await {
            if envelope.is_fresh(self.clock.now()) {
                let Envelope { class, body, .. } = envelope;
                self.metrics.passed(class, Direction::Heard);
                return Heard::Signal(Signal { address, class, body });
            }
            self.metrics.dropped(envelope.class);
        }
        // Whoever could publish is gone.
        std::future::pending().await
    }
}
