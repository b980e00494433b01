//! Health: whether the shards' workers get on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use parlor_common::shard::Shard;

/// What the workers last said of themselves. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<Shard, &'static str>>>);

/// One worker's place in it.
#[derive(Clone, Debug)]
pub(crate) struct ShardHealth {
    shard: Shard,
    all: Health,
}

impl Health {
    /// Whether every worker gets on.
    ///
    /// # Errors
    /// What holds one of them up.
    pub fn check(&self) -> Result<(), &'static str> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).values().next() {
            Some(trouble) => Err(trouble),
            None => Ok(()),
        }
    }

    pub(crate) fn of(&self, shard: Shard) -> ShardHealth {
        ShardHealth { shard, all: self.clone() }
    }
}

impl ShardHealth {
    /// Says what holds the worker up; tells whether that is news.
    pub(crate) fn trouble(&self, trouble: &'static str) -> bool {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(self.shard, trouble) != Some(trouble)
    }

    /// Says that the worker gets on; tells whether that is news.
    pub(crate) fn well(&self) -> bool {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.shard).is_some()
    }
}
