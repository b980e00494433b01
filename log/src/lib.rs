//! The event log: one trait, embedded (SQLite) and JetStream implementations, and the suite both
//! pass.
//!
//! The trait's documentation is its specification; `log/tests/suite` holds each obligation against
//! both implementations.

pub mod consumer;
mod error;
pub mod jetstream;
mod metrics;
pub mod monitor;
pub mod sqlite;

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    id::EventId,
    position::Position,
    shard::{Shard, Shards},
    tenant::TenantId,
};
use tokio::time::Instant;

pub use self::{error::LogError, metrics::Metrics};

/// The group whose progress is the persister's, and so the persisted position of a shard.
pub const PERSISTER: &str = "persister";

/// The shortest that an entry is kept: the duplicate window of 120 s, and what two clocks may be
/// apart. JetStream makes its window anew from the stream when a server starts, so that the id of
/// an entry that went is taken again.
pub const MIN_KEEP: Duration = Duration::from_secs(180);

/// Whether every log takes `name` for a group's: up to 32 of `[A-Za-z0-9_-]`.
pub(crate) fn is_group_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(plain)
}

/// An ordered, replayable log of events, split into shards by tenant.
#[async_trait]
pub trait EventLog: Debug + Send + Sync + 'static {
    /// How many shards it has; the same for as long as the process lives.
    fn shards(&self) -> Shards;

    /// Commits an entry at the end of its tenant's shard and returns its position.
    ///
    /// An append that returns `Ok` **must** survive whatever the implementation promises to
    /// survive. The same `id` again in the same shard within the window (120 s at least) **must**
    /// change nothing and return the first position with `duplicate` set; `duplicate` may also be
    /// set where only a retry of this very call met its own first attempt. Appends of one caller
    /// that wait for each other get rising positions.
    ///
    /// An entry that says where the last one of its conversation is
    /// [`expected`](NewEntry::expected) **must** be committed only where that holds in the moment
    /// of the commit: of several that expect the same place, one at most is. The id comes before
    /// the expectation: an entry of the conversation that has the same id is answered as its
    /// duplicate, whatever is expected, so that who repeats an append that had no answer finds the
    /// own entry, and no conflict with it.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] after 12 s at most, when nobody can tell whether it was committed:
    /// append again with the same id. [`LogError::Full`] at once when the log's bound is reached
    /// and nothing was committed. [`LogError::Conflict`] when what was expected does not hold and
    /// nothing was committed. [`LogError::Rejected`] when it will never be taken.
    ///
    /// # Cancel safety
    /// Not cancel safe: after a drop the record may be committed or not; append again with the same
    /// id.
    async fn append(&self, new: &NewEntry) -> Result<Appended, LogError>;

    /// How many records of one caller it commits together; more would be appended one after the
    /// other.
    fn run_length(&self) -> usize {
        1
    }

    /// Appends a run of one caller's records in their order, each as [`append`](Self::append) does.
    ///
    /// Nothing that follows one that is not committed **may** be committed: it has no answer, so
    /// that the answers may be fewer than the records. Nobody can tell what became of those after
    /// a [`LogError::Unavailable`], except that they kept their order. What an entry of the run
    /// expects is compared with what lies before it in the log, the run's earlier ones included.
    ///
    /// # Cancel safety
    /// Not cancel safe, as `append` is not.
    async fn append_run(&self, run: &[NewEntry]) -> Vec<Result<Appended, LogError>> {
        let mut answers = Vec::new();
        for new in run {
            #[expect(clippy::disallowed_methods, reason = "it is what the door appends")]
            let answer = self.append(new).await;
            let ends = answer.is_err();
            answers.push(answer);
            if ends {
                break;
            }
        }
        answers
    }

    /// Live reading of a shard from `start`: unacknowledged, in order, without holes.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]; [`LogError::Rejected`] where `start` lies in another epoch, ahead
    /// of the end, or before the log's start, so that it cannot be read without a hole.
    async fn tail(&self, shard: Shard, start: Start) -> Result<Box<dyn Tail>, LogError>;

    /// One page of `filter`'s events after `after`, in order, `limit` (1 or more) at most.
    ///
    /// The page **must** hold everything between its `from` and its `through`; unless the page is
    /// full, `through` **must** lie at or after every event that was acknowledged, anywhere, before
    /// the call. `from` is `after`, or the log's start where `after` lies before it (as every
    /// position of an older epoch does).
    ///
    /// # Errors
    /// [`LogError::Unavailable`], also when that much cannot be proven; [`LogError::Rejected`]
    /// where `after` is ahead of the end as the leader knows it, or of a later epoch.
    async fn read(
        &self,
        filter: &Filter,
        after: Position,
        limit: usize,
    ) -> Result<LogPage, LogError>;

    /// Acknowledged reading of a shard that shares `group`'s progress with the group's other
    /// readers. What a reader leaves unacknowledged comes again, to any of them, after the
    /// acknowledgement wait (seconds).
    ///
    /// # Errors
    /// [`LogError::Unavailable`]; [`LogError::Rejected`] for a group that was not provisioned.
    async fn deliveries(&self, shard: Shard, group: &str) -> Result<Box<dyn Deliveries>, LogError>;

    /// Where the last entry of a conversation is: what an append may expect
    /// ([`NewEntry::expected`]). [`Position::ZERO`] where the log holds none of it.
    ///
    /// # Errors
    /// [`LogError::Unavailable`].
    async fn last(&self, conversation: &ConversationKey) -> Result<Position, LogError>;

    /// How things stand in a shard.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]; [`LogError::Rejected`] where the shard is no longer what it was
    /// at start (deleted, or made anew).
    async fn state(&self, shard: Shard) -> Result<ShardState, LogError>;

    /// Lets go of the oldest entries of a shard, whatever their age allows, until it holds
    /// [`Trim::down_to`] bytes or nothing more may go; returns how many went. What an entry takes
    /// is known by about a tenth of the shard, so that somewhat more may go.
    ///
    /// The entries that went **must** all be at or before [`Trim::through`], acknowledged by every
    /// group, and older than [`Trim::keep`] and than [`MIN_KEEP`]. The last entry stays. Positions
    /// go on as before, and a tail or page that would have to show what went says so.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: some may have gone; [`LogError::Rejected`] as for
    /// [`state`](Self::state).
    async fn trim(&self, shard: Shard, trim: Trim) -> Result<u64, LogError>;
}

/// Live reading of one shard. Dropping it ends the reading.
#[async_trait]
pub trait Tail: Send {
    /// The position it started after: everything later comes, or the tail ends with an error.
    fn after(&self) -> Position;

    /// The next entry, however long that takes.
    ///
    /// # Errors
    /// Any error ends the tail: the reader makes a new one after the last position it got. A tail
    /// **must not** be silent for longer than 5 s about a connection that is gone.
    ///
    /// # Cancel safety
    /// Cancel safe: after a drop no entry is lost.
    async fn next(&mut self) -> Result<Entry, LogError>;

    /// The latest moment up to which the reader is proven to have everything: whatever was
    /// acknowledged before it, anywhere, has been returned by [`next`](Self::next). `None` before
    /// the first proof.
    ///
    /// While the reader calls [`next`](Self::next), a tail **must** prove itself every few seconds
    /// by what the shard's leader says, and **must not** be proven by anything else: not by a
    /// heartbeat, and not by silence.
    fn proven(&self) -> Option<Instant>;
}

/// Acknowledged reading of one shard. Dropping it leaves what was not acknowledged to the group's
/// other readers.
#[async_trait]
pub trait Deliveries: Send {
    /// Waits for a first delivery, then takes what is there, until `limit` is reached or `linger`
    /// has passed.
    ///
    /// May return nothing after a while in which nothing came. An entry that is not one of ours (a
    /// foreign subject) becomes a dead letter by itself and is not returned.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: call again. [`LogError::Rejected`]: the group or shard is gone.
    ///
    /// # Cancel safety
    /// Not cancel safe, but nothing is lost by a drop: what was taken comes again.
    async fn next(
        &mut self,
        limit: BatchLimit,
        linger: Duration,
    ) -> Result<Vec<Delivery>, LogError>;

    /// Says that these are kept: each by itself, never "all up to here". An acknowledgement that
    /// gets lost makes the delivery come again.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: they will come again.
    async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), LogError>;

    /// Asks for another acknowledgement wait for these, while keeping them takes long.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: they may come again.
    async fn progress(&mut self, deliveries: &[Delivery]) -> Result<(), LogError>;

    /// Makes a dead letter of what can never be kept: it stays, with the reason, in a durable place
    /// for an operator, and is acknowledged.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: it will come again.
    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), LogError>;
}

/// What is to be appended.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Whose it is.
    pub conversation: ConversationKey,
    /// What it is known by.
    pub id: EventId,
    /// Its bytes.
    pub record: Bytes,
    /// Where the last entry of the conversation must lie for this one to be appended; `None` where
    /// that does not matter. [`Position::ZERO`], in any epoch, where the log must hold no entry of
    /// it, be it that there never was one or that the last has gone for its age; every other
    /// position must be that of an entry, in the epoch of the log.
    pub expected: Option<Position>,
}

/// What an append came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The position of the record that has this id.
    pub position: Position,
    /// Whether it was there before.
    pub duplicate: bool,
}

/// Where a tail starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what is appended from now on.
    End,
    /// With the first event after this position.
    After(Position),
}

/// Whose events a read is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// One conversation's.
    Conversation(ConversationKey),
    /// All of a tenant's.
    Tenant(TenantId),
}

/// A record read back from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub conversation: ConversationKey,
    /// Its place in the shard.
    pub position: Position,
    /// When the log stored it, by the log's clock.
    pub stored_at: Timestamp,
    /// The bytes that were appended.
    pub record: Bytes,
}

/// A bounded part of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    /// What was found, in order.
    pub entries: Vec<Entry>,
    /// The page is complete after this position; later than what was asked for where the log starts
    /// later.
    pub from: Position,
    /// The page is complete up to and including this position.
    pub through: Position,
}

/// An entry that waits for its acknowledgement.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What is delivered.
    pub entry: Entry,
    /// By what the implementation knows the delivery.
    pub token: String,
    /// How often it was delivered, this time included.
    pub attempt: u64,
}

/// How much one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimit {
    /// Deliveries, 1 or more.
    pub count: usize,
    /// Bytes of their records; one delivery may exceed it alone.
    pub bytes: usize,
}

/// What may go of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// Nothing after this position.
    pub through: Position,
    /// Nothing more once the shard holds so many bytes.
    pub down_to: u64,
    /// Nothing younger than this.
    pub keep: Duration,
}

/// How things stand in a shard, as its leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardState {
    /// Everything after this position is in the log.
    pub start: Position,
    /// The last position that was given, or the epoch's start; its epoch is the shard's.
    pub end: Position,
    /// The group [`PERSISTER`] has acknowledged everything up to here.
    pub persisted: Position,
    /// When the first event after `persisted` was stored; `None` where there is none.
    pub oldest_unpersisted: Option<Timestamp>,
    /// How long the log keeps an event; `None` for ever.
    pub max_age: Option<Duration>,
    /// What it holds, as its bound counts it.
    pub used_bytes: u64,
    /// Its bound; `None` where it has none.
    pub max_bytes: Option<u64>,
    /// The time by the log's clock.
    pub time: Timestamp,
}

// === impl NewEntry ===

impl NewEntry {
    /// One that is appended wherever its conversation ends.
    pub const fn new(conversation: ConversationKey, id: EventId, record: Bytes) -> Self {
        Self { conversation, id, record, expected: None }
    }
}

// === impl Trim ===

impl Trim {
    /// What was stored at this time or later stays, where it is `now`.
    pub(crate) fn keeps_from(&self, now: Timestamp) -> Timestamp {
        now.minus(self.keep.max(MIN_KEEP))
    }
}

// === impl Filter ===

impl Filter {
    /// Whose it is.
    pub const fn tenant(&self) -> &TenantId {
        match self {
            Self::Conversation(key) => &key.tenant,
            Self::Tenant(tenant) => tenant,
        }
    }

    /// Whether an event of `key` passes.
    pub fn passes(&self, key: &ConversationKey) -> bool {
        match self {
            Self::Conversation(wanted) => wanted == key,
            Self::Tenant(tenant) => *tenant == key.tenant,
        }
    }
}
