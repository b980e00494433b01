//! Provisioning: again, twice at once, into line, and past a stream that has lost its end.

use parlor_common::position::{Epoch, Position};
use parlor_log::{
    EventLog, LogError, NewEntry, PERSISTER,
    jetstream::{JetStreamSettings, Renew},
};

use parlor_testbed::servers::own::Server;

use super::{connect, plan, provision_new, provision_seen, settings, single::Single};
use crate::suite::{
    Bounds, Harness,
    tools::{append, conversation, deliveries, end, id, shard, take, until, within},
};

fn sentence<T: std::fmt::Debug>(result: Result<T, LogError>) -> String {
    match result {
        Err(LogError::Rejected(sentence)) => sentence,
        other => panic!("a sentence is expected: {other:?}"),
    }
}

fn position(epoch: u32, sequence: u64) -> Position {
    Position::new(Epoch::new(epoch).unwrap(), sequence).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_run_changes_nothing() {
    let server = Server::start().await;
    let (settings, plan, monitors) =
        (settings(vec![server.url()], 1), plan(Bounds::default()), [server.monitor()]);
    let first = provision_new(&settings, &plan, &monitors).await.unwrap();
    assert_eq!(
        first.changes.len(),
        7,
        "two shards with two groups each, and the dead letters: {first}"
    );
    for monitors in [&monitors[..], &[]] {
        assert_eq!(provision_new(&settings, &plan, monitors).await.unwrap().changes, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_do_no_harm() {
    let server = Server::start().await;
    let (settings, plan, monitors) =
        (settings(vec![server.url()], 1), plan(Bounds::default()), [server.monitor()]);
    let runs = (0..4).map(|_| provision_new(&settings, &plan, &monitors));
    for run in within("four runs", futures_util::future::join_all(runs)).await {
        run.unwrap();
    }
    let log = connect(&settings).await.unwrap();
    assert_eq!(
        log.state(shard(&(std::sync::Arc::new(log.clone()) as _))).await.unwrap().end,
        position(1, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_brought_into_line_and_what_was_appended_stays() {
    let mut single = Single::fresh(Bounds::default()).await;
    let last = append(&single.log(), "before").await;
    let mut raw = single.server.raw().await;
    raw.change_stream(&single.stream(), |config| {
        config["discard"] = "old".into();
        config["max_bytes"] = 5_000_000.into();
        config["description"] = "of the operator".into();
    })
    .await;
    assert!(sentence(connect(&single.settings).await).contains("discards"));

    let report = provision_new(&single.settings, &plan(Bounds::default()), &[]).await.unwrap();
    assert_eq!(report.changes.len(), 1, "{report}");
    let config = raw.api(&format!("STREAM.INFO.{}", single.stream()), "").await["config"].take();
    assert_eq!(
        (&config["discard"], &config["description"]),
        (&"new".into(), &"of the operator".into())
    );
    single.log = connect(&single.settings).await.unwrap();
    assert_eq!(end(&single.log()).await, last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_stream_gets_an_epoch_above_every_one_the_store_has_seen() {
    let server = Server::start().await;
    let (settings, plan, monitors) =
        (settings(vec![server.url()], 1), plan(Bounds::default()), [server.monitor()]);
    provision_seen(&settings, &plan, &monitors, Renew::Nothing, Some(position(6, 1000)))
        .await
        .unwrap();
    let log: std::sync::Arc<dyn EventLog> = std::sync::Arc::new(connect(&settings).await.unwrap());
    assert_eq!(append(&log, "first").await, position(7, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_before_what_the_store_noted_is_refused_until_it_is_renewed() {
    let mut single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    for number in 0..3 {
        append(&log, number).await;
    }
    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 3).await;
    reader.ack(&taken[..1]).await.unwrap();
    let (last, seen) = (end(&log).await, position(1, 9));
    let plan = plan(Bounds::default());

    // What the store has seen lies at the end: all is well.
    assert_eq!(
        single.log.check_seen(|_| Some(last)).await.err(),
        Some(refused_elsewhere(&single).await)
    );
    let mine = shard(&log);
    let of_mine = |seen| move |shard| (shard == mine).then_some(seen);
    single.log.check_seen(of_mine(last)).await.unwrap();
    let refused = sentence(single.log.check_seen(of_mine(seen)).await);
    assert!(refused.contains("has seen 1:9") && refused.contains("renew"), "{refused}");
    let refused =
        sentence(provision_seen(&single.settings, &plan, &[], Renew::Nothing, Some(seen)).await);
    assert!(refused.contains("has seen 1:9") && refused.contains("renew"), "{refused}");

    let report = provision_seen(
        &single.settings,
        &plan,
        &[single.server.monitor()],
        Renew::Behind,
        Some(seen),
    )
    .await
    .unwrap();
    assert!(report.to_string().contains("2 of its entries were not acknowledged"), "{report}");
    // A process that still has the old stream is told, and takes nothing more.
    assert!(sentence(log.state(mine).await).contains("restart"));
    #[expect(clippy::disallowed_methods, reason = "the log's own test")]
    let late = log.append(&NewEntry::new(conversation(1), id(), "late".into())).await;
    assert!(matches!(late, Err(LogError::Rejected(_))), "{late:?}");
    assert!(matches!(
        log.tail(mine, parlor_log::Start::End).await.err(),
        Some(LogError::Rejected(_))
    ));

    single.log = connect(&single.settings).await.unwrap();
    assert_eq!(append(&single.log(), "after").await, position(2, 1));
    single.log.check_seen(of_mine(seen)).await.unwrap();
    let mut raw = single.server.raw().await;
    let old = raw.api(&format!("STREAM.INFO.CHAT_{mine}_1"), "").await;
    assert_eq!(old["state"]["messages"], 3, "the old one is kept");
    assert_eq!(old["config"]["subjects"][0], format!("old.1.chat.{mine}.*.*"));
    let again =
        provision_seen(&single.settings, &plan, &[], Renew::Behind, Some(seen)).await.unwrap();
    assert_eq!(again.changes, [""; 0]);
}

/// The error of the shard that the tests' tenant does not live in, which is empty.
async fn refused_elsewhere(single: &Single) -> LogError {
    let other = single.log.shards().all().find(|other| *other != shard(&single.log())).unwrap();
    single.log.check_seen(|shard| (shard == other).then(|| position(1, 3))).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_was_interrupted_is_finished_by_the_next_run() {
    let mut single = Single::fresh(Bounds::default()).await;
    append(&single.log(), "old").await;
    let (stream, mine) = (single.stream(), shard(&single.log()));
    let mut raw = single.server.raw().await;
    raw.change_stream(&stream, |config| {
        config["subjects"] = vec![format!("old.1.chat.{mine}.*.*")].into()
    })
    .await;
    assert!(sentence(connect(&single.settings).await).contains("listens to"));
    provision_new(&single.settings, &plan(Bounds::default()), &[single.server.monitor()])
        .await
        .unwrap();
    single.log = connect(&single.settings).await.unwrap();
    assert_eq!(append(&single.log(), "new").await, position(2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_fsync_every_message_is_refused_unless_that_is_allowed() {
    let server = Server::start_unsynced().await;
    let (settings, plan, monitors) =
        (settings(vec![server.url()], 1), plan(Bounds::default()), [server.monitor()]);
    let refused = sentence(provision_new(&settings, &plan, &monitors).await);
    assert!(refused.contains("does not fsync"), "{refused}");
    // Nobody told, nobody knows: the streams are made, and the roles refuse them.
    let refused = sentence(provision_new(&settings, &plan, &[]).await);
    assert!(refused.contains("unknown") && refused.contains("allow_unsynced"), "{refused}");
    assert!(sentence(connect(&settings).await).contains("unknown"));

    let allowed = JetStreamSettings { allow_unsynced: true, ..settings.clone() };
    provision_new(&allowed, &plan, &monitors).await.unwrap();
    connect(&allowed).await.unwrap();
    assert!(sentence(connect(&settings).await).contains("\"no\""), "what was found is noted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_servers_cannot_give_is_a_sentence() {
    let server = Server::start().await;
    let (one, monitors) = (settings(vec![server.url()], 1), [server.monitor()]);
    let huge = plan(Bounds { max_bytes: 60_000_000_000, ..Bounds::default() });
    let refused = sentence(provision_new(&one, &huge, &monitors).await);
    assert!(refused.contains("max_file_store"), "{refused}");
    let refused = sentence(
        provision_new(&settings(vec![server.url()], 3), &plan(Bounds::default()), &monitors).await,
    );
    assert!(refused.contains("replicas"), "{refused}");
    let fewer = JetStreamSettings { shards: std::num::NonZeroU16::MIN, ..one.clone() };
    let larger = plan(Bounds::default());
    provision_new(&one, &larger, &monitors).await.unwrap();
    let refused = sentence(provision_new(&fewer, &larger, &monitors).await);
    assert!(refused.contains("nats.shards"), "{refused}");
    let refused = provision_new(&one, &larger, &["127.0.0.1:1".to_owned()]).await;
    assert!(matches!(refused, Err(LogError::Unavailable(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_do_not_meet() {
    let server = Server::start().await;
    let monitors = [server.monitor()];
    let mut logs: Vec<std::sync::Arc<dyn EventLog>> = Vec::new();
    for namespace in ["", "a", "a-b"] {
        let settings = JetStreamSettings {
            namespace: namespace.to_owned(),
            ..settings(vec![server.url()], 1)
        };
        provision_new(&settings, &plan(Bounds::default()), &monitors).await.unwrap();
        logs.push(std::sync::Arc::new(connect(&settings).await.unwrap()));
    }
    for log in &logs {
        assert_eq!(append(log, "one").await, position(1, 1));
        assert_eq!(
            take(&mut log.deliveries(shard(log), PERSISTER).await.unwrap(), 1).await.len(),
            1
        );
    }
}

/// Streams and store were restored together, so that nothing tells that positions after the backup
/// were given before.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_every_shard_goes_on_in_a_new_epoch_and_incarnation() {
    let single = Single::fresh(Bounds::default()).await;
    let log = single.log();
    let last = append(&log, "of the backup").await;
    assert!(single.log.incarnation().is_empty());
    let (plan, monitors) = (plan(Bounds::default()), [single.server.monitor()]);
    let restore = async || {
        provision_seen(&single.settings, &plan, &monitors, Renew::Everything, Some(last)).await
    };
    let refused = sentence(restore().await);
    assert!(refused.contains("1 entries") && refused.contains("not stored yet"), "{refused}");

    let mut reader = deliveries(&log).await;
    let taken = take(&mut reader, 1).await;
    reader.ack(&taken).await.unwrap();
    until("it is restored", async || restore().await.is_ok()).await;
    let second = connect(&single.settings).await.unwrap();
    assert_eq!(end(&(std::sync::Arc::new(second.clone()) as _)).await, position(2, 0));
    assert!(!second.incarnation().is_empty());

    // Another restore comes to another incarnation, and a renewal inherits it.
    restore().await.unwrap();
    let third = connect(&single.settings).await.unwrap();
    assert_ne!(third.incarnation(), second.incarnation());
    let seen = Some(position(3, 9));
    provision_seen(&single.settings, &plan, &monitors, Renew::Behind, seen).await.unwrap();
    let renewed = connect(&single.settings).await.unwrap();
    assert_eq!(renewed.incarnation(), third.incarnation());
    let renewed: std::sync::Arc<dyn EventLog> = std::sync::Arc::new(renewed);
    assert_eq!(append(&renewed, "after").await, position(4, 1));
}
