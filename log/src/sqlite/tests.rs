//! What only the file can show: durability's settings, epochs, what is kept, what cannot be opened.

#![expect(clippy::disallowed_methods, reason = "the tests are the log's own caller")]

use std::{
    fs,
    sync::atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;
use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    id::{ConversationId, EventId},
    position::Epoch,
    tenant::TenantId,
};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::{BatchLimit, PERSISTER};

/// A group beside the persister's, which need not be named.
const OTHER: &str = "other";
const MAX_AGE: Duration = Duration::from_secs(60);
const ANY: BatchLimit = BatchLimit { count: 100, bytes: 1 << 20 };

fn key() -> ConversationKey {
    ConversationKey {
        tenant: TenantId::parse("a").unwrap(),
        id: ConversationId::from_bytes([1; 16]),
    }
}

fn at(epoch: u32, sequence: u64) -> Position {
    Position::new(Epoch::new(epoch).unwrap(), sequence).unwrap()
}

fn open(folder: &Path, seen: Option<Position>) -> Result<SqliteLog, OpenError> {
    open_with(folder, seen, 1 << 30, Clock::system())
}

fn open_with(
    folder: &Path,
    seen: Option<Position>,
    max_bytes: u64,
    clock: Clock,
) -> Result<SqliteLog, OpenError> {
    let settings = SqliteLogSettings {
        max_bytes,
        max_age: MAX_AGE,
        ack_wait: Duration::from_secs(5),
        groups: vec![OTHER.to_owned()],
    };
    SqliteLog::open(folder, settings, clock, seen, Metrics::unregistered())
}

fn new(number: u8, record: Bytes) -> NewEntry {
    NewEntry::new(key(), EventId::from_bytes([number; 16]), record)
}

async fn append(log: &SqliteLog, number: u8) -> Position {
    log.append(&new(number, Bytes::from(vec![number]))).await.unwrap().position
}

async fn all_deliveries(log: &SqliteLog) -> (Box<dyn Deliveries>, Vec<crate::Delivery>) {
    deliveries_of(log, PERSISTER).await
}

async fn deliveries_of(
    log: &SqliteLog,
    group: &str,
) -> (Box<dyn Deliveries>, Vec<crate::Delivery>) {
    let mut deliveries = log.deliveries(Shard::ONLY, group).await.unwrap();
    let taken = deliveries.next(ANY, Duration::ZERO).await.unwrap();
    (deliveries, taken)
}

fn positions(deliveries: &[crate::Delivery]) -> Vec<Position> {
    deliveries.iter().map(|delivery| delivery.entry.position).collect()
}

async fn positions_after(log: &SqliteLog, after: Position) -> Vec<Position> {
    let page = log.read(&Filter::Tenant(key().tenant), after, 100).await.unwrap();
    page.entries.iter().map(|entry| entry.position).collect()
}

// === durability ===

#[test]
fn a_commit_is_fsynced_before_it_returns() {
    let folder = TempDir::new().unwrap();
    let connection =
        schema::open(&folder.path().join("log.db"), None, [PERSISTER].into_iter()).unwrap();
    let pragma = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
    };
    assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
    assert_eq!(pragma("synchronous").unwrap(), 2.into(), "2 is FULL");
}

/// The ids and places of a log that is opened again are those of its file.
#[tokio::test]
async fn what_was_appended_before_a_restart_is_found_after_it() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    for number in 1..=3 {
        append(&log, number).await;
    }
    log.close().await.unwrap();
    let log = open(folder.path(), None).unwrap();
    let again = log.append(&new(2, Bytes::new())).await.unwrap();
    assert_eq!((again.position, again.duplicate), (at(1, 2), true));
    append(&log, 4).await;
    let conversation = Filter::Conversation(key());
    for filter in [conversation, Filter::Tenant(key().tenant)] {
        let page = log.read(&filter, at(1, 1), 2).await.unwrap();
        let places: Vec<_> = page.entries.iter().map(|entry| entry.position).collect();
        assert_eq!((places, page.through), (vec![at(1, 2), at(1, 3)], at(1, 3)));
    }
}

#[test]
fn a_new_file_has_large_pages() {
    let folder = TempDir::new().unwrap();
    let connection =
        schema::open(&folder.path().join("log.db"), None, [PERSISTER].into_iter()).unwrap();
    let bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    assert_eq!(bytes, 16 << 10);
}

#[tokio::test]
async fn while_another_tool_holds_the_file_it_is_unavailable_and_then_goes_on() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    let first = append(&log, 1).await;
    let tool = Connection::open(folder.path().join("log.db")).unwrap();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = log.append(&new(2, Bytes::new())).await;
    assert!(matches!(refused, Err(LogError::Unavailable(_))), "{refused:?}");
    assert_eq!(positions_after(&log, Position::ZERO).await, [first], "reading goes on");
    tool.execute_batch("ROLLBACK").unwrap();
    assert_eq!(append(&log, 2).await, at(1, 2));
}

#[test]
fn a_full_disk_is_full_and_other_failures_are_unavailable() {
    let of = |code| failed(&rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
    assert!(matches!(of(rusqlite::ffi::SQLITE_FULL), LogError::Full(_)));
    for code in [
        rusqlite::ffi::SQLITE_IOERR_FSYNC,
        rusqlite::ffi::SQLITE_BUSY,
        rusqlite::ffi::SQLITE_CORRUPT,
    ] {
        assert!(matches!(of(code), LogError::Unavailable(_)));
    }
}

// === epochs ===

#[tokio::test]
async fn a_new_file_begins_in_the_epoch_after_what_the_store_has_seen() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    assert_eq!(append(&open(folders[0].path(), None).unwrap(), 1).await, at(1, 1));
    assert_eq!(append(&open(folders[1].path(), Some(at(4, 17))).unwrap(), 1).await, at(5, 1));
}

#[tokio::test]
async fn a_file_that_has_all_the_store_has_seen_stays_in_its_epoch() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    append(&log, 1).await;
    log.close().await.unwrap();
    let log = open(folder.path(), Some(at(1, 1))).unwrap();
    assert_eq!(append(&log, 2).await, at(1, 2));
}

#[tokio::test]
async fn what_a_store_has_lost_is_delivered_again() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    for number in 1..=3 {
        append(&log, number).await;
    }
    let (mut deliveries, taken) = all_deliveries(&log).await;
    deliveries.ack(&taken).await.unwrap();
    log.close().await.unwrap();

    let log = open(folder.path(), Some(at(1, 1))).unwrap();
    assert_eq!(log.state(Shard::ONLY).await.unwrap().persisted, at(1, 1));
    let (mut deliveries, taken) = all_deliveries(&log).await;
    let positions: Vec<_> = taken.iter().map(|delivery| delivery.entry.position).collect();
    assert_eq!(positions, [at(1, 2), at(1, 3)]);
    deliveries.ack(&taken).await.unwrap();
    assert_eq!(log.state(Shard::ONLY).await.unwrap().persisted, at(1, 3));
}

#[tokio::test]
async fn a_file_that_has_lost_its_end_goes_on_in_a_new_epoch() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    for number in 1..=3 {
        append(&log, number).await;
    }
    let (mut deliveries, taken) = all_deliveries(&log).await;
    deliveries.ack(&taken[..1]).await.unwrap();
    log.close().await.unwrap();

    // The store has seen ten, the file has three.
    let log = open(folder.path(), Some(at(1, 10))).unwrap();
    let state = log.state(Shard::ONLY).await.unwrap();
    assert_eq!((state.start, state.end, state.persisted), (at(2, 0), at(2, 0), at(1, 1)));
    assert_eq!(append(&log, 4).await, at(2, 1));
    // What was lost cannot be read around: the log starts with the epoch.
    let page = log.read(&Filter::Tenant(key().tenant), at(1, 2), 100).await.unwrap();
    assert_eq!((page.from, page.through, page.entries.len()), (at(2, 0), at(2, 1), 1));
    assert!(matches!(
        log.tail(Shard::ONLY, Start::After(at(1, 2))).await.err(),
        Some(LogError::Rejected(_))
    ));
    // But what the store may not have is still delivered, where it was.
    let (mut deliveries, taken) = all_deliveries(&log).await;
    let positions: Vec<_> = taken.iter().map(|delivery| delivery.entry.position).collect();
    assert_eq!(positions, [at(1, 2), at(1, 3), at(2, 1)]);
    deliveries.ack(&taken[..2]).await.unwrap();
    assert_eq!(log.state(Shard::ONLY).await.unwrap().persisted, at(2, 0));
    deliveries.ack(&taken[2..]).await.unwrap();
    assert_eq!(log.state(Shard::ONLY).await.unwrap().persisted, at(2, 1));
    // And an id that is kept is known, whatever its epoch.
    let again = log.append(&new(3, Bytes::new())).await.unwrap();
    assert_eq!((again.position, again.duplicate), (at(1, 3), true));
}

#[tokio::test]
async fn a_file_whose_epoch_is_empty_and_persisted_stands_at_its_start() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    append(&log, 1).await;
    let (mut deliveries, taken) = all_deliveries(&log).await;
    deliveries.ack(&taken).await.unwrap();
    log.close().await.unwrap();
    let log = open(folder.path(), Some(at(3, 1))).unwrap();
    let state = log.state(Shard::ONLY).await.unwrap();
    assert_eq!((state.start, state.end, state.persisted), (at(4, 0), at(4, 0), at(4, 0)));
    assert_eq!(state.oldest_unpersisted, None);
}

// === what is kept ===

#[tokio::test]
async fn what_is_old_is_kept_until_it_is_acknowledged() {
    let folder = TempDir::new().unwrap();
    let now = Arc::new(AtomicI64::new(1_790_000_000_000));
    let told = now.clone();
    let clock = Clock::new(move || Timestamp::from_millis(told.load(Ordering::Relaxed)));
    let log = open_with(folder.path(), None, 256 << 10, clock).unwrap();
    let big = |number: u8| {
        let log = log.clone();
        async move { log.append(&new(number, Bytes::from(vec![number; 20_000]))).await }
    };
    let mut count = 0;
    while big(count).await.is_ok() {
        count += 1;
    }
    assert!(matches!(big(count).await, Err(LogError::Full(_))));
    now.fetch_add(10 * i64::try_from(MAX_AGE.as_millis()).unwrap(), Ordering::Relaxed);
    assert!(
        matches!(big(count).await, Err(LogError::Full(_))),
        "all of it is old, and the store has none of it"
    );

    let (mut deliveries, taken) = all_deliveries(&log).await;
    assert_eq!(taken.len(), usize::from(count));
    deliveries.ack(&taken[..4]).await.unwrap();
    // The same append that finds no room makes it.
    big(count).await.unwrap();
    assert_eq!(log.state(Shard::ONLY).await.unwrap().start, taken[3].entry.position);
}

#[tokio::test]
async fn what_has_gone_to_make_room_for_an_entry_is_not_the_last_that_it_expects() {
    let folder = TempDir::new().unwrap();
    let now = Arc::new(AtomicI64::new(1_790_000_000_000));
    let told = now.clone();
    let clock = Clock::new(move || Timestamp::from_millis(told.load(Ordering::Relaxed)));
    let log = open_with(folder.path(), None, 256 << 10, clock).unwrap();
    let other = ConversationKey { id: ConversationId::from_bytes([2; 16]), ..key() };
    let big = |number: u8| new(number, Bytes::from(vec![number; 20_000]));
    let first = NewEntry { conversation: other.clone(), ..big(0) };
    let first = log.append(&first).await.unwrap().position;
    let mut count = 1;
    while log.append(&big(count)).await.is_ok() {
        count += 1;
    }
    let (mut deliveries, taken) = all_deliveries(&log).await;
    deliveries.ack(&taken[..4]).await.unwrap();
    now.fetch_add(10 * i64::try_from(MAX_AGE.as_millis()).unwrap(), Ordering::Relaxed);

    // What it expects is there until room is made for it, in the same transaction.
    let expecting = |number: u8, last| NewEntry {
        conversation: other.clone(),
        expected: Some(last),
        ..big(number)
    };
    let refused = log.append(&expecting(count, first)).await;
    assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    assert_eq!(log.state(Shard::ONLY).await.unwrap().start, taken[3].entry.position);
    let taken = log.append(&expecting(count, Position::ZERO)).await.unwrap();
    assert!(!taken.duplicate && taken.position > first);
}

#[tokio::test]
async fn a_dead_letter_is_kept_with_its_reason() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    append(&log, 7).await;
    let (mut deliveries, taken) = all_deliveries(&log).await;
    deliveries.dead_letter(&taken[0], "it is no record").await.unwrap();
    log.close().await.unwrap();
    let file = Connection::open(folder.path().join("log.db")).unwrap();
    let kept: (i64, String, Vec<u8>) = file
        .query_row("SELECT position, reason, record FROM dead_letters", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(kept, (at(1, 1).as_i64(), "it is no record".to_owned(), vec![7]));
}

#[tokio::test]
async fn a_group_that_stands_still_does_not_keep_what_is_old_and_persisted() {
    let folder = TempDir::new().unwrap();
    let now = Arc::new(AtomicI64::new(1_790_000_000_000));
    let told = now.clone();
    let clock = Clock::new(move || Timestamp::from_millis(told.load(Ordering::Relaxed)));
    let log = open_with(folder.path(), None, 1 << 30, clock).unwrap();
    for number in 1..=3 {
        append(&log, number).await;
    }
    let (mut deliveries, taken) = all_deliveries(&log).await;
    deliveries.ack(&taken).await.unwrap();
    now.fetch_add(10 * i64::try_from(MAX_AGE.as_millis()).unwrap(), Ordering::Relaxed);
    let began = Instant::now();
    while log.state(Shard::ONLY).await.unwrap().start < at(1, 2) {
        assert!(began.elapsed() < Duration::from_secs(20), "it was not forgotten");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, taken) = deliveries_of(&log, OTHER).await;
    assert_eq!(positions(&taken), [at(1, 3)], "the last entry is always kept");
}

// === groups ===

#[tokio::test]
async fn a_group_that_is_added_begins_with_the_oldest_entry() {
    let folder = TempDir::new().unwrap();
    let settings = |groups: &[&str]| SqliteLogSettings {
        max_bytes: 1 << 30,
        max_age: MAX_AGE,
        ack_wait: Duration::from_secs(5),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
    };
    let open = |groups: &[&str]| {
        let metrics = Metrics::unregistered();
        SqliteLog::open(folder.path(), settings(groups), Clock::system(), None, metrics)
    };
    let log = open(&[]).unwrap();
    append(&log, 1).await;
    append(&log, 2).await;
    let (mut deliveries, taken) = all_deliveries(&log).await;
    deliveries.ack(&taken).await.unwrap();
    assert!(log.deliveries(Shard::ONLY, "webhooks").await.is_err());
    log.close().await.unwrap();

    let log = open(&["webhooks"]).unwrap();
    let (mut deliveries, taken) = deliveries_of(&log, "webhooks").await;
    assert_eq!(positions(&taken), [at(1, 1), at(1, 2)]);
    deliveries.ack(&taken[..1]).await.unwrap();
    log.close().await.unwrap();

    // A group that is not named is refused and keeps its progress until it is named again.
    let log = open(&[]).unwrap();
    assert!(log.deliveries(Shard::ONLY, "webhooks").await.is_err());
    log.close().await.unwrap();
    let log = open(&["webhooks"]).unwrap();
    assert_eq!(positions(&deliveries_of(&log, "webhooks").await.1), [at(1, 2)]);
    log.close().await.unwrap();

    let error = open(&["web hooks"]).unwrap_err().to_string();
    assert_eq!(error, "embedded.log.groups: \"web hooks\" cannot be a group's name");
}

#[tokio::test]
async fn groups_that_have_acknowledged_more_than_the_log_has_go_on_at_its_end() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    append(&log, 1).await;
    log.close().await.unwrap();
    let file = Connection::open(folder.path().join("log.db")).unwrap();
    file.execute("UPDATE consumer_groups SET acked_through = ?1", [at(1, 9).as_i64()]).unwrap();
    drop(file);

    let log = open(folder.path(), None).unwrap();
    assert_eq!(log.state(Shard::ONLY).await.unwrap().persisted, at(1, 1));
    append(&log, 2).await;
    for group in [PERSISTER, OTHER] {
        assert_eq!(positions(&deliveries_of(&log, group).await.1), [at(1, 2)], "{group}");
    }
}

/// A file as layout 1 had it: three entries, the first persisted, the third acknowledged, and the
/// second set aside by an earlier life.
const LAYOUT_1: &str = "
    CREATE TABLE entries (
        position INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        tenant TEXT NOT NULL,
        conversation BLOB NOT NULL,
        stored_at INTEGER NOT NULL,
        record BLOB NOT NULL
    );
    CREATE INDEX entries_by_tenant ON entries (tenant);
    CREATE INDEX entries_by_conversation ON entries (tenant, conversation);
    CREATE TABLE acked (position INTEGER PRIMARY KEY);
    CREATE TABLE set_aside (
        position INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        tenant TEXT NOT NULL,
        conversation BLOB NOT NULL,
        stored_at INTEGER NOT NULL,
        set_aside_at INTEGER NOT NULL,
        reason TEXT NOT NULL,
        record BLOB NOT NULL
    );
    CREATE TABLE standing (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        epoch_start INTEGER NOT NULL,
        persisted INTEGER NOT NULL
    );
    PRAGMA journal_mode = wal;
    PRAGMA application_id = 0x504c6f67;
    PRAGMA user_version = 1;
";

#[tokio::test]
async fn a_file_of_layout_1_keeps_its_entries_progress_and_dead_letters() {
    let folder = TempDir::new().unwrap();
    let file = Connection::open(folder.path().join("log.db")).unwrap();
    file.execute_batch(LAYOUT_1).unwrap();
    for number in 1..=4_u8 {
        file.execute(
            "INSERT INTO entries VALUES (?1, ?2, 'a', ?3, 1790000000000, ?4)",
            (at(2, number.into()).as_i64(), [number; 16], [1_u8; 16], [number]),
        )
        .unwrap();
    }
    file.execute("INSERT INTO standing VALUES (1, ?1, ?2)", (at(2, 0).as_i64(), at(2, 1).as_i64()))
        .unwrap();
    file.execute("INSERT INTO acked VALUES (?1)", [at(2, 3).as_i64()]).unwrap();
    file.execute(
        "INSERT INTO set_aside VALUES (?1, x'02', 'a', x'01', 5, 6, 'it is no record', x'07')",
        [at(1, 8).as_i64()],
    )
    .unwrap();
    drop(file);

    let log = open(folder.path(), Some(at(2, 3))).unwrap();
    let state = log.state(Shard::ONLY).await.unwrap();
    assert_eq!((state.start, state.end, state.persisted), (at(2, 0), at(2, 4), at(2, 1)));
    let (mut deliveries, taken) = all_deliveries(&log).await;
    assert_eq!(positions(&taken), [at(2, 2), at(2, 4)]);
    deliveries.ack(&taken[..1]).await.unwrap();
    assert_eq!(log.state(Shard::ONLY).await.unwrap().persisted, at(2, 3));
    assert_eq!(positions(&deliveries_of(&log, OTHER).await.1).len(), 4, "a new group has it all");
    let again = log.append(&new(4, Bytes::new())).await.unwrap();
    assert_eq!((again.position, again.duplicate), (at(2, 4), true));
    assert_eq!(append(&log, 5).await, at(2, 5));
    let all: Vec<_> = (1..=5).map(|sequence| at(2, sequence)).collect();
    assert_eq!(positions_after(&log, at(2, 0)).await, all);
    log.close().await.unwrap();

    let file = Connection::open(folder.path().join("log.db")).unwrap();
    let kept: (String, i64, i64, String, Vec<u8>) = file
        .query_row(
            "SELECT consumer_group, position, dead_at, reason, record FROM dead_letters",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )
        .unwrap();
    let number = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("PRAGMA page_size"), 16 << 10);
    assert_eq!(number("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'entries_%'"), 0);
    let reason = "it is no record".to_owned();
    assert_eq!(kept, (PERSISTER.to_owned(), at(1, 8).as_i64(), 6, reason, vec![7]));
    drop(file);
    assert_eq!(append(&open(folder.path(), None).unwrap(), 6).await, at(2, 6), "once is enough");
}

// === opening and closing ===

#[tokio::test]
async fn a_closed_log_is_unavailable_and_its_readers_end() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    let mut tail = log.tail(Shard::ONLY, Start::End).await.unwrap();
    let mut deliveries = log.deliveries(Shard::ONLY, PERSISTER).await.unwrap();
    let position = append(&log, 1).await;
    log.close().await.unwrap();
    let wal = fs::metadata(folder.path().join("log.db-wal"));
    assert_eq!(wal.map_or(0, |wal| wal.len()), 0, "the WAL was moved into the file");
    // What was committed before is still told.
    assert_eq!(tail.next().await.unwrap().position, position);
    assert!(matches!(tail.next().await, Err(LogError::Unavailable(_))));
    assert_eq!(deliveries.next(ANY, Duration::ZERO).await.unwrap().len(), 1);
    assert!(matches!(deliveries.next(ANY, Duration::ZERO).await, Err(LogError::Unavailable(_))));
    assert!(matches!(log.state(Shard::ONLY).await, Err(LogError::Unavailable(_))));
    let refused = log.append(&new(2, Bytes::new())).await;
    assert!(matches!(refused, Err(LogError::Unavailable(_))));
    assert_eq!(
        positions_after(&open(folder.path(), None).unwrap(), Position::ZERO).await,
        [position]
    );
}

#[tokio::test]
async fn a_folder_that_is_open_is_refused() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), None).unwrap();
    let error = open(folder.path(), None).unwrap_err();
    assert!(error.to_string().contains("is open in another process"), "{error}");
    drop(log);
}

#[test]
fn what_is_no_log_is_refused_with_a_sentence_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("log.db");
    let refusal = || open(folder.path(), None).unwrap_err().to_string();

    fs::write(&path, "not a database, but long enough to be looked at as one ".repeat(40)).unwrap();
    assert!(refusal().ends_with("log.db is not an embedded log of Parlor"), "{}", refusal());
    assert!(fs::read(&path).unwrap().starts_with(b"not a database"));

    fs::remove_file(&path).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE entries (a); PRAGMA user_version = 1")
        .unwrap();
    assert!(refusal().ends_with("log.db is not an embedded log of Parlor"), "{}", refusal());

    fs::remove_file(&path).unwrap();
    drop(schema::open(&path, None, [PERSISTER].into_iter()).unwrap());
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 9").unwrap();
    assert!(
        refusal().ends_with("log.db has layout 9, which is newer than this program's layout 4"),
        "{}",
        refusal()
    );

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(refusal().contains("log.db cannot be opened"), "{}", refusal());
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_with_a_sentence() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file.join("log"), None).unwrap_err().to_string();
    assert!(error.contains("of the embedded log cannot be used: "), "{error}");
}

// === restores ===

/// A copy of the whole folder, as a backup is.
fn copy_of(folder: &TempDir) -> TempDir {
    let copy = TempDir::new().unwrap();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

#[tokio::test]
async fn a_copy_goes_on_in_a_new_epoch_and_each_copy_in_another_incarnation() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), Some(Position::ZERO)).unwrap();
    for number in 1..=3 {
        append(&log, number).await;
    }
    assert!(log.incarnation().is_empty());
    log.close().await.unwrap();
    let copies = [copy_of(&folder), copy_of(&folder)];

    // The file itself is opened again and again, and stays what it was.
    for _ in 0..2 {
        let log = open(folder.path(), Some(at(1, 3))).unwrap();
        assert_eq!(log.state(Shard::ONLY).await.unwrap().end, at(1, 3));
        assert!(log.incarnation().is_empty());
        log.close().await.unwrap();
    }
    let mut incarnations = Vec::new();
    for copy in &copies {
        let log = open(copy.path(), Some(at(1, 3))).unwrap();
        let refused = log.tail(Shard::ONLY, Start::After(at(1, 2))).await;
        assert!(matches!(refused, Err(LogError::Rejected(_))), "its position may mean another");
        let (_, taken) = all_deliveries(&log).await;
        assert_eq!(positions(&taken), [at(1, 1), at(1, 2), at(1, 3)], "all of it is stored still");
        assert_eq!(append(&log, 4).await, at(2, 1));
        incarnations.push(log.incarnation().to_vec());
        log.close().await.unwrap();
        // Opened again it is no copy any more.
        let log = open(copy.path(), None).unwrap();
        assert_eq!(log.incarnation(), incarnations.last().unwrap());
        assert_eq!(append(&log, 5).await, at(2, 2));
        log.close().await.unwrap();
    }
    assert_eq!(incarnations[0].len(), 16);
    assert_ne!(incarnations[0], incarnations[1]);
}

#[tokio::test]
async fn a_log_that_is_renewed_goes_on_above_all_it_has_seen() {
    let folder = TempDir::new().unwrap();
    let log = open(folder.path(), Some(Position::ZERO)).unwrap();
    append(&log, 1).await;
    log.close().await.unwrap();
    let settings = SqliteLogSettings {
        max_bytes: 1 << 30,
        max_age: MAX_AGE,
        ack_wait: Duration::from_secs(5),
        groups: Vec::new(),
    };
    assert_eq!(
        SqliteLog::renew(folder.path(), &settings, Some(at(1, 1))).unwrap(),
        at(2, 1).epoch()
    );
    assert_eq!(
        SqliteLog::renew(folder.path(), &settings, Some(at(4, 0))).unwrap(),
        at(6, 1).epoch()
    );
    let log = open(folder.path(), None).unwrap();
    assert_eq!(log.incarnation().len(), 16);
    assert_eq!(append(&log, 2).await, at(6, 1));
    log.close().await.unwrap();
}
