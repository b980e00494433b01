//! The CQL store: the suite, and provisioning.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parlor_common::position::Position;
use parlor_store::{CqlSettings, CqlStore, StoreError};
use tokio::sync::OnceCell;

use super::{
    metrics::unregistered,
    sweep::{PREFIX, sweep},
};
use crate::suite::harness::{Harness, at, sequences};

suite!(harness);

/// Settings of a keyspace that is this run's own and was provisioned.
pub(crate) async fn provisioned() -> CqlSettings {
    static PROVISIONED: OnceCell<CqlSettings> = OnceCell::const_new();
    let provision = || async {
        let settings = settings("suite");
        // What cannot be swept away troubles the next runs, not this one.
        if let Err(error) = sweep(&settings.nodes[0]) {
            eprintln!("keyspaces of earlier runs are still there: {error}");
        }
        CqlStore::provision(&settings).await.unwrap();
        settings
    };
    PROVISIONED.get_or_init(provision).await.clone()
}

async fn harness() -> Harness {
    let store = CqlStore::connect(&provisioned().await, unregistered()).await.unwrap();
    Harness::new(store, ())
}

/// Settings of a keyspace of this run that is not there yet.
fn settings(purpose: &str) -> CqlSettings {
    parlor_testbed::planted::begin();
    let node = std::env::var("PARLOR_TEST_CQL").expect(
        "PARLOR_TEST_CQL must name a CQL server, host:port: `scripts/servers up cql` starts one, \
         `scripts/servers env` \
         tells its address",
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    CqlSettings {
        nodes: vec![node],
        keyspace: format!("{PREFIX}{now:x}_{}_{purpose}", std::process::id()),
        replication_factor: 1,
        // Generous: on a small machine the server shares its cores with the tests.
        request_timeout: Duration::from_secs(10),
        ..CqlSettings::default()
    }
}

#[tokio::test]
async fn a_keyspace_that_was_not_provisioned_is_refused_with_a_sentence() {
    let refused = CqlStore::connect(&settings("absent"), unregistered()).await.unwrap_err();
    let StoreError::Rejected(sentence) = refused else { panic!("{refused}") };
    assert!(sentence.contains("run `parlor provision` first"), "{sentence}");
}

#[tokio::test]
async fn provisioning_again_or_twice_at_once_changes_nothing() {
    let settings = settings("twice");
    let (first, second) =
        tokio::join!(CqlStore::provision(&settings), CqlStore::provision(&settings));
    assert_eq!((first, second), (Ok(()), Ok(())));
    let t = Harness::new(CqlStore::connect(&settings, unregistered()).await.unwrap(), ());
    t.insert(&t.messages(1, [1, 2])).await;
    CqlStore::provision(&settings).await.unwrap();
    assert_eq!(sequences(&t.before(1, Position::MAX, 10).await), [1, 2]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = CqlSettings { nodes: vec![nobody.to_string()], ..settings("nobody") };
    assert!(matches!(
        CqlStore::connect(&settings, unregistered()).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(CqlStore::provision(&settings).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn small_batches_keep_the_same() {
    let settings =
        CqlSettings { batch_rows: 2, batch_bytes: 1, in_flight: 1, ..provisioned().await };
    let t = Harness::new(CqlStore::connect(&settings, unregistered()).await.unwrap(), ());
    t.insert(&t.messages(1, 1..=20)).await;
    assert_eq!(sequences(&t.before(1, Position::MAX, 50).await), (1..=20).collect::<Vec<_>>());
    assert_eq!(t.inbox(Position::MAX, 10).await.rows[0].position(), at(20));
}
