//! An installation of the tests' own: nodes of each tier, on real servers, sharing nothing with
//! other tests.

use std::{fs, path::Path};

use parlor_common::{
    conversation::ConversationKey, event::Audience, id::EventId, metrics::Registry,
    position::Position,
};
use parlor_store::{CqlSettings, CqlStore, HistoryStore, Metrics, PageRange};
use tempfile::TempDir;

use parlor_testbed::{
    nodes::{Ended, Parlor, Variables, run},
    servers::given,
};

/// The nodes, with a keyspace and a namespace of streams of their own.
pub(crate) struct Installation {
    pub(crate) folder: TempDir,
    name: String,
    variables: Variables,
    pub(crate) ingress: Vec<Parlor>,
    pub(crate) fanout: Parlor,
    pub(crate) persister: Parlor,
}

/// Where an installation finds its servers.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    pub(crate) nats: String,
    pub(crate) cql: String,
}

// === impl Servers ===

impl Servers {
    /// The servers that scripts/test starts.
    pub(crate) fn given() -> Self {
        Self { nats: given("PARLOR_TEST_NATS"), cql: given("PARLOR_TEST_CQL") }
    }
}

// === impl Installation ===

impl Installation {
    /// Provisions and starts two ingress nodes, a fanout and a persister.
    pub(crate) async fn start(servers: &Servers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = fresh_name();
        let variables = variables(folder.path(), &name, servers);
        let provisioned = provision(folder.path(), &variables);
        assert_eq!(provisioned.status, Some(0), "{provisioned:?}");
        let start = |role| Parlor::start(folder.path(), Some(role), &variables);
        let ingress = vec![start("ingress").await, start("ingress").await];
        let (fanout, persister) = (start("fanout").await, start("persister").await);
        Self { folder, name, variables, ingress, fanout, persister }
    }

    /// A development token of `tenant`'s agent.
    pub(crate) fn token(&self, tenant: &str) -> String {
        self.token_of(tenant, "ann")
    }

    /// A token of the agent with this id.
    pub(crate) fn token_of(&self, tenant: &str, agent: &str) -> String {
        let minted = run(
            self.folder.path(),
            &["token", "--tenant", tenant, "--agent", agent],
            &self.variables,
        );
        assert_eq!(minted.status, Some(0), "{minted:?}");
        minted.stdout.trim().to_owned()
    }

    /// The events of a conversation as the database has them; straight from it, whatever stands
    /// between it and the nodes.
    pub(crate) async fn rows(&self, conversation: &ConversationKey) -> Vec<EventId> {
        let settings = CqlSettings {
            nodes: vec![given("PARLOR_TEST_CQL")],
            keyspace: keyspace(&self.name),
            replication_factor: 1,
            ..CqlSettings::default()
        };
        let store =
            CqlStore::connect(&settings, Metrics::new(&Registry::new()).unwrap()).await.unwrap();
        let page = store
            .page(conversation, Audience::Agents, PageRange::Before(Position::MAX), 1000)
            .await
            .unwrap();
        page.events.iter().map(|event| event.record.id).collect()
    }
}

/// What is in the environment of every node.
pub(crate) fn variables(folder: &Path, name: &str, servers: &Servers) -> Variables {
    let secret = folder.join("secret");
    fs::write(&secret, "a secret of this installation, of 32 bytes or more").unwrap();
    vec![
        ("PARLOR_SECRETS__CURRENT_FILE", secret.to_str().unwrap().to_owned()),
        ("PARLOR_NATS__URLS", format!("[{:?}]", servers.nats)),
        ("PARLOR_NATS__NAMESPACE", name.to_owned()),
        ("PARLOR_NATS__SHARDS", "4".to_owned()),
        ("PARLOR_NATS__REPLICAS", "1".to_owned()),
        ("PARLOR_CQL__NODES", format!("[{:?}]", servers.cql)),
        ("PARLOR_CQL__KEYSPACE", keyspace(name)),
        ("PARLOR_CQL__REPLICATION_FACTOR", "1".to_owned()),
        ("PARLOR_DRAIN__LINGER", "100ms".to_owned()),
    ]
}

/// A name that no earlier run of the tests had: the servers may outlive it.
pub(crate) fn fresh_name() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("t{}", since.as_nanos())
}

fn keyspace(name: &str) -> String {
    format!("parlor_{name}")
}

/// `parlor provision`, which may ask the servers' monitoring address.
pub(crate) fn provision(folder: &Path, variables: &Variables) -> Ended {
    let mut variables = variables.clone();
    variables
        .push(("PARLOR_PROVISION__MONITORS", format!("[{:?}]", given("PARLOR_TEST_NATS_MONITOR"))));
    run(folder, &["provision"], &variables)
}
