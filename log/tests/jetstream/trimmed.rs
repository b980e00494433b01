//! What a purge does to a duplicate window, and to a page that is being read.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parlor_common::position::Position;
use parlor_log::{EventLog, Filter, PERSISTER, Trim, jetstream::JetStreamSettings};
use parlor_testbed::network::nats::NatsProxy;

use super::{connect, single::Single};
use crate::suite::{
    Bounds, Harness,
    tools::{
        SECOND_GROUP, append, conversation, deliveries_of, id, positions, shard, take, tenant,
        try_append, until, within,
    },
};

async fn acknowledge(log: &Arc<dyn EventLog>, count: usize) {
    for group in [PERSISTER, SECOND_GROUP] {
        let mut reader = deliveries_of(log, group).await;
        let taken = take(&mut reader, count).await;
        within("acks", reader.ack(&taken)).await.unwrap();
    }
}

async fn trim(log: &Arc<dyn EventLog>, through: Position) -> u64 {
    let trim = Trim { through, down_to: 0, keep: Duration::ZERO };
    within("a trim", log.trim(shard(log), trim)).await.unwrap()
}

/// A server makes its duplicate window from its stream when it starts: an id that was purged within
/// the window is taken again, so that a trim must leave the window alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_known_after_a_restart_because_a_trim_leaves_the_window_alone() {
    let mut single = Single::fresh(Bounds::default()).await;
    let young = single.log();
    let again = id();
    let append_again = async |log: &Arc<dyn EventLog>| {
        let appending = async || {
            let text = Bytes::from("again");
            try_append(log, &conversation(1), &again, text).await.ok()
        };
        loop {
            if let Some(appended) = appending().await {
                return appended;
            }
        }
    };
    let first = append_again(&young).await;
    let last = append(&young, "last").await;
    acknowledge(&young, 2).await;
    assert_eq!(trim(&young, last).await, 0, "it is within the window");
    single.reopen().await;
    let appended = append_again(&young).await;
    assert_eq!((appended.position, appended.duplicate), (first.position, true));

    // The trap itself, where the log is made to believe that they are old.
    single.age().await;
    let old = single.log();
    until("it is trimmed", async || trim(&old, last).await > 0).await;
    let known = append_again(&young).await;
    assert_eq!((known.position, known.duplicate), (first.position, true), "the window knows it");
    single.reopen().await;
    let taken = append_again(&young).await;
    assert!(!taken.duplicate && taken.position > last, "the window was made anew: {taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_trimmed_while_it_is_read_begins_after_what_went() {
    let single = Single::fresh(Bounds::default()).await;
    let proxy = NatsProxy::before(&single.server.url()).await;
    let behind = JetStreamSettings { urls: vec![proxy.url()], ..single.settings.clone() };
    let reader: Arc<dyn EventLog> = Arc::new(connect(&behind).await.unwrap());
    let mut appended = Vec::new();
    for number in 0..10 {
        appended.push(append(&single.log(), number).await);
    }
    // No replica answers, so that the leader is asked a second later: meanwhile five go.
    proxy.lose(Some("Nats-Num-Pending: "));
    let (filter, start) = (Filter::Tenant(tenant()), appended[0].before());
    let trimming = async {
        until("a replica was asked", async || proxy.lost() > 0).await;
        let mut raw = single.server.raw().await;
        let purge = format!("STREAM.PURGE.{}", single.stream());
        let answer = within("a purge", raw.api(&purge, r#"{"seq":6}"#)).await;
        assert_eq!(answer["purged"], 5);
    };
    let (page, ()) = tokio::join!(reader.read(&filter, start, 100), trimming);
    let page = page.unwrap();
    assert_eq!((page.from, page.through), (appended[4], appended[9]));
    assert_eq!(positions(&page.entries), appended[5..]);
}
