//! The scripted log: its answers wait at a gate. It is the store as well (`store.rs`).

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use parlor_common::{
    clock::Clock,
    conversation::ConversationKey,
    position::Position,
    shard::{Shard, Shards},
};
use parlor_log::{
    Appended, Deliveries, Entry, EventLog, Filter, LogError, LogPage, NewEntry, ShardState, Start,
    Tail, Trim,
};
use tokio::{sync::Notify, time::Instant};

use super::{
    gate::{Gate, Verdict},
    truth::Truth,
};

/// The log and the store. Clones are the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    truth: Arc<Mutex<Truth>>,
    tails: Arc<Tails>,
    pub(crate) gate: Gate,
    clock: Clock,
}

/// What tails wait for. They wake in the order in which they began to wait: those of a
/// `watch` do not, and a seed would not always be the same run.
#[derive(Debug, Default)]
struct Tails {
    changed: Notify,
    /// How often they were broken.
    broken: AtomicU64,
}

struct ScriptedTail {
    log: Scripted,
    after: Position,
    next: usize,
    /// How often tails had been broken when it began.
    broken: u64,
}

// === impl Scripted ===

impl Scripted {
    pub(crate) fn new(clock: Clock) -> Self {
        let (truth, tails) = (Arc::new(Mutex::new(Truth::new())), Arc::default());
        Self { truth, tails, gate: Gate::default(), clock }
    }

    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap()
    }

    /// Lets the tails have `count` entries more.
    pub(crate) fn deliver(&self, count: usize) {
        let mut truth = self.truth();
        truth.delivered = (truth.delivered + count).min(truth.entries.len());
        drop(truth);
        self.tails.changed.notify_waiters();
    }

    /// Ends every tail.
    pub(crate) fn break_tails(&self) {
        self.tails.broken.fetch_add(1, Ordering::Relaxed);
        self.tails.changed.notify_waiters();
    }

    fn log_page(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<LogPage, LogError> {
        let truth = self.truth();
        if after > truth.end() {
            return Err(LogError::Rejected("it is ahead of the end".to_owned()));
        }
        let from = after.max(truth.start());
        let passing = truth.pass(filter, from, truth.entries.len()).take(limit);
        let entries: Vec<Entry> = passing.cloned().collect();
        let full = entries.len() == limit;
        let through =
            entries.last().filter(|_| full).map_or_else(|| truth.end(), |last| last.position);
        Ok(LogPage { entries, from, through })
    }

    /// What `ask` finds, as of its call or as of its answer; `None` where it fails.
    pub(crate) async fn answered<T>(&self, ask: impl Fn() -> T + Send) -> Option<T>
    where
        T: Send,
    {
        let early = ask();
        match self.gate.pass().await {
            Verdict::Early => Some(early),
            Verdict::Late => Some(ask()),
            Verdict::Failed | Verdict::Lost | Verdict::Refused => None,
        }
    }
}

fn down() -> LogError {
    LogError::Unavailable("the seed says so".to_owned())
}

#[async_trait]
impl EventLog for Scripted {
    fn shards(&self) -> Shards {
        Shards::ONE
    }

    async fn append(&self, _: &NewEntry) -> Result<Appended, LogError> {
        Err(LogError::Rejected("the door of the simulation writes the truth itself".to_owned()))
    }

    async fn tail(&self, _: Shard, start: Start) -> Result<Box<dyn Tail>, LogError> {
        match self.gate.pass().await {
            Verdict::Early | Verdict::Late => {}
            Verdict::Failed | Verdict::Lost | Verdict::Refused => return Err(down()),
        }
        let truth = self.truth();
        let after = match start {
            Start::End => truth.end(),
            Start::After(after) if after < truth.start() || after > truth.end() => {
                return Err(LogError::Rejected("it cannot be read without a hole".to_owned()));
            }
            Start::After(after) => after,
        };
        let next = truth.entries.partition_point(|entry| entry.position <= after);
        drop(truth);
        let broken = self.tails.broken.load(Ordering::Relaxed);
        Ok(Box::new(ScriptedTail { log: self.clone(), after, next, broken }))
    }

    async fn read(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<LogPage, LogError> {
        let page = self.answered(|| self.log_page(filter, after, limit)).await;
        page.unwrap_or_else(|| Err(down()))
    }

    async fn deliveries(&self, _: Shard, _: &str) -> Result<Box<dyn Deliveries>, LogError> {
        Err(down())
    }

    async fn last(&self, _: &ConversationKey) -> Result<Position, LogError> {
        Err(down())
    }

    async fn trim(&self, _: Shard, _: Trim) -> Result<u64, LogError> {
        Err(down())
    }

    async fn state(&self, _: Shard) -> Result<ShardState, LogError> {
        let truth = self.truth();
        Ok(ShardState {
            start: truth.start(),
            end: truth.end(),
            persisted: truth.position_before(truth.persisted),
            oldest_unpersisted: None,
            max_age: None,
            max_bytes: None,
            used_bytes: 0,
            time: self.clock.now(),
        })
    }
}

#[async_trait]
impl Tail for ScriptedTail {
    fn after(&self) -> Position {
        self.after
    }

    fn proven(&self) -> Option<Instant> {
        let truth = self.log.truth();
        (self.next == truth.entries.len()).then(Instant::now)
    }

    async fn next(&mut self) -> Result<Entry, LogError> {
        loop {
            let tails = self.log.tails.clone();
            let mut changed = pin!(tails.changed.notified());
            changed.as_mut().enable();
            if tails.broken.load(Ordering::Relaxed) != self.broken {
                return Err(down());
            }
            let entry = {
                let truth = self.log.truth();
                let there = self.next < truth.delivered;
                there.then(|| truth.entries[self.next].clone())
            };
            if let Some(entry) = entry {
                self.next += 1;
                return Ok(entry);
            }
            changed.await;
        }
    }
}
