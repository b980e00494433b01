//! Health: whether the shards' tasks do their work.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use parlor_common::shard::Shard;

/// What the tasks last said of themselves. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<Shard, Trouble>>>);

/// What holds a task up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The log gives no deliveries.
    #[error("the log does not answer")]
    Log,
    /// The group, or the shard, was removed.
    #[error("the log no longer has this group")]
    Gone,
    /// The sink, by its name, does not answer.
    #[error("{0} does not answer")]
    Sink(&'static str),
    /// The task panicked: nobody does this shard's work until the process starts anew.
    #[error("a task has panicked")]
    Panicked,
}

/// One task's place in it.
#[derive(Clone, Debug)]
pub(super) struct ShardHealth {
    shard: Shard,
    all: Health,
}

/// Says that a task has panicked where it does not end in order.
#[derive(Debug)]
pub(super) struct RunningTask(Option<ShardHealth>);

// === impl Health ===

impl Health {
    /// Whether every task does its work.
    ///
    /// # Errors
    /// What holds one of them up.
    pub fn check(&self) -> Result<(), Trouble> {
        match self.lock().values().next() {
            Some(trouble) => Err(*trouble),
            None => Ok(()),
        }
    }

    pub(super) fn of(&self, shard: Shard) -> ShardHealth {
        ShardHealth { shard, all: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Shard, Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl ShardHealth ===

impl ShardHealth {
    /// Says what holds the task up; tells whether that is news.
    pub(super) fn trouble(&self, trouble: Trouble) -> bool {
        self.all.lock().insert(self.shard, trouble) != Some(trouble)
    }

    /// Says that the task does its work; tells whether that is news.
    pub(super) fn well(&self) -> bool {
        self.all.lock().remove(&self.shard).is_some()
    }
}

// === impl RunningTask ===

impl RunningTask {
    pub(super) const fn new(health: ShardHealth) -> Self {
        Self(Some(health))
    }

    /// The task was told to stop, and has.
    pub(super) fn ended_in_order(mut self) {
        self.0 = None;
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        if let Some(health) = &self.0 {
            health.trouble(Trouble::Panicked);
        }
    }
}
