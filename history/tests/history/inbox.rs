//! The inbox, while the log does not answer.

use std::sync::Arc;

use parlor_common::{metrics::Registry, position::Position};
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
        let page = history.inbox(&tenant(), Position::MAX, 9).await.unwrap();
        page.rows.into_iter().map(|row| row.preview).collect::<Vec<_>>()
    };
    assert_eq!(previews().await, ["two", "one"]);
    log.silence_reads();
    assert_eq!(previews().await, ["one"]);
}
