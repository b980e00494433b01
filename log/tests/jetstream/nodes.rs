//! Several nodes of one log, and one that is gone.

use std::sync::Arc;

use parlor_log::EventLog;
use parlor_testbed::servers::own::Server;

use super::{connect, plan, provision_new, settings, single::Single};
use crate::suite::{
    Bounds, Harness,
    tools::{conversation, id, record, try_append, until},
};

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
async fn a_log_that_is_dropped_leaves_no_connection() {
    let server = Server::start().await;
    let settings = settings(vec![server.url()], 1);
    provision_new(&settings, &plan(Bounds::default()), &[server.monitor()]).await.unwrap();
    let log = connect(&settings).await.unwrap();
    assert!(server.connections().await > 1);
    drop(log);
    until("only the asking one is left", async || server.connections().await == 1).await;
}
