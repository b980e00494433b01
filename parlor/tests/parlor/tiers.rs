//! Ingress, fanout and persister as processes of their own, on a real NATS server and a real CQL database.

use std::{env, fs, net::SocketAddr, path::Path, time::Duration};

use parlor_common::conversation::ConversationKey;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http::{self, Visitor},
    process::{Parlor, run},
    socket::Socket,
};

/// The nodes of an installation that shares nothing with other tests: a keyspace and a prefix of streams of its own.
struct Installation {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
    ingress: Vec<Parlor>,
    fanout: Parlor,
    persister: Parlor,
}

fn given(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: scripts/test starts the servers and sets it"))
}

impl Installation {
    async fn start(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "a secret of this installation, of 32 bytes or more").unwrap();
        let variables = vec![
            ("PARLOR_SECRETS__CURRENT_FILE", secret.to_str().unwrap().to_owned()),
            ("PARLOR_NATS__URLS", format!("[{:?}]", given("PARLOR_TEST_NATS"))),
            ("PARLOR_NATS__MONITORS", format!("[{:?}]", given("PARLOR_TEST_NATS_MONITOR"))),
            ("PARLOR_NATS__PREFIX", name.to_owned()),
            ("PARLOR_NATS__SHARDS", "4".to_owned()),
            ("PARLOR_NATS__REPLICAS", "1".to_owned()),
            ("PARLOR_CQL__NODES", format!("[{:?}]", given("PARLOR_TEST_CQL"))),
            ("PARLOR_CQL__KEYSPACE", format!("parlor_{name}")),
            ("PARLOR_CQL__REPLICATION", "1".to_owned()),
            ("PARLOR_DRAIN__LINGER", "100ms".to_owned()),
        ];
        let provisioned = run(folder.path(), &["provision"], &variables);
        assert_eq!(provisioned.status, Some(0), "{provisioned:?}");
        let start = |role| Parlor::start(folder.path(), Some(role), &variables);
        let ingress = vec![start("ingress").await, start("ingress").await];
        let (fanout, persister) = (start("fanout").await, start("persister").await);
        Self { ingress, fanout, persister, folder, variables }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Until a condition holds; fails after 20 s.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
