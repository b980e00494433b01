//! Streams that are restored from a copy, deleted, and made anew, while nodes run.

use std::{sync::Arc, time::Duration};

use parlor_log::{EventLog, Filter, LogError, PERSISTER, Start, jetstream::JetStreamSettings};
use parlor_testbed::network::nats::NatsProxy;

use super::{
    connect,
    single::Single,
    tools::{append_patiently, reaches},
};
use crate::suite::{
    Bounds, Harness,
    tools::{
        ahead, append, conversation, deliveries, end, id, persisted, record, shard, take, tenant,
        try_append, until, within,
    },
};

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
