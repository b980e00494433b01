//! The inbox, while the log does not answer.

use std::sync::Arc;

use parlor_common::{clock::Timestamp, metrics::Registry, position::Position};
use parlor_store::InboxFilter;
use parlor_testbed::{faulty::log::FaultyLog, installation::history};

use crate::world::{STORE_DEADLINE, World, tenant};

#[tokio::test]
async fn what_is_stored_is_there_without_the_log() {
    let world = World::new().await;
    world.say(1, "one").await;
    world.persist(1).await;
    world.say(2, "two").await;
    let (log, monitor) = (FaultyLog::over(Arc::new(world.at.log.clone())), world.monitor().await);
    let log = Arc::new(log);
    let history =
        history(log.clone(), world.at.store.clone(), monitor, STORE_DEADLINE, &Registry::new());
    let previews = async || {
        let (all, now) = (InboxFilter::default(), Timestamp::from_millis(0));
        let page = history.inbox(&tenant(), &all, now, Position::MAX, 9).await.unwrap();
        let last = page.rows.into_iter().filter_map(|row| row.state.last);
        last.map(|last| last.preview).collect::<Vec<_>>()
    };
    assert_eq!(previews().await, ["two", "one"]);
    log.silence_reads();
    assert_eq!(previews().await, ["one"]);
}
