//! Servers that are killed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parlor_common::position::Position;
use parlor_log::{Appended, BatchLimit, EventLog, Filter, LogError, PERSISTER, Start};
use parlor_testbed::servers::own::Cluster;

use super::{connect, plan, provision_new, settings, single::Single, tools::reaches};
use crate::suite::{
    Bounds, Harness, obligations,
    tools::{
        ahead, append, conversation, deliveries, end, follow, id, persisted, record, shard, tail,
        take, told, try_append, until, within,
    },
};

/// A log whose server is killed with `kill -9` to reopen it. (A single server writes the progress
/// of a group a moment later than its acknowledgement: after a kill some entries come again, and
/// the persisted position may have gone back.)
pub(crate) struct Killed(Single);

obligations! { crate::jetstream::killed::Killed:
    reopening {
        what_was_acknowledged_is_there_in_order
        the_same_id_after_it_is_a_duplicate
        positions_go_on_rising
    }
}

impl Harness for Killed {
    async fn fresh(bounds: Bounds) -> Self {
        Self(Single::fresh(bounds).await)
    }

    fn log(&self) -> Arc<dyn EventLog> {
        self.0.log()
    }

    async fn reopen(&mut self) {
        self.0.server.kill();
        self.0.server.run().await;
    }

    async fn cut(&mut self) {
        self.0.cut().await;
    }

    async fn mend(&mut self) {
        self.0.mend().await;
    }

    async fn forget(&mut self) {
        self.0.forget().await;
    }

    async fn age(&mut self) {
        self.0.age().await;
    }
}

/// Appends one after the other until told to stop; returns what was acknowledged. What was not is
/// tried again under the same id, as a client does.
async fn write(
    log: Arc<dyn EventLog>,
    writer: u8,
    stop: Arc<AtomicBool>,
) -> Vec<(Position, Bytes)> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let (id, record) = (id(), record(format!("{writer}/{}", acknowledged.len())));
        let position = loop {
            match try_append(&log, &conversation(writer), &id, record.clone()).await {
                Ok(appended) => break appended.position,
                Err(LogError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        };
        acknowledged.push((position, record));
    }
    acknowledged
}

/// Everything that four writers had acknowledged while `fault` was done, and what a tail saw that
/// stood all the while.
async fn writing_during(
    log: &Arc<dyn EventLog>,
    fault: impl Future<Output = ()>,
) -> (Vec<(Position, Bytes)>, Vec<(Position, Bytes)>) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tail = tail(log, Start::End).await;
    let start = tail.after();
    let writers = futures_util::future::join_all(
        (1..=4).map(|writer| write(log.clone(), writer, stop.clone())),
    );
    let playing = async {
        until("the writers write", async || reaches(log, ahead(start, 50)).await).await;
        fault.await;
        // They go on by themselves: more are acknowledged than could have been in flight.
        let now = log.state(shard(log)).await.map_or_else(|_| ahead(start, 500), |state| state.end);
        until("the writers go on", async || reaches(log, ahead(now, 200)).await).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (acknowledged, ()) = within("the writers", async { tokio::join!(writers, playing) }).await;
    let mut acknowledged: Vec<_> = acknowledged.into_iter().flatten().collect();
    acknowledged.sort();
    let last = acknowledged.last().unwrap().0;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(position, _)| *position < last) {
        seen.extend(follow(&mut tail, 1).await.iter().map(told));
    }
    (acknowledged, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_while_writing_and_tailing_loses_and_repeats_nothing() {
    let mut single = Single::impatient(Bounds::default(), Duration::from_secs(12)).await;
    let log = single.log();
    let fault = async {
        for _ in 0..3 {
            single.server.kill();
            single.server.run().await;
        }
    };
    let (acknowledged, seen) = writing_during(&log, fault).await;
    assert_eq!(seen, acknowledged, "the tail that stood all the while has no hole and no repeat");
    let start = seen[0].0.epoch().start();
    let again = follow(&mut tail(&log, Start::After(start)).await, seen.len()).await;
    assert_eq!(
        again.iter().map(told).collect::<Vec<_>>(),
        acknowledged,
        "the stream has each once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_killed_while_writing_and_tailing_loses_and_repeats_nothing() {
    let mut cluster = Cluster::start().await;
    let settings = settings(cluster.urls(), 3);
    provision_new(&settings, &plan(Bounds::default()), &cluster.monitors()).await.unwrap();
    let log: Arc<dyn EventLog> = Arc::new(connect(&settings).await.unwrap());
    let stream = format!("CHAT_{}_1", shard(&log));
    let fault = async { cluster.leader(&stream).await.kill() };
    let (acknowledged, seen) = writing_during(&log, fault).await;
    assert_eq!(seen, acknowledged, "the tail that stood all the while has no hole and no repeat");
    let (filter, after) = (Filter::Conversation(conversation(1)), seen[0].0.epoch().start());
    let page = within("a page", log.read(&filter, after, 10_000)).await.unwrap();
    let of_first: Vec<_> =
        acknowledged.iter().filter(|(_, record)| record.starts_with(b"1/")).cloned().collect();
    assert_eq!(page.entries.iter().map(told).collect::<Vec<_>>(), of_first);
}

/// What one append came to, and when, from the beginning of the test.
struct Sent {
    from: Duration,
    until: Duration,
    result: Result<Appended, LogError>,
}

/// An election is bridged: a send that nobody tries again fails only where the stream had no leader
/// for as long as it was tried, and it fails in time.
#[tokio::test(flavor = "multi_thread")]
async fn while_a_leader_is_elected_no_append_fails_that_could_wait_for_it() {
    let mut cluster = Cluster::start().await;
    let settings = settings(cluster.urls(), 3);
    provision_new(&settings, &plan(Bounds::default()), &cluster.monitors()).await.unwrap();
    let log: Arc<dyn EventLog> = Arc::new(connect(&settings).await.unwrap());
    let stream = format!("CHAT_{}_1", shard(&log));
    let (began, stop) = (Instant::now(), AtomicBool::new(false));
    let send = async |writer: u8| {
        let mut sent = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let from = began.elapsed();
            let result = try_append(&log, &conversation(writer), &id(), record("sent")).await;
            sent.push(Sent { from, until: began.elapsed(), result });
        }
        sent
    };
    let start = end(&log).await;
    let playing = async {
        until("they write", async || reaches(&log, ahead(start, 50)).await).await;
        cluster.leader(&stream).await.kill();
        let killed = began.elapsed();
        until("they go on", async || reaches(&log, ahead(start, 500)).await).await;
        stop.store(true, Ordering::Relaxed);
        killed
    };
    let writers = futures_util::future::join_all((1..=8).map(send));
    let (sent, killed) = within("the writers", async { tokio::join!(writers, playing) }).await;
    let sent: Vec<_> = sent.into_iter().flatten().collect();
    assert!(sent.iter().any(|sent| sent.from < killed && sent.until > killed), "none was caught");
    for failed in sent.iter().filter(|sent| sent.result.is_err()) {
        assert!(matches!(failed.result, Err(LogError::Unavailable(_))), "{:?}", failed.result);
        // What was acknowledged before the kill may arrive a moment later. One attempt takes 3 s at
        // most: a leader of the last four may not have been asked.
        let since = failed.from.max(killed + Duration::from_secs(1));
        let tried = since..failed.until.saturating_sub(Duration::from_secs(4));
        let led = sent.iter().find(|sent| sent.result.is_ok() && tried.contains(&sent.until));
        assert!(led.is_none(), "it was tried in {tried:?}, and there was a leader");
        let took = failed.until - failed.from;
        assert!(took < settings.append_deadline + Duration::from_secs(3), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_server_was_killed_is_told_and_a_new_one_gets_everything_unacknowledged() {
    let mut single =
        Single::fresh(Bounds { ack_wait: Duration::from_secs(1), ..Bounds::default() }).await;
    let log = single.log();
    for number in 0..5 {
        append(&log, number).await;
    }
    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 5).await;
    reader.ack(&taken[..2]).await.unwrap();
    single.server.kill();
    let limit = BatchLimit { count: 10, bytes: 1 << 20 };
    let failed = within("a batch", reader.next(limit, Duration::from_millis(20))).await;
    assert!(matches!(failed, Err(LogError::Unavailable(_))), "{failed:?}");
    single.server.run().await;

    let end = end(&log).await;
    assert!(
        persisted(&log).await <= taken[1].entry.position,
        "never ahead of what was acknowledged"
    );
    let mut reader = log.deliveries(shard(&log), PERSISTER).await.unwrap();
    until("all is persisted", async || persisted(&log).await == end || drain(&log).await).await;
    let left = within("a batch", reader.next(limit, Duration::from_millis(20))).await.unwrap();
    assert!(left.is_empty());
}

/// Acknowledges what there is.
async fn drain(log: &Arc<dyn EventLog>) -> bool {
    let mut reader = deliveries(log).await;
    let taken = reader
        .next(BatchLimit { count: 10, bytes: 1 << 20 }, Duration::from_millis(20))
        .await
        .unwrap();
    reader.ack(&taken).await.unwrap();
    false
}
