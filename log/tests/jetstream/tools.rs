//! What the tests with faults share.

use std::sync::Arc;

use parlor_common::position::Position;
use parlor_log::{EventLog, LogError};
use parlor_testbed::servers::{own::Cluster, raw::Raw};

use crate::suite::tools::{conversation, id, record, shard, try_append, until};

/// Appends as a client does: again under the same id.
pub(crate) async fn append_patiently(log: &Arc<dyn EventLog>, text: impl ToString) -> Position {
    let (id, record) = (id(), record(text));
    loop {
        match try_append(log, &conversation(1), &id, record.clone()).await {
            Ok(appended) => return appended.position,
            Err(LogError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whether the log says that it has come so far.
pub(crate) async fn reaches(log: &Arc<dyn EventLog>, position: Position) -> bool {
    log.state(shard(log)).await.is_ok_and(|state| state.end >= position)
}

pub(crate) async fn healthy(cluster: &mut Cluster) {
    for server in &cluster.servers {
        let url = server.url();
        until("the server is healthy", async || Raw::is_healthy(&url).await).await;
    }
}
