//! An append that expects something and whose acknowledgement is lost: the log sends it again by
//! itself, and its own first attempt must not be a conflict, in whichever order the servers look.

use std::sync::Arc;

use parlor_common::position::Position;
use parlor_log::{Appended, EventLog, LogError, jetstream::JetStreamSettings};
use parlor_testbed::network::nats::NatsProxy;

use super::{cluster::Clustered, connect, single::Single};
use crate::suite::{
    Bounds, Harness,
    tools::{append, conversation, end, id, record, try_append_after, until},
};

/// How an acknowledgement of an append begins; a refusal begins with its error.
const ACKNOWLEDGEMENT: &str = r#"{"stream":""#;

async fn the_first_acknowledgement_is_lost(settings: &JetStreamSettings) {
    let proxy = NatsProxy::before(&settings.urls[0]).await;
    let behind = JetStreamSettings { urls: vec![proxy.url()], ..settings.clone() };
    let log: Arc<dyn EventLog> = Arc::new(connect(&behind).await.unwrap());
    let before = append(&log, "before").await;
    proxy.lose(Some(ACKNOWLEDGEMENT));
    let own = id();
    let appending = async {
        try_append_after(&log, &conversation(1), (&own, before), record("own")).await.unwrap()
    };
    let mending = async {
        until("the acknowledgement is lost", async || proxy.lost() > 0).await;
        proxy.lose(None);
    };
    let (appended, ()) = tokio::join!(appending, mending);
    assert_eq!((appended.position, appended.duplicate), (end(&log).await, true));

    let refused = try_append_after(&log, &conversation(1), (&id(), before), record("late")).await;
    assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    assert_eq!(end(&log).await, appended.position);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_that_looks_at_the_expectation_first() {
    let harness = Single::fresh(Bounds::default()).await;
    the_first_acknowledgement_is_lost(&harness.settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_that_look_at_the_id_first() {
    let harness = Clustered::fresh(Bounds::default()).await;
    the_first_acknowledgement_is_lost(&harness.settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_no_leader_says_whether_the_own_entry_is_there_nobody_can_tell() {
    let harness = Single::fresh(Bounds::default()).await;
    let proxy = NatsProxy::before(&harness.settings.urls[0]).await;
    let behind = JetStreamSettings { urls: vec![proxy.url()], ..harness.settings.clone() };
    let log: Arc<dyn EventLog> = Arc::new(connect(&behind).await.unwrap());
    let own = id();
    let again = async || {
        try_append_after(&log, &conversation(1), (&own, Position::ZERO), record("own")).await
    };
    let first = again().await.unwrap();
    proxy.lose(Some("stream_info_response"));
    let unknown = again().await;
    assert!(matches!(unknown, Err(LogError::Unavailable(_))), "{unknown:?}");
    assert!(proxy.lost() > 0);
    proxy.lose(None);
    assert_eq!(again().await, Ok(Appended { duplicate: true, ..first }));
}
