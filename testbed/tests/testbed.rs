//! What the testbed promises of the servers that it breaks.

use std::time::Duration;

use parlor_testbed::{
    servers::{own::Cluster, raw::Raw},
    wait::{until, until_within},
};

/// On a busy machine several elections may fail, each after some seconds.
const ELECTED_WITHIN: Duration = Duration::from_secs(180);

#[tokio::test]
async fn a_server_that_is_isolated_has_no_leader_until_it_is_reunited() {
    let cluster = Cluster::start_apart().await;
    let urls = cluster.urls();
    cluster.isolate(1);
    until("the isolated one knows no leader", async || !Raw::is_healthy(&urls[1]).await).await;
    for healthy in [&urls[0], &urls[2]] {
        let has_one = async || Raw::is_healthy(healthy).await;
        until_within(ELECTED_WITHIN, "the others have one", has_one).await;
    }
    assert!(!Raw::is_healthy(&urls[1]).await, "nobody has told it of the others");
    cluster.reunite(1);
    until("it follows again", async || Raw::is_healthy(&urls[1]).await).await;
}
