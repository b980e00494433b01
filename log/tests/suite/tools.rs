//! What the obligations are written with.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parlor_common::{
    conversation::ConversationKey,
    id::{ConversationId, EventId},
    position::Position,
    shard::Shard,
    tenant::TenantId,
};
use parlor_log::{
    Appended, BatchLimit, Deliveries, Delivery, Entry, EventLog, LogError, NewEntry, PERSISTER,
    Start, Tail,
};

pub(crate) use parlor_testbed::wait::{until, within};

/// A group beside the persister's.
pub(crate) const SECOND_GROUP: &str = "second";

/// A batch that takes whatever there is.
pub(crate) const ANY: BatchLimit = BatchLimit { count: 1000, bytes: 1 << 20 };

/// How long the tests let a batch wait to be filled.
pub(crate) const LINGER: Duration = Duration::from_millis(20);

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("shop.example").unwrap()
}

/// A conversation of [`tenant`].
pub(crate) fn conversation(number: u8) -> ConversationKey {
    ConversationKey { tenant: tenant(), id: ConversationId::from_bytes([number; 16]) }
}

/// The shard that [`tenant`] lives in.
pub(crate) fn shard(log: &Arc<dyn EventLog>) -> Shard {
    log.shards().of(&tenant())
}

/// An id that no other append of this test binary has.
pub(crate) fn id() -> EventId {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    EventId::from_bytes((u128::from(std::process::id()) << 64 | u128::from(number)).to_be_bytes())
}

#[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike, without a sign of it")]
pub(crate) fn record(text: impl ToString) -> Bytes {
    text.to_string().into()
}

/// Appends to [`conversation`] 1 under an id of its own.
pub(crate) async fn append(log: &Arc<dyn EventLog>, text: impl ToString) -> Position {
    append_to(log, 1, text).await
}

/// Appends to a conversation under an id of its own.
pub(crate) async fn append_to(
    log: &Arc<dyn EventLog>,
    number: u8,
    text: impl ToString,
) -> Position {
    let appended = try_append(log, &conversation(number), &id(), record(text)).await.unwrap();
    assert!(!appended.duplicate || log.shards().count() > 1, "nobody had this id before");
    appended.position
}

#[expect(clippy::disallowed_methods, reason = "the suite is the log's own caller")]
pub(crate) async fn try_append(
    log: &Arc<dyn EventLog>,
    conversation: &ConversationKey,
    id: &EventId,
    record: Bytes,
) -> Result<Appended, LogError> {
    let new = NewEntry::new(conversation.clone(), *id, record);
    within("an append", log.append(&new)).await
}

/// Appends where the last entry of the conversation is expected there.
#[expect(clippy::disallowed_methods, reason = "the suite is the log's own caller")]
pub(crate) async fn try_append_after(
    log: &Arc<dyn EventLog>,
    conversation: &ConversationKey,
    (id, expected): (&EventId, Position),
    record: Bytes,
) -> Result<Appended, LogError> {
    let new = NewEntry::new(conversation.clone(), *id, record);
    within("an append", log.append(&NewEntry { expected: Some(expected), ..new })).await
}

#[expect(clippy::disallowed_methods, reason = "the suite is the log's own caller")]
pub(crate) async fn try_append_run(
    log: &Arc<dyn EventLog>,
    run: &[NewEntry],
) -> Vec<Result<Appended, LogError>> {
    within("a run", log.append_run(run)).await
}

/// Appends `count` entries from each of `writers` tasks at once, each task to a conversation of its
/// own; returns what each was told, in its order.
pub(crate) async fn append_from_many(
    log: &Arc<dyn EventLog>,
    writers: u8,
    count: usize,
) -> Vec<Vec<(Position, Bytes)>> {
    let write = |writer: u8| {
        let log = log.clone();
        async move {
            let mut told = Vec::new();
            for number in 0..count {
                let record = record(format!("{writer}/{number}"));
                let appended =
                    try_append(&log, &conversation(writer), &id(), record.clone()).await.unwrap();
                told.push((appended.position, record));
            }
            told
        }
    };
    within("many appends", futures_util::future::join_all((1..=writers).map(write))).await
}

/// Everything the writers were told, by position.
pub(crate) fn in_order(told: Vec<Vec<(Position, Bytes)>>) -> Vec<(Position, Bytes)> {
    let mut all: Vec<_> = told.into_iter().flatten().collect();
    all.sort();
    all
}

/// What an entry was told to be when it was appended.
pub(crate) fn told(entry: &Entry) -> (Position, Bytes) {
    (entry.position, entry.record.clone())
}

pub(crate) fn positions(entries: &[Entry]) -> Vec<Position> {
    entries.iter().map(|entry| entry.position).collect()
}

pub(crate) async fn tail(log: &Arc<dyn EventLog>, start: Start) -> Box<dyn Tail> {
    within("a tail", log.tail(shard(log), start)).await.unwrap()
}

/// The next `count` entries of a tail.
pub(crate) async fn follow(tail: &mut Box<dyn Tail>, count: usize) -> Vec<Entry> {
    let mut entries = Vec::new();
    while entries.len() < count {
        entries.push(within("an entry", tail.next()).await.unwrap());
    }
    entries
}

pub(crate) async fn deliveries(log: &Arc<dyn EventLog>) -> Box<dyn Deliveries> {
    deliveries_of(log, PERSISTER).await
}

pub(crate) async fn deliveries_of(log: &Arc<dyn EventLog>, group: &str) -> Box<dyn Deliveries> {
    within("deliveries", log.deliveries(shard(log), group)).await.unwrap()
}

/// Takes batches until `count` deliveries are there; they are ordered by position.
pub(crate) async fn take(deliveries: &mut Box<dyn Deliveries>, count: usize) -> Vec<Delivery> {
    let taken = async {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.extend(deliveries.next(ANY, LINGER).await.unwrap());
        }
        taken
    };
    let mut taken = within("deliveries", taken).await;
    taken.sort_by_key(|delivery| delivery.entry.position);
    taken
}

/// Takes what there is until one batch comes back empty.
pub(crate) async fn take_all(deliveries: &mut Box<dyn Deliveries>) -> Vec<Delivery> {
    let mut all = Vec::new();
    loop {
        let batch = within("a batch", deliveries.next(ANY, LINGER)).await.unwrap();
        if batch.is_empty() {
            return all;
        }
        all.extend(batch);
    }
}

/// Takes and acknowledges `count` entries.
pub(crate) async fn persist(log: &Arc<dyn EventLog>, count: usize) {
    let mut deliveries = deliveries(log).await;
    let taken = take(&mut deliveries, count).await;
    within("acks", deliveries.ack(&taken)).await.unwrap();
    let last = taken.last().unwrap().entry.position;
    until("everything is persisted", async || persisted(log).await >= last).await;
}

pub(crate) async fn persisted(log: &Arc<dyn EventLog>) -> Position {
    within("a state", log.state(shard(log))).await.unwrap().persisted
}

pub(crate) async fn end(log: &Arc<dyn EventLog>) -> Position {
    within("a state", log.state(shard(log))).await.unwrap().end
}

/// A position of the same epoch, `by` later.
pub(crate) fn ahead(position: Position, by: u64) -> Position {
    Position::new(position.epoch(), position.sequence() + by).unwrap()
}
