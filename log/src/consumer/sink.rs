//! The sink: what keeps the events of a group.

use std::fmt::Debug;

use async_trait::async_trait;
use parlor_common::{event::Event, shard::Shard};

/// What a group does with events.
#[async_trait]
pub trait Sink: Debug + Send + Sync + 'static {
    /// What log lines and health call it: `the store`.
    fn name(&self) -> &'static str;

    /// Keeps these events of `shard`. All of a batch are handed in, of every kind: those that the
    /// sink does not want it skips, and they count as kept.
    ///
    /// After `Ok` they are acknowledged and do not come again, so it **must** have made durable
    /// what must be. It **must** take the same events again, alone or among others, in any order:
    /// they come again after an error, and after an acknowledgement that got lost. It **must**
    /// answer within a time of its own.
    ///
    /// # Errors
    /// [`SinkError::Later`]: try again. [`SinkError::Never`]: each is tried by itself, and what is
    /// then refused becomes a dead letter.
    ///
    /// # Cancel safety
    /// Not cancelled by the consumer but with the process.
    async fn keep(&self, shard: Shard, events: &[Event]) -> Result<(), SinkError>;
}

/// Why a sink did not keep events; the text is the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// Worth trying again: what it keeps them with does not answer.
    #[error("not now: {0}")]
    Later(String),
    /// One of them can never be kept.
    #[error("never: {0}")]
    Never(String),
}
