//! Tests in which a process of its own has the log: it is killed, or loses its disk.
//!
//! Such a process is this test binary again, told by its environment what to do.

#![expect(
    clippy::disallowed_methods,
    reason = "a child process learns from its environment what it is for"
)]

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use parlor_common::{id::EventId, position::Position};
use parlor_log::{EventLog, Filter, LogError, Start, sqlite::OpenError};
use parlor_testbed::disk;

use super::Sqlite;
use crate::suite::{
    Bounds, outage,
    tools::{
        append_to, conversation, end, follow, id, positions, record, tail, tenant, try_append,
    },
};

/// Names the folder of the log to a child.
const FOLDER: &str = "PARLOR_TEST_LOG_FOLDER";
const WRITERS: u8 = 4;
/// How many acknowledged appends a child survives, in each of its lives.
const LIFE: usize = 400;

// === killed ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_kill_is_there_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(Position, EventId, String)> = Vec::new();
    for life in 0..3 {
        let told = live_and_die(folder.path());
        assert!(told.len() >= LIFE, "life {life} acknowledged {}", told.len());
        acknowledged.extend(told);

        let reopened = open(folder.path());
        let log: Arc<dyn EventLog> = Arc::new(reopened.clone());
        acknowledged.sort();
        assert!(
            acknowledged.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "no position was given twice"
        );
        let last = end(&log).await;
        let start = last.epoch().start();
        // A kill may leave some that were committed and whose acknowledgement nobody heard.
        let count = usize::try_from(last.sequence()).unwrap();
        assert!(count >= acknowledged.len());
        let entries = follow(&mut tail(&log, Start::After(start)).await, count).await;
        assert!(entries.windows(2).all(|pair| pair[0].position < pair[1].position));
        for (position, _, text) in &acknowledged {
            let entry = &entries[usize::try_from(position.sequence()).unwrap() - 1];
            assert_eq!((entry.position, &entry.record), (*position, &record(text)));
        }
        let page = log.read(&Filter::Tenant(tenant()), start, usize::MAX).await.unwrap();
        assert_eq!(page.entries, entries, "the index agrees with the table");

        let (position, id, text) = &acknowledged[acknowledged.len() / 2];
        let again = try_append(&log, &conversation(1), id, record(text)).await.unwrap();
        assert_eq!((again.position, again.duplicate), (*position, true));
        reopened.close().await.unwrap();
    }
}

/// Starts a child that appends, kills it in the middle, and returns what it was told.
fn live_and_die(folder: &Path) -> Vec<(Position, EventId, String)> {
    let mut child = this_test("appends_until_it_is_killed")
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.len() < LIFE {
        let line = lines.next().expect("the child lives until it is killed").unwrap();
        told.extend(acknowledgement(&line));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it was told between our count and its death counts as well; its last line may be cut
    // short.
    told.extend(lines.map_while(Result::ok).filter_map(|line| acknowledgement(&line)));
    told
}

/// `acknowledged <position> <id> <text> .`
fn acknowledgement(line: &str) -> Option<(Position, EventId, String)> {
    // The first line may follow the test's name.
    let mut words = line[line.find("acknowledged ")?..].split(' ').skip(1);
    let position = Position::from_u64(words.next()?.parse().ok()?)?;
    let (id, text) = (EventId::parse(words.next()?).ok()?, words.next()?.to_owned());
    (words.next() == Some(".")).then_some((position, id, text))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the child of what_was_acknowledged_before_a_kill_is_there_in_order, and runs \
    until it is killed"]
async fn appends_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let log: Arc<dyn EventLog> = Arc::new(open(&PathBuf::from(folder)));
    let append = |writer: u8| {
        let log = log.clone();
        async move {
            for number in 0_u64.. {
                let (id, text) = (id(), format!("{writer}/{number}"));
                let appended =
                    try_append(&log, &conversation(writer), &id, record(&text)).await.unwrap();
                let line = format!("acknowledged {} {id} {text} .\n", appended.position.as_u64());
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        }
    };
    futures_util::future::join_all((1..=WRITERS).map(append)).await;
}

#[tokio::test]
async fn a_folder_that_another_process_has_is_refused_until_that_dies() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = this_test("appends_until_it_is_killed")
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| acknowledgement(&line.unwrap()).is_some()));
    let error = try_open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Held(_)));
    assert!(error.to_string().ends_with("is open in another process"), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    let log: Arc<dyn EventLog> = Arc::new(open(folder.path()));
    append_to(&log, 9, "the folder is free").await;
}

// === without its disk ===

#[test]
fn while_its_file_cannot_be_written_it_is_unavailable() {
    // The limit on written files is the whole process's, so the log gets one of its own.
    let ended = this_test("outage_in_a_process_of_its_own").env(FOLDER, "-").output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the child of while_its_file_cannot_be_written_it_is_unavailable"]
async fn outage_in_a_process_of_its_own() {
    if std::env::var(FOLDER).is_err() {
        return;
    }
    // Beyond its limit a process gets SIGXFSZ (25 on Linux), of which it would die; handled, the
    // write fails instead.
    let _handler =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(25)).unwrap();
    outage::an_append_is_unavailable_in_time_and_later_goes_on::<Sqlite>().await;
}

#[test]
fn on_a_full_disk_it_is_full_until_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut on_the_disk) = disk::small(folder.path(), 2) else {
        eprintln!("not tried: this machine lets nobody mount a small disk in a namespace");
        return;
    };
    let child = this_test("full_disk_in_a_process_of_its_own");
    let ended = on_the_disk
        .arg(child.get_program())
        .args(child.get_args())
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the child of on_a_full_disk_it_is_full_until_there_is_space"]
async fn full_disk_in_a_process_of_its_own() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = PathBuf::from(folder);
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let reopened = open(&folder);
    let log: Arc<dyn EventLog> = Arc::new(reopened.clone());
    let start = end(&log).await;
    let text = "x".repeat(10_000);
    let mut acknowledged = Vec::new();
    let error = loop {
        assert!(acknowledged.len() < 200, "a disk of 2 MiB holds more than that");
        match try_append(&log, &conversation(1), &id(), record(&text)).await {
            Ok(appended) => acknowledged.push(appended.position),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::Full(_)), "{error:?}");
    assert!(acknowledged.len() > 10);
    let again = try_append(&log, &conversation(1), &id(), record(&text)).await;
    assert!(matches!(again, Err(LogError::Full(_))), "{again:?}");
    let page = log.read(&Filter::Tenant(tenant()), start, 1000).await.unwrap();
    assert_eq!(
        positions(&page.entries),
        acknowledged,
        "what was acknowledged is read on a full disk"
    );

    std::fs::remove_file(&ballast).unwrap();
    acknowledged.push(append_to(&log, 1, "by itself").await);
    reopened.close().await.unwrap();
    let log: Arc<dyn EventLog> = Arc::new(open(&folder));
    let page = log.read(&Filter::Tenant(tenant()), start, 1000).await.unwrap();
    assert_eq!(positions(&page.entries), acknowledged);
}

// === tools ===

/// This test binary, told to run one ignored test of this file.
fn this_test(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
        &format!("sqlite::child::{name}"),
    ]);
    command
}

fn open(folder: &Path) -> parlor_log::sqlite::SqliteLog {
    try_open(folder).unwrap()
}

fn try_open(folder: &Path) -> Result<parlor_log::sqlite::SqliteLog, OpenError> {
    let bounds = Bounds { ack_wait: Duration::from_secs(1), ..Bounds::default() };
    Sqlite::try_open(folder, bounds, &Arc::<AtomicI64>::default())
}
