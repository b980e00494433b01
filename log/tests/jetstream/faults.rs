//! Servers that are killed, frozen and away, and dead letters.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parlor_common::{position::Position, random::Random};
use parlor_log::{
    BatchLimit, EventLog, Filter, LogError, PERSISTER, Start, Tail, jetstream::JetStreamSettings,
};

use parlor_testbed::{
    network::{Network, Proxy, nats::NatsProxy},
    servers::{
        own::{Cluster, Server},
        raw::Raw,
    },
};

use super::{connect, connect_by, plan, provision_new, settings, single::Single};
use crate::suite::{
    Bounds, Harness, obligations,
    tools::{
        ahead, append, append_from_many, conversation, deliveries, end, follow, id, in_order,
        persisted, positions, record, shard, tail, take, tenant, told, try_append, until, within,
    },
};

/// A log whose server is killed with `kill -9` to reopen it. (A single server writes the progress
/// of a group a moment later than its acknowledgement: after a kill some entries come again, and
/// the persisted position may have gone back.)
pub(crate) struct Killed(Single);

obligations! { crate::jetstream::faults::Killed:
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
}

/// Appends one after the other until told to stop; returns what was acknowledged. What was not is
/// tried again under the same id, as a client does.
async fn write(
    log: Arc<dyn EventLog>,
    writer: u8,
    stop: Arc<std::sync::atomic::AtomicBool>,
) -> Vec<(Position, Bytes)> {
    let mut acknowledged = Vec::new();
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
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
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
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
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
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

/// Whether the log says that it has come so far.
async fn reaches(log: &Arc<dyn EventLog>, position: Position) -> bool {
    log.state(shard(log)).await.is_ok_and(|state| state.end >= position)
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

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_whole_where_the_replica_that_is_asked_lags() {
    let mut cluster = Cluster::start().await;
    let everywhere = settings(cluster.urls(), 3);
    provision_new(&everywhere, &plan(Bounds::default()), &cluster.monitors()).await.unwrap();
    let probe: Arc<dyn EventLog> = Arc::new(connect(&everywhere).await.unwrap());
    let leader = cluster.leader(&format!("CHAT_{}_1", shard(&probe))).await.url();
    let follower = cluster.servers.iter().find(|server| server.url() != leader).unwrap();
    let writer: Arc<dyn EventLog> = Arc::new(connect(&settings(vec![leader], 3)).await.unwrap());
    let reader: Arc<dyn EventLog> =
        Arc::new(connect(&settings(vec![follower.url()], 3)).await.unwrap());
    for _ in 0..3 {
        follower.freeze();
        let appended = in_order(append_from_many(&writer, 100, 30).await);
        let newest: Vec<_> =
            appended[appended.len() - 50..].iter().map(|(position, _)| *position).collect();
        follower.thaw();
        // It has all of this still to take over, and is asked meanwhile, in turn with the others.
        let tenants = Filter::Tenant(tenant());
        let pages = (0..40).map(|_| reader.read(&tenants, newest[0].before(), 1000));
        for page in within("pages", futures_util::future::join_all(pages)).await {
            let page = page.unwrap();
            assert_eq!(positions(&page.entries), newest);
            assert!(page.through >= newest[49]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_whole_where_an_answer_in_its_middle_is_lost() {
    let single = Single::fresh(Bounds::default()).await;
    let proxy = NatsProxy::before(&single.server.url()).await;
    let behind = JetStreamSettings { urls: vec![proxy.url()], ..single.settings.clone() };
    let reader: Arc<dyn EventLog> = Arc::new(connect(&behind).await.unwrap());
    let mut appended = Vec::new();
    for number in 0..10 {
        appended.push(append(&single.log(), number).await);
    }
    let (filter, start) = (Filter::Tenant(tenant()), appended[0].before());
    for lost in [1, 3, 7, 10] {
        // Its answer is the only one that holds this: the sequence is the position's.
        let losing = format!("Nats-Sequence: {lost}\r\n");
        proxy.lose(Some(&losing));
        let before = proxy.lost();
        let page = within("a page", reader.read(&filter, start, 100)).await.unwrap();
        assert_eq!(positions(&page.entries), appended, "without the answer of {lost}");
        assert_eq!(page.through, appended[9]);
        assert!(proxy.lost() > before, "the answer of {lost} was lost");
    }
}

/// Gives the stream of the tests' tenant back the messages that it had when `then` was called, as
/// a restore or a power cut does; everything else of the server stays.
async fn restore(single: &mut Single, then: impl AsyncFnOnce()) {
    single.server.stop();
    let messages = single.server.messages_of(&single.stream());
    let older = tempfile::tempdir().unwrap();
    copy_files(&messages, older.path());
    single.server.run().await;
    then().await;
    single.server.stop();
    std::fs::remove_dir_all(&messages).unwrap();
    std::fs::create_dir(&messages).unwrap();
    copy_files(older.path(), &messages);
    single.server.run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_restored_under_a_running_node_gives_no_position_twice() {
    let mut single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    let mut given = Vec::new();
    for number in 0..3 {
        given.push(append(&log, number).await);
    }
    let more = async || {
        for number in 3..8 {
            given.push(append_patiently(&log, number).await);
        }
        let mut reader = deliveries(&log).await;
        let taken = take(&mut reader, 8).await;
        reader.ack(&taken).await.unwrap();
        let last = taken[7].entry.position;
        until("all is persisted", async || persisted(&log).await == last).await;
    };
    restore(&mut single, more).await;

    let refused = loop {
        match try_append(&log, &conversation(1), &id(), record("after")).await {
            Ok(appended) => panic!("{appended:?}"),
            Err(LogError::Unavailable(_)) => {}
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().contains("made anew or restored"), "{refused}");
    for refused in [
        log.state(shard(&log)).await.err(),
        log.tail(shard(&log), Start::End).await.err(),
        log.deliveries(shard(&log), PERSISTER).await.err(),
        log.read(&Filter::Tenant(tenant()), given[0], 10).await.err(),
    ] {
        assert!(matches!(refused, Some(LogError::Rejected(_))), "{refused:?}");
    }
    // A node that starts now is tied to what is there, and compares it with what the store has.
    let anew = connect(&single.settings).await.unwrap();
    let seen = anew.check_seen(|of| (of == shard(&log)).then_some(given[7])).await;
    assert!(matches!(seen, Err(LogError::Rejected(_))), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_stream_that_nobody_appends_to_is_found_out_by_looking() {
    let mut single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    append(&log, "kept").await;
    restore(&mut single, async || {
        append_patiently(&log, "lost").await;
    })
    .await;
    until("it is found out", async || {
        matches!(log.state(shard(&log)).await, Err(LogError::Rejected(_)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_ahead_of_its_stream_is_refused() {
    let single = Single::fresh(Bounds::default()).await;
    let proxy = NatsProxy::before(&single.server.url()).await;
    let behind = JetStreamSettings { urls: vec![proxy.url()], ..single.settings.clone() };
    let log: Arc<dyn EventLog> = Arc::new(connect(&behind).await.unwrap());
    for number in 0..3 {
        append(&log, number).await;
    }
    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 3).await;
    reader.ack(&taken).await.unwrap();
    until("all is persisted", async || persisted(&log).await == taken[2].entry.position).await;

    // The server lowers such a progress where it finds it at its start. Where it has not, its
    // answer about the consumer is this one.
    proxy.change(
        r#""ack_floor":{"consumer_seq":3,"stream_seq":3"#,
        r#""ack_floor":{"consumer_seq":3,"stream_seq":9"#,
    );
    for refused in
        [log.state(shard(&log)).await.err(), log.deliveries(shard(&log), PERSISTER).await.err()]
    {
        let Some(LogError::Rejected(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("has come to sequence 9"), "{why}");
    }
}

/// After such a restore the progress of a group was ahead of its stream. What is appended then is
/// delivered, and is not persisted before that.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_ahead_of_its_stream_skips_nothing() {
    let mut single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    append(&log, "kept").await;
    let more = async || {
        for number in 0..5 {
            append_patiently(&log, number).await;
        }
        let mut reader = deliveries(&log).await;
        let taken = take(&mut reader, 6).await;
        reader.ack(&taken).await.unwrap();
        let last = taken[5].entry.position;
        until("all is persisted", async || persisted(&log).await == last).await;
    };
    restore(&mut single, more).await;
    let anew: Arc<dyn EventLog> = Arc::new(connect(&single.settings).await.unwrap());
    let position = append(&anew, "after").await;
    let state = anew.state(shard(&anew)).await.unwrap();
    assert!(state.persisted < position && state.persisted <= state.end, "{state:?}");
    let taken = take(&mut deliveries(&anew).await, 1).await;
    assert_eq!(taken[0].entry.position, position);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_made_anew_while_appends_run_gives_no_position_twice() {
    let single = Single::impatient(Bounds::default(), Duration::from_secs(12)).await;
    let log = single.log();
    let writers = (1..=4).map(|writer| {
        let log = log.clone();
        async move {
            let mut given = Vec::new();
            loop {
                let (id, record) = (id(), record(given.len()));
                match try_append(&log, &conversation(writer), &id, record).await {
                    Ok(appended) => given.push(appended.position),
                    Err(LogError::Unavailable(_)) => {}
                    Err(error) => return (given, error),
                }
            }
        }
    });
    let fifty = ahead(end(&log).await, 50);
    let anew = async {
        until("the writers write", async || reaches(&log, fifty).await).await;
        let mut raw = single.server.raw().await;
        let stream = single.stream();
        let config = raw.api(&format!("STREAM.INFO.{stream}"), "").await["config"].take();
        raw.api(&format!("STREAM.DELETE.{stream}"), "").await;
        raw.api(&format!("STREAM.CREATE.{stream}"), &config.to_string()).await;
    };
    let writing = futures_util::future::join_all(writers);
    let (ended, ()) = within("the writers", async { tokio::join!(writing, anew) }).await;
    let mut given = Vec::new();
    for (positions, error) in ended {
        assert!(matches!(error, LogError::Rejected(_)), "{error}");
        given.extend(positions);
    }
    let count = given.len();
    assert!(count >= 50);
    given.sort();
    given.dedup();
    assert_eq!(given.len(), count, "no position was given twice");
    assert!(matches!(log.state(shard(&log)).await, Err(LogError::Rejected(_))));
}

fn copy_files(from: &std::path::Path, to: &std::path::Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Appends as a client does: again under the same id.
async fn append_patiently(log: &Arc<dyn EventLog>, text: impl ToString) -> Position {
    let (id, record) = (id(), record(text));
    loop {
        match try_append(log, &conversation(1), &id, record.clone()).await {
            Ok(appended) => return appended.position,
            Err(LogError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

async fn healthy(cluster: &mut Cluster) {
    for server in &cluster.servers {
        let url = server.url();
        until("the server is healthy", async || Raw::is_healthy(&url).await).await;
    }
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
async fn two_nodes_that_append_the_same_id_are_told_the_same_position() {
    let single = Single::fresh(Bounds::default()).await;
    let other: Arc<dyn EventLog> = Arc::new(connect(&single.settings).await.unwrap());
    let id = id();
    let first = try_append(&single.log(), &conversation(1), &id, record("text")).await.unwrap();
    let again = try_append(&other, &conversation(1), &id, record("text")).await.unwrap();
    assert_eq!((again.position, first.duplicate, again.duplicate), (first.position, false, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_kept_with_its_reason() {
    let single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    append(&log, "no record").await;
    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 1).await;
    reader.dead_letter(&taken[0], "it is no record:\r\nNats-Rollup: all").await.unwrap();
    // A lost answer makes a reader do it again.
    reader.dead_letter(&taken[0], "it is no record").await.unwrap();
    until("it is persisted", async || persisted(&log).await == taken[0].entry.position).await;

    let mut raw = single.server.raw().await;
    assert_eq!(raw.api("STREAM.INFO.DEAD_LETTERS", "").await["state"]["messages"], 1);
    let subject = format!("dead_letters.{}.shop~example.{}", shard(&log), conversation(1).id);
    let kept = raw
        .api(
            "STREAM.MSG.GET.DEAD_LETTERS",
            &serde_json::json!({ "last_by_subj": subject }).to_string(),
        )
        .await;
    let decode = |field: &str| {
        let text = kept["message"][field].as_str().unwrap();
        String::from_utf8(
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap(),
        )
        .unwrap()
    };
    assert_eq!(decode("data"), "no record");
    let headers = decode("hdrs");
    assert!(headers.contains("Parlor-Reason: it is no record:Nats-Rollup: all\r\n"), "{headers}");
    assert!(headers.contains(&format!("Parlor-Stream: {}\r\n", single.stream())), "{headers}");
    assert!(headers.contains("Parlor-Sequence: 1\r\n"), "{headers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_under_a_foreign_subject_is_a_dead_letter_and_skipped_by_tails_and_reads() {
    let single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    let mut tail = tail(&log, Start::End).await;
    let mut raw = single.server.raw().await;
    let start = end(&log).await;
    for subject in ["NOBODY.x", "shop~example.x", "shop~example.07"] {
        let ack = raw.publish(&format!("chat.{}.{subject}", shard(&log)), "", "foreign").await;
        assert!(ack["seq"].as_u64().is_some(), "{ack}");
    }
    let ours = append(&log, "ours").await;
    assert_eq!(follow(&mut tail, 1).await[0].position, ours);
    let tenants = Filter::Tenant(tenant());
    let page = within("a page", log.read(&tenants, start, 10)).await.unwrap();
    assert_eq!((page.entries.len(), page.through), (1, ours));

    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 1).await;
    assert_eq!(taken[0].entry.position, ours);
    reader.ack(&taken).await.unwrap();
    until("all is persisted", async || persisted(&log).await == ours).await;
    assert_eq!(raw.api("STREAM.INFO.DEAD_LETTERS", "").await["state"]["messages"], 3);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_dropped_leaves_no_connection() {
    let server = Server::start().await;
    let settings = settings(vec![server.url()], 1);
    provision_new(&settings, &plan(Bounds::default()), &[server.monitor()]).await.unwrap();
    let log = connect(&settings).await.unwrap();
    assert!(server.connections().await > 1);
    drop(log);
    until("only the asking one is left", async || server.connections().await == 1).await;
}
