//! A log that fails as it is told.

use std::{
    collections::HashMap,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use parlor_common::{
    conversation::ConversationKey,
    position::Position,
    shard::{Shard, Shards},
};
use parlor_log::{
    Appended, Deliveries, Entry, EventLog, Filter, LogError, LogPage, NewEntry, ShardState, Start,
    Tail, Trim,
};
use tokio::{sync::watch, time::Instant};

/// What only a cluster does to an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// The acknowledgement never comes.
    Silent,
    /// The first acknowledgement is lost, and the log tries again by itself.
    Repeated,
    /// The acknowledgement of the tenant's first append never comes; that of every other does.
    FirstSilent,
}

/// The real log behind a switch.
#[derive(Debug)]
pub struct FaultyLog {
    log: Arc<dyn EventLog>,
    shards: Shards,
    appends: HashMap<&'static str, AppendFault>,
    first_appended: AtomicBool,
    cut: watch::Sender<bool>,
    mute: watch::Sender<bool>,
    hole: AtomicBool,
    reads_nothing: AtomicBool,
    panics: Arc<AtomicBool>,
}

struct FaultyTail {
    tail: Box<dyn Tail>,
    cut: watch::Receiver<bool>,
    mute: watch::Receiver<bool>,
    panics: Arc<AtomicBool>,
}

// === impl FaultyLog ===

impl FaultyLog {
    /// A log that does what the one behind it does.
    pub fn over(log: Arc<dyn EventLog>) -> Self {
        Self {
            shards: log.shards(),
            log,
            appends: HashMap::new(),
            first_appended: AtomicBool::new(false),
            cut: watch::Sender::new(false),
            mute: watch::Sender::new(false),
            hole: AtomicBool::new(false),
            reads_nothing: AtomicBool::new(false),
            panics: Arc::default(),
        }
    }

    /// Shows so many shards, which are all in the only one of the log behind it.
    #[must_use]
    pub fn with_shards(self, shards: Shards) -> Self {
        Self { shards, ..self }
    }

    /// Fails the appends of a tenant.
    #[must_use]
    pub fn with_append_fault(mut self, tenant: &'static str, fault: AppendFault) -> Self {
        self.appends.insert(tenant, fault);
        self
    }

    /// Breaks every tail, and refuses new ones, until [`mend_tails`](Self::mend_tails).
    pub fn cut_tails(&self) {
        self.cut.send_replace(true);
    }

    /// Lets tails begin again.
    pub fn mend_tails(&self) {
        self.cut.send_replace(false);
    }

    /// Lets every tail stand, bring nothing and prove nothing, until
    /// [`unmute_tails`](Self::unmute_tails): its server has lost its cluster.
    pub fn mute_tails(&self) {
        self.mute.send_replace(true);
    }

    /// Lets tails bring what they have held back.
    pub fn unmute_tails(&self) {
        self.mute.send_replace(false);
    }

    /// Refuses the next tail that begins after a position: there is a hole before it.
    pub fn make_hole(&self) {
        self.hole.store(true, Ordering::SeqCst);
    }

    /// No page is answered from now on.
    pub fn silence_reads(&self) {
        self.reads_nothing.store(true, Ordering::SeqCst);
    }

    /// The next entry that a tail brings is a panic of its reader's.
    pub fn panic_at_next_entry(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    /// The shard of the log behind that stands for one of ours.
    fn behind(&self, shard: Shard) -> Shard {
        if self.log.shards() == Shards::ONE { Shard::ONLY } else { shard }
    }
}

#[async_trait]
#[expect(clippy::disallowed_methods, reason = "it hands on what the door appends")]
impl EventLog for FaultyLog {
    fn shards(&self) -> Shards {
        self.shards
    }

    async fn append(&self, new: &NewEntry) -> Result<Appended, LogError> {
        match self.appends.get(new.conversation.tenant.as_str()) {
            Some(AppendFault::Silent) => return pending().await,
            Some(AppendFault::Repeated) => {
                self.log.append(new).await?;
            }
            Some(AppendFault::FirstSilent) if !self.first_appended.swap(true, Ordering::SeqCst) => {
                self.log.append(new).await?;
                return pending().await;
            }
            Some(AppendFault::FirstSilent) | None => {}
        }
        self.log.append(new).await
    }

    async fn tail(&self, shard: Shard, start: Start) -> Result<Box<dyn Tail>, LogError> {
        if *self.cut.borrow() {
            return Err(cut_off());
        }
        if matches!(start, Start::After(_)) && self.hole.swap(false, Ordering::SeqCst) {
            return Err(LogError::Rejected("it begins later".to_owned()));
        }
        Ok(Box::new(FaultyTail {
            tail: self.log.tail(self.behind(shard), start).await?,
            cut: self.cut.subscribe(),
            mute: self.mute.subscribe(),
            panics: self.panics.clone(),
        }))
    }

    async fn read(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<LogPage, LogError> {
        if self.reads_nothing.load(Ordering::SeqCst) {
            return pending().await;
        }
        self.log.read(filter, after, limit).await
    }

    async fn deliveries(&self, shard: Shard, group: &str) -> Result<Box<dyn Deliveries>, LogError> {
        self.log.deliveries(self.behind(shard), group).await
    }

    async fn last(&self, conversation: &ConversationKey) -> Result<Position, LogError> {
        self.log.last(conversation).await
    }

    async fn state(&self, shard: Shard) -> Result<ShardState, LogError> {
        self.log.state(self.behind(shard)).await
    }

    async fn trim(&self, shard: Shard, trim: Trim) -> Result<u64, LogError> {
        self.log.trim(self.behind(shard), trim).await
    }
}

#[async_trait]
impl Tail for FaultyTail {
    fn after(&self) -> Position {
        self.tail.after()
    }

    async fn next(&mut self) -> Result<Entry, LogError> {
        let Self { tail, cut, mute, panics } = self;
        let unless_mute = async {
            loop {
                drop(mute.wait_for(|mute| !*mute).await);
                tokio::select! {
                    biased;
                    Ok(_) = mute.wait_for(|mute| *mute) => {}
                    entry = tail.next() => return entry,
                }
            }
        };
        tokio::select! {
            biased;
            _ = cut.wait_for(|cut| *cut) => Err(cut_off()),
            entry = unless_mute => {
                assert!(!panics.load(Ordering::SeqCst), "a fault that a test has planted");
                entry
            }
        }
    }

    fn proven(&self) -> Option<Instant> {
        if *self.mute.borrow() { None } else { self.tail.proven() }
    }
}

fn cut_off() -> LogError {
    LogError::Unavailable("cut off".to_owned())
}
