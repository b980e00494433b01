//! What a role reads back at its start and refuses, and what it notices while it runs.

use parlor_log::{EventLog, LogError, PERSISTER, Start};

use parlor_testbed::servers::own::Server;

use super::{connect, settings, single::Single};
use crate::suite::{
    Bounds, Harness,
    tools::{append, deliveries, shard, within},
};

async fn refusal(single: &Single) -> String {
    match connect(&single.settings).await {
        Err(LogError::Rejected(sentence)) => sentence,
        other => panic!("a sentence is expected: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_our_streams_is_refused() {
    let server = Server::start().await;
    let refused = connect(&settings(vec![server.url()], 1)).await;
    let Err(LogError::Rejected(sentence)) = refused else { panic!("{refused:?}") };
    assert!(sentence.contains("run `parlor provision`"), "{sentence}");
    let nobody = connect(&settings(vec!["nats://127.0.0.1:1".to_owned()], 1)).await;
    assert!(matches!(nobody, Err(LogError::Unavailable(_))), "{nobody:?}");
    let nonsense = connect(&settings(vec!["nats://:::".to_owned()], 1)).await;
    assert!(matches!(nonsense, Err(LogError::Rejected(_))), "{nonsense:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_a_stream_does_not_honour_is_named() {
    let single = Single::fresh(Bounds::default()).await;
    let mut raw = single.server.raw().await;
    let stream = single.stream();
    let before = raw.api(&format!("STREAM.INFO.{stream}"), "").await["config"].take();
    for (field, value, words) in [
        ("discard", "old".into(), "discards"),
        ("duplicate_window", 1_000_000_000_i64.into(), "duplicate window"),
        ("allow_direct", false.into(), "direct gets"),
        ("max_msgs_per_subject", 5.into(), "some messages of each subject"),
        ("max_msgs", 5.into(), "number of messages"),
        ("no_ack", true.into(), "does not acknowledge"),
        ("allow_rollup_hdrs", true.into(), "rollup"),
    ] {
        raw.change_stream(&stream, |config| config[field] = value).await;
        let sentence = refusal(&single).await;
        assert!(sentence.contains(words) && sentence.contains(&stream), "{field}: {sentence}");
        raw.change_stream(&stream, |config| *config = before.clone()).await;
    }
    connect(&single.settings).await.unwrap();
    let one = parlor_log::jetstream::JetStreamSettings { replicas: 3, ..single.settings.clone() };
    assert!(matches!(
        connect(&one).await,
        Err(LogError::Rejected(sentence)) if sentence.contains("replicas")
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_would_skip_entries_is_refused() {
    let single = Single::fresh(Bounds::default()).await;
    let mut raw = single.server.raw().await;
    let (stream, consumer) = (single.stream(), format!("{}.{PERSISTER}", single.stream()));
    let mut config = raw.api(&format!("CONSUMER.INFO.{consumer}"), "").await["config"].take();
    config["max_deliver"] = 20.into();
    let request =
        serde_json::json!({ "stream_name": stream, "config": config, "action": "update" });
    raw.api(&format!("CONSUMER.CREATE.{consumer}"), &request.to_string()).await;
    assert!(refusal(&single).await.contains("gives up after 20"));
    let refused = single.log.deliveries(shard(&single.log()), PERSISTER).await.err();
    assert!(matches!(refused, Some(LogError::Rejected(_))), "{refused:?}");
    raw.api(&format!("CONSUMER.DELETE.{consumer}"), "").await;
    assert!(refusal(&single).await.contains("run `parlor provision`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_is_noticed_by_state_and_by_its_readers() {
    let single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    append(&log, "one").await;
    let mut reader = deliveries(&log).await;
    let mut raw = single.server.raw().await;
    raw.api(&format!("CONSUMER.DELETE.{}.{PERSISTER}", single.stream()), "").await;
    let state = log.state(shard(&log)).await;
    assert!(matches!(state, Err(LogError::Rejected(_))), "{state:?}");
    let limit = parlor_log::BatchLimit { count: 10, bytes: 1 << 20 };
    let taken = within("a batch", reader.next(limit, std::time::Duration::from_millis(20))).await;
    assert!(matches!(taken, Err(LogError::Rejected(_))), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_stream_is_noticed_by_state_and_by_tails() {
    let single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    append(&log, "one").await;
    let mut tail = log.tail(shard(&log), Start::End).await.unwrap();
    let mut raw = single.server.raw().await;
    raw.api(&format!("STREAM.DELETE.{}", single.stream()), "").await;
    let state = log.state(shard(&log)).await;
    assert!(matches!(state, Err(LogError::Rejected(_))), "{state:?}");
    let ended = within("the end of the tail", tail.next()).await;
    assert!(matches!(ended, Err(LogError::Rejected(_))), "{ended:?}");
    assert!(tail.next().await.is_err(), "an ended tail stays ended");
}
