//! The embedded store: the suite, and what survives when its process is killed.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use parlor_common::{position::Position, shard::Shard, tenant::TenantId};
use parlor_store::SqliteStore;
use tempfile::TempDir;

use crate::suite::harness::{Harness, at, sequences};

const FOLDER: &str = "PARLOR_TEST_SQLITE_FOLDER";

suite!(harness);

async fn harness() -> Harness {
    parlor_testbed::planted::begin();
    let folder = tempfile::tempdir().unwrap();
    Harness::new(open(folder.path()).await, folder)
}

async fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, super::metrics::unregistered()).await.unwrap()
}

#[tokio::test]
async fn what_was_kept_is_there_after_the_store_is_opened_again() {
    let folder = TempDir::new().unwrap();
    let t = Harness::new(open(&folder.path().join("made/by/open")).await, ());
    t.insert(&t.messages(1, [1, 2, 3])).await;
    t.store.raise_watermark(Shard::ONLY, at(3)).await.unwrap();
    let tenant = t.tenant.clone();
    drop(t);
    let t = Harness::new(open(&folder.path().join("made/by/open")).await, ()).of_tenant(tenant);
    assert_eq!(sequences(&t.before(1, Position::MAX, 10).await), [1, 2, 3]);
    assert_eq!(t.inbox(Position::MAX, 10).await.rows[0].position(), at(3));
    assert_eq!(t.store.watermark(Shard::ONLY).await, Ok(Some(at(3))));
}

/// Runs this test program again as a process that keeps events and says so after each, and kills it
/// with SIGKILL.
#[tokio::test]
async fn what_was_kept_before_a_kill_is_there_after_it() {
    let folder = TempDir::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "implementations::sqlite::keeps_events_until_it_is_killed",
        ])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut kept = lines.filter_map(|line| {
        line.strip_prefix("kept ")?.split(' ').map(str::to_owned).collect::<Vec<_>>().into()
    });
    let told = kept.by_ref().take(100).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said between the hundredth line and its end counts too.
    let told = kept.last().unwrap_or(told);
    let last: u64 = told[0].parse().unwrap();
    assert!(last >= 100);

    let tenant = TenantId::parse(&told[1]).unwrap();
    let t = Harness::new(open(folder.path()).await, folder).of_tenant(tenant);
    let events = t.all(1).await;
    let found: Vec<u64> = events.iter().map(|event| event.position.sequence()).collect();
    assert!(found.len() as u64 >= last, "it said {last} and kept {}", found.len());
    assert!(found.iter().zip(1..).all(|(found, expected)| *found == expected), "there is a hole");
    assert_eq!(
        t.inbox(Position::MAX, 10).await.rows[0].position(),
        events.last().unwrap().position
    );
    t.insert(&t.messages(1, [found.len() as u64 + 1])).await;
}

#[tokio::test]
#[ignore = "not a test: the process that what_was_kept_before_a_kill_is_there_after_it kills"]
async fn keeps_events_until_it_is_killed() {
    let folder = std::env::var_os(FOLDER)
        .expect("is started by what_was_kept_before_a_kill_is_there_after_it");
    let t = Harness::new(open(Path::new(&folder)).await, ());
    for sequence in 1.. {
        t.insert(&t.messages(1, [sequence])).await;
        println!("\nkept {sequence} {}", t.tenant);
    }
}
