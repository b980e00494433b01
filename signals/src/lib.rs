//! Signals: what happens now and is worth nothing a moment later, such as that somebody types or is
//! there. They pass between the nodes of an installation, never touch the log, and may be lost.
//!
//! What has to arrive is an event and goes through the log.

mod envelope;
mod local;
mod metrics;
mod nats;
mod signal;

use std::fmt::Debug;

use async_trait::async_trait;
use parlor_common::shard::Shard;

pub use self::{
    envelope::{MAX_BODY_BYTES, MAX_BYTES, WORTH_FOR},
    local::LocalSignals,
    metrics::Metrics,
    nats::{NatsSignals, NatsSignalsError, NatsSignalsSettings},
    signal::{Address, Class, Signal},
};

/// Passes signals between nodes.
///
/// - A signal is heard at most once by each listener of its shard, or not at all: it **may** be
///   lost, also while everything is well. Whoever needs more **must** say it again.
/// - Signals of one node and one shard that are heard are heard in the order in which they were
///   published. A listener **may** hear what its own node has published.
/// - A signal **must not** reach a listener of another shard, and its address **must** be heard as
///   it was published.
/// - A signal is [`MAX_BYTES`] long at most on its way; a longer one **must** be dropped.
/// - One that is older than [`WORTH_FOR`] when it is received, by the clocks of the two nodes,
///   **must** be dropped.
/// - Every queue is bounded. What does not fit **must** be dropped, and counted by its class: a
///   slow listener, and servers that are away, never hold up who publishes.
pub trait Signals: Debug + Send + Sync {
    /// Sends a signal off, and forgets it: it never waits, and nobody is told what became of it.
    fn publish(&self, signal: Signal);

    /// Listens to all signals of a shard from about now on. Dropping it ends it.
    fn listen(&self, shard: Shard) -> Box<dyn Listener>;
}

/// Hears the signals of one shard.
#[async_trait]
pub trait Listener: Debug + Send {
    /// What is heard next; waits for ever where that is nothing. Cancel safe.
    ///
    /// The first is [`Heard::Hears`], as soon as what other nodes publish arrives here.
    async fn next(&mut self) -> Heard;
}

/// What a listener has heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// From now on it hears what is published, also what is published by this node after this.
    /// What was said before is unknown: ask for it.
    Hears,
    /// From now on it may hear nothing, until it [`Hears`](Self::Hears) again: silence tells
    /// nothing.
    Deaf,
    /// A signal.
    Signal(Signal),
}
