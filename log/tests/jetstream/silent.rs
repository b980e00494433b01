//! Servers that are frozen, or have lost their cluster.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parlor_common::{position::Position, random::Random};
use parlor_log::{EventLog, LogError, Start, Tail, jetstream::JetStreamSettings};
use parlor_testbed::{
    network::{Network, Proxy},
    servers::own::{Cluster, Server},
};

use super::{
    connect, connect_by, plan, provision_new, settings,
    single::Single,
    tools::{append_patiently, healthy},
};
use crate::suite::{
    Bounds, Harness,
    tools::{
        append, conversation, end, follow, id, record, shard, tail, try_append, until, within,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_on_a_frozen_server_goes_on_at_another() {
    let mut cluster = Cluster::start().await;
    let settings = settings(cluster.urls(), 3);
    provision_new(&settings, &plan(Bounds::default()), &cluster.monitors()).await.unwrap();
    let log: Arc<dyn EventLog> = Arc::new(connect(&settings).await.unwrap());
    let mut tail = tail(&log, Start::End).await;
    let mut seen = Vec::new();
    let mut appended = Vec::new();
    for number in 0..3 {
        appended.push(append(&log, number).await);
        // One after the other is frozen, so that the tail's own is among them.
        cluster.servers[number].freeze();
        let more = append_patiently(&log, number).await;
        appended.push(more);
        seen.extend(follow(&mut tail, 2).await.iter().map(|entry| entry.position));
        cluster.servers[number].thaw();
        healthy(&mut cluster).await;
    }
    assert_eq!(seen, appended);
}

/// A log both of whose connections begin at the first of its servers.
async fn connect_to_first(
    settings: &JetStreamSettings,
    first: &Server,
) -> parlor_log::jetstream::JetStreamLog {
    let before = first.connections().await;
    for seed in 0..100 {
        let log = connect_by(settings, Random::seeded(seed)).await.unwrap();
        if first.connections().await == before + 2 {
            return log;
        }
        drop(log);
        until("its connections are gone", async || first.connections().await == before).await;
    }
    panic!("no seed leads to the first server");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_leaves_a_server_that_has_lost_its_cluster() {
    let cluster = Cluster::start_apart().await;
    let everywhere = settings(cluster.urls(), 3);
    let monitors = cluster.monitors();
    until("the servers know each other", async || {
        Box::pin(provision_new(&everywhere, &plan(Bounds::default()), &monitors)).await.is_ok()
    })
    .await;
    let others = settings(cluster.urls()[1..].to_vec(), 3);
    let writer: Arc<dyn EventLog> = Arc::new(connect(&others).await.unwrap());
    let node: Arc<dyn EventLog> =
        Arc::new(connect_to_first(&everywhere, &cluster.servers[0]).await);
    let mut tails = Vec::new();
    // The servers place each tail's consumer on one of them: among so many one is on the first.
    for _ in 0..6 {
        tails.push(tail(&node, Start::End).await);
    }
    let mut appended = vec![append(&writer, "before").await];
    for tail in &mut tails {
        assert_eq!(follow(tail, 1).await[0].position, appended[0]);
    }

    cluster.isolate(0);
    let cut = Instant::now();
    for number in 0..3 {
        appended.push(append_patiently(&writer, number).await);
    }
    // What asks the log all the while, as a node's monitor does.
    let monitor = async {
        loop {
            drop(node.state(shard(&node)).await);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let before = appended[0];
    // What the two others could do by then: they elect leaders first, of streams and of consumers.
    let reference = async {
        follow_patiently(&writer, None, before, 3).await;
        cut.elapsed()
    };
    let following = tails.into_iter().map(|tail| async {
        let positions = follow_patiently(&node, Some(tail), before, 3).await;
        (positions, cut.elapsed())
    });
    let sending = async {
        append_patiently(&node, "by the node").await;
        cut.elapsed()
    };
    let following = futures_util::future::join_all(following);
    let working = async { tokio::join!(reference, following, sending) };
    let (elected, followed, sent) = tokio::select! {
        () = monitor => unreachable!("it never ends"),
        times = within("the node", working) => times,
    };
    let bound = elected + Duration::from_secs(15);
    for (positions, took) in followed {
        assert_eq!(positions, appended[1..]);
        assert!(took < bound, "a tail went on after {took:?}, the others after {elected:?}");
    }
    assert!(sent < bound, "an append took {sent:?}, the others' tail {elected:?}");
}

/// The positions of the next `count` entries after `reached`; where a tail ends, a new one goes on,
/// as in a feed.
async fn follow_patiently(
    log: &Arc<dyn EventLog>,
    mut tail: Option<Box<dyn Tail>>,
    mut reached: Position,
    count: usize,
) -> Vec<Position> {
    let mut positions = Vec::new();
    while positions.len() < count {
        let next = match &mut tail {
            Some(tail) => tail.next().await,
            None => match log.tail(shard(log), Start::After(reached)).await {
                Ok(made) => {
                    tail = Some(made);
                    continue;
                }
                Err(error) => Err(error),
            },
        };
        match next {
            Ok(entry) => {
                reached = entry.position;
                positions.push(reached);
            }
            Err(LogError::Unavailable(_)) => {
                tail = None;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    positions
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_frozen_appends_are_unavailable_in_time_and_later_committed_once() {
    let deadline = Duration::from_secs(2);
    let single = Single::impatient(Bounds::default(), deadline).await;
    let log = single.log();
    append(&log, "before").await;
    let ids: Vec<_> = (0..20).map(|_| id()).collect();
    let attempts = || {
        let attempt = |id| {
            let log = log.clone();
            async move { try_append(&log, &conversation(1), &id, record("during")).await }
        };
        futures_util::future::join_all(ids.iter().copied().map(attempt))
    };
    single.server.freeze();
    let asked = Instant::now();
    let failed = attempts().await;
    assert!(
        failed.iter().all(|failed| matches!(failed, Err(LogError::Unavailable(_)))),
        "{failed:?}"
    );
    assert!(asked.elapsed() < deadline + Duration::from_secs(1), "{:?}", asked.elapsed());
    let state = log.state(shard(&log)).await;
    assert!(matches!(state, Err(LogError::Unavailable(_))), "{state:?}");

    single.server.thaw();
    until("it takes appends again", async || attempts().await.iter().all(Result::is_ok)).await;
    let told: Vec<_> = attempts().await.into_iter().map(Result::unwrap).collect();
    assert!(told.iter().all(|appended| appended.duplicate));
    assert_eq!(
        end(&log).await.sequence(),
        21,
        "each was committed once, first attempts and repeats together"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_is_cut_off_is_not_proven_and_once_whole_it_is_again() {
    let single = Single::fresh(Bounds::default()).await;
    let proxy = Proxy::before(single.server.url().trim_start_matches("nats://")).await;
    let urls = vec![format!("nats://{}", proxy.address)];
    let behind = JetStreamSettings { urls, ..single.settings.clone() };
    let node: Arc<dyn EventLog> = Arc::new(connect(&behind).await.unwrap());
    let mut tail = tail(&node, Start::End).await;
    let waits = Duration::from_millis(100);
    // Packets are lost, and nobody is told.
    proxy.turn(Network::Held);
    let cut = tokio::time::Instant::now();
    // More than a look, and the time in which another consumer is tried.
    while cut.elapsed() < Duration::from_secs(6) {
        drop(tokio::time::timeout(waits, tail.next()).await);
        assert!(tail.proven() <= Some(cut), "nothing that it was told was said after the cut");
    }
    proxy.turn(Network::Whole);
    let mended = tokio::time::Instant::now();
    let proven = async {
        while tail.proven() < Some(mended) {
            drop(tokio::time::timeout(waits, tail.next()).await);
        }
    };
    within("a proof", proven).await;
}
