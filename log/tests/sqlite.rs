//! The suite on the embedded log, and what only a process that is killed or has no disk can show.

mod child;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use parlor_common::clock::{Clock, Timestamp};
use parlor_log::{
    EventLog, Metrics, PERSISTER,
    sqlite::{OpenError, SqliteLog, SqliteLogSettings},
};
use tempfile::TempDir;

use crate::suite::{
    Bounds, Harness,
    tools::{SECOND_GROUP, shard, until},
    whole_suite,
};

const MAX_AGE: Duration = Duration::from_secs(3600);

/// An embedded log in a folder of its own, with a clock that the test moves.
pub(crate) struct Sqlite {
    log: SqliteLog,
    bounds: Bounds,
    /// How far the log's clock is ahead of the machine's, in milliseconds.
    ahead: Arc<AtomicI64>,
    folder: TempDir,
}

whole_suite!(crate::sqlite::Sqlite);

impl Sqlite {
    fn open(folder: &Path, bounds: Bounds, ahead: &Arc<AtomicI64>) -> SqliteLog {
        Self::try_open(folder, bounds, ahead).unwrap()
    }

    fn try_open(
        folder: &Path,
        bounds: Bounds,
        ahead: &Arc<AtomicI64>,
    ) -> Result<SqliteLog, OpenError> {
        let ahead = ahead.clone();
        let clock = Clock::new(move || {
            Timestamp::from_millis(
                Clock::system().now().as_millis() + ahead.load(Ordering::Relaxed),
            )
        });
        let settings = SqliteLogSettings {
            max_bytes: bounds.max_bytes,
            max_age: MAX_AGE,
            ack_wait: bounds.ack_wait,
            groups: vec![PERSISTER.to_owned(), SECOND_GROUP.to_owned()],
        };
        SqliteLog::open(folder, settings, clock, None, Metrics::unregistered())
    }
}

impl Harness for Sqlite {
    async fn fresh(bounds: Bounds) -> Self {
        let (folder, ahead) = (tempfile::tempdir().unwrap(), Arc::default());
        Self { log: Self::open(folder.path(), bounds, &ahead), bounds, ahead, folder }
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(self.log.clone())
    }

    /// In one process it can only be closed; `child` has the kill.
    async fn reopen(&mut self) {
        self.log.close().await.unwrap();
        self.log = Self::open(self.folder.path(), self.bounds, &self.ahead);
    }

    async fn cut(&mut self) {
        parlor_testbed::disk::limit_files(0);
    }

    async fn mend(&mut self) {
        parlor_testbed::disk::limit_files(u64::MAX);
    }

    async fn forget(&mut self) {
        let old = i64::try_from(MAX_AGE.as_millis()).unwrap() + 1;
        self.ahead.fetch_add(old, Ordering::Relaxed);
        let log = self.log();
        until("what is old is forgotten", async || {
            let state = log.state(shard(&log)).await.unwrap();
            state.start >= state.end.before()
        })
        .await;
    }

    async fn age(&mut self) {
        let half = i64::try_from(MAX_AGE.as_millis() / 2).unwrap();
        self.ahead.fetch_add(half, Ordering::Relaxed);
    }
}
