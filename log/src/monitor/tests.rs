//! When a node is not well, on a log whose shards can be silenced.

use std::{
    collections::HashMap,
    num::NonZeroU16,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use parlor_common::{
    clock::Clock,
    conversation::ConversationKey,
    metrics::Registry,
    position::Position,
    shard::{Shard, Shards},
};

use super::{MAX_SILENCE, Monitor, MonitorMetrics, NotWell};
use crate::{
    Appended, Deliveries, EventLog, Filter, LogError, LogPage, NewEntry, ShardState, Start, Tail,
    Trim,
};

/// A log that tells its state and nothing else, and not for shards that fail.
#[derive(Debug, Default)]
struct Quiet(Mutex<HashMap<Shard, LogError>>);

fn nothing<T>() -> Result<T, LogError> {
    Err(LogError::Unavailable("it is quiet".to_owned()))
}

#[async_trait]
impl EventLog for Quiet {
    fn shards(&self) -> Shards {
        Shards::new(NonZeroU16::new(3).unwrap())
    }

    async fn append(&self, _: &NewEntry) -> Result<Appended, LogError> {
        nothing()
    }

    async fn tail(&self, _: Shard, _: Start) -> Result<Box<dyn Tail>, LogError> {
        nothing()
    }

    async fn read(&self, _: &Filter, _: Position, _: usize) -> Result<LogPage, LogError> {
        nothing()
    }

    async fn deliveries(&self, _: Shard, _: &str) -> Result<Box<dyn Deliveries>, LogError> {
        nothing()
    }

    async fn last(&self, _: &ConversationKey) -> Result<Position, LogError> {
        nothing()
    }

    async fn state(&self, shard: Shard) -> Result<ShardState, LogError> {
        if let Some(error) = self.0.lock().unwrap().get(&shard) {
            return Err(error.clone());
        }
        Ok(ShardState {
            start: Position::ZERO,
            end: Position::ZERO,
            persisted: Position::ZERO,
            oldest_unpersisted: None,
            max_age: None,
            used_bytes: 0,
            max_bytes: None,
            time: Clock::system().now(),
        })
    }

    async fn trim(&self, _: Shard, _: Trim) -> Result<u64, LogError> {
        nothing()
    }
}

async fn monitor() -> (Arc<Quiet>, Monitor) {
    let log = Arc::new(Quiet::default());
    let metrics = MonitorMetrics::new(&Registry::new()).unwrap();
    let monitor = Monitor::start(log.clone(), Clock::system(), metrics).await.unwrap();
    (log, monitor)
}

/// Silences these shards, and goes on until all have been sampled twice, with so much time between.
async fn silence(log: &Quiet, monitor: &Monitor, shards: &[u16], lasting: Duration) {
    fail(log, monitor, shards, &LogError::Unavailable("it is quiet".to_owned()), lasting).await;
}

/// The same with this error.
async fn fail(log: &Quiet, monitor: &Monitor, shards: &[u16], error: &LogError, lasting: Duration) {
    *log.0.lock().unwrap() =
        shards.iter().map(|number| (Shard::new(*number), error.clone())).collect();
    for wait in [Duration::ZERO, lasting] {
        tokio::time::advance(wait).await;
        for shard in log.shards().all() {
            monitor.refresh(shard).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_is_well_while_any_shard_answers() {
    let (log, monitor) = monitor().await;
    assert_eq!(monitor.check(), Ok(()));
    silence(&log, &monitor, &[0, 1], MAX_SILENCE * 2).await;
    assert_eq!(monitor.check(), Ok(()));
    silence(&log, &monitor, &[0, 1, 2], MAX_SILENCE * 2).await;
    assert_eq!(monitor.check(), Err(NotWell::Unreachable));
    silence(&log, &monitor, &[1, 2], Duration::ZERO).await;
    assert_eq!(monitor.check(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_election_that_silences_every_shard_for_every_node_leaves_them_ready() {
    let (log, monitor) = monitor().await;
    silence(&log, &monitor, &[0, 1, 2], Duration::from_secs(9)).await;
    assert_eq!(monitor.check(), Ok(()));
    silence(&log, &monitor, &[0, 1, 2], Duration::from_secs(4)).await;
    assert_eq!(monitor.check(), Err(NotWell::Unreachable));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_gone_for_good_turns_the_node_off_though_the_others_answer() {
    let (log, monitor) = monitor().await;
    let gone = LogError::Rejected("stream not found".to_owned());
    fail(&log, &monitor, &[1], &gone, MAX_SILENCE / 2).await;
    assert_eq!(monitor.check(), Ok(()), "an election may make a stream look gone for a moment");
    fail(&log, &monitor, &[1], &gone, MAX_SILENCE).await;
    assert_eq!(monitor.check(), Err(NotWell::Gone(Shard::new(1))));
    silence(&log, &monitor, &[], Duration::ZERO).await;
    assert_eq!(monitor.check(), Ok(()));
}
