//! Pages that an answer is missing from, and replicas that lag.

use std::sync::Arc;

use parlor_log::{EventLog, Filter, LogError, jetstream::JetStreamSettings};
use parlor_testbed::{network::nats::NatsProxy, servers::own::Cluster};

use super::{connect, plan, provision_new, settings, single::Single};
use crate::suite::{
    Bounds, Harness,
    tools::{append, append_from_many, in_order, positions, shard, tenant, within},
};

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

/// Reads pages while one answer after the other is lost, another one each time, and counts what a
/// page lacks: it is whole, or refused.
async fn read_while_answers_are_lost(reads: usize) {
    const ENTRIES: usize = 40;
    let single = Single::fresh(Bounds::default()).await;
    let proxy = NatsProxy::before(&single.server.url()).await;
    let behind = JetStreamSettings { urls: vec![proxy.url()], ..single.settings.clone() };
    let reader: Arc<dyn EventLog> = Arc::new(connect(&behind).await.unwrap());
    let told = in_order(append_from_many(&single.log(), 4, ENTRIES / 4).await);
    let appended: Vec<_> = told.into_iter().map(|(position, _)| position).collect();
    let (filter, start) = (Filter::Tenant(tenant()), appended[0].before());
    let mut refused = 0;
    for read in 0..reads {
        // Its answer is the only one that holds this: the sequence is the position's.
        let lost = appended[read * 7 % ENTRIES].sequence();
        proxy.lose(Some(&format!("Nats-Sequence: {lost}\r\n")));
        match within("a page", reader.read(&filter, start, 100)).await {
            Ok(page) => {
                assert_eq!(positions(&page.entries), appended, "without the answer of {lost}");
                assert_eq!((page.from, page.through), (start, appended[appended.len() - 1]));
            }
            Err(LogError::Unavailable(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(proxy.lost() >= reads, "{} answers were lost", proxy.lost());
    assert!(refused < reads / 10, "{refused} of {reads} were refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_no_hole_while_answers_are_lost() {
    read_while_answers_are_lost(200).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes; the short form above is the same"]
async fn ten_thousand_pages_have_no_hole_while_answers_are_lost() {
    read_while_answers_are_lost(10_000).await;
}
