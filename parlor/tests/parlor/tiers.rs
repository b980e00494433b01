//! Ingress, fanout and persister as processes of their own, on a real NATS server and a real CQL database.

use std::{env, fs, path::Path, time::Duration};

use parlor_common::{
    conversation::ConversationKey,
    id::{ConversationId, EventId},
    position::Position,
    telemetry::Registry,
    tenant::TenantId,
};
use parlor_store::{CqlSettings, CqlStore, HistoryStore, Metrics, PageRange};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    http::Visitor,
    process::{Ended, Parlor, run},
    socket::Socket,
};

/// The nodes of an installation that shares nothing with other tests: a keyspace and a namespace of its own.
struct Installation {
    folder: TempDir,
    name: String,
    variables: Vec<(&'static str, String)>,
    ingress: Vec<Parlor>,
    fanout: Parlor,
    persister: Parlor,
}

fn given(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: scripts/test starts the servers and sets it"))
}

/// What is in the environment of every node; the servers outlive a run of the tests, so the name is fresh.
fn variables(folder: &Path, name: &str) -> Vec<(&'static str, String)> {
    let secret = folder.join("secret");
    fs::write(&secret, "a secret of this installation, of 32 bytes or more").unwrap();
    vec![
        ("PARLOR_SECRETS__CURRENT_FILE", secret.to_str().unwrap().to_owned()),
        ("PARLOR_NATS__URLS", format!("[{:?}]", given("PARLOR_TEST_NATS"))),
        ("PARLOR_NATS__NAMESPACE", name.to_owned()),
        ("PARLOR_NATS__SHARDS", "4".to_owned()),
        ("PARLOR_NATS__REPLICAS", "1".to_owned()),
        ("PARLOR_CQL__NODES", format!("[{:?}]", given("PARLOR_TEST_CQL"))),
        ("PARLOR_CQL__KEYSPACE", format!("parlor_{name}")),
        ("PARLOR_CQL__REPLICATION_FACTOR", "1".to_owned()),
        ("PARLOR_DRAIN__LINGER", "100ms".to_owned()),
    ]
}

fn fresh_name() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    format!("t{}", since.as_nanos())
}

/// `parlor provision`, which may ask the servers' monitoring address.
fn provision(folder: &Path, variables: &[(&'static str, String)]) -> Ended {
    let mut variables = variables.to_vec();
    variables.push(("PARLOR_PROVISION__MONITORS", format!("[{:?}]", given("PARLOR_TEST_NATS_MONITOR"))));
    run(folder, &["provision"], &variables)
}

impl Installation {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = fresh_name();
        let variables = variables(folder.path(), &name);
        let provisioned = provision(folder.path(), &variables);
        assert_eq!(provisioned.status, Some(0), "{provisioned:?}");
        let start = |role| Parlor::start(folder.path(), Some(role), &variables);
        let ingress = vec![start("ingress").await, start("ingress").await];
        let (fanout, persister) = (start("fanout").await, start("persister").await);
        Self { ingress, fanout, persister, folder, name, variables }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn token(&self, tenant: &str) -> String {
        let minted = run(self.path(), &["token", "--tenant", tenant, "--agent", "ann"], &self.variables);
        assert_eq!(minted.status, Some(0), "{minted:?}");
        minted.stdout.trim().to_owned()
    }

    /// The events of a conversation as the database has them.
    async fn rows(&self, conversation: &ConversationKey) -> Vec<EventId> {
        let settings = CqlSettings {
            nodes: vec![given("PARLOR_TEST_CQL")],
            keyspace: format!("parlor_{}", self.name),
            replication_factor: 1,
            ..CqlSettings::default()
        };
        let store = CqlStore::connect(&settings, Metrics::new(&Registry::new()).unwrap()).await.unwrap();
        let page = store.page(conversation, PageRange::Before(Position::MAX), 1000).await.unwrap();
        page.events.iter().map(|event| event.record.id).collect()
    }

    /// A message POSTed at one ingress reaches a widget's socket on the other and an agent on a fanout, is in the next
    /// GET on any ingress, and once in the database.
    async fn passes_a_message(&self, visitor: &mut Visitor, earlier: &mut Vec<String>) {
        let token = self.token(&visitor.tenant);
        let mut agent = Socket::agent(self.fanout.listen, &visitor.tenant, &token, None).await;
        assert_eq!(agent.next().await["type"], "subscribed");
        let cookie = visitor.cookie.clone().expect("the visitor has written before");
        let mut widget = Socket::widget(self.ingress[1].listen, &visitor.tenant, &cookie).await;
        widget.answers_its_first_ping().await;

        let text = format!("message {}", earlier.len());
        let posted = visitor.post(self.ingress[0].listen, &json!({"text": text})).await.unwrap();
        assert_eq!(posted.status, 201, "{}", posted.body);
        earlier.push(text.clone());
        for node in &self.ingress {
            assert_eq!(visitor.texts(node.listen).await.unwrap(), *earlier);
        }
        assert_eq!(widget.next_text().await, text);
        assert_eq!(agent.next_text().await, text);

        let posted = posted.json();
        let conversation = ConversationKey {
            tenant: TenantId::parse(&visitor.tenant).unwrap(),
            id: ConversationId::parse(posted["message"]["conversationId"].as_str().unwrap()).unwrap(),
        };
        let id = EventId::parse(posted["message"]["id"].as_str().unwrap()).unwrap();
        until("the database has every message once", async || {
            let rows = self.rows(&conversation).await;
            rows.len() == earlier.len() && rows.iter().filter(|row| **row == id).count() == 1
        })
        .await;
    }
}

#[tokio::test]
async fn a_message_passes_through_all_tiers_also_after_each_was_killed() {
    let mut tiers = Installation::start().await;
    let mut visitor = Visitor::new("demo");
    let mut earlier = vec!["first".to_owned()];
    let first = visitor.post(tiers.ingress[0].listen, &json!({"text": "first"})).await.unwrap();
    assert_eq!(first.status, 201, "{}", first.body);
    tiers.passes_a_message(&mut visitor, &mut earlier).await;
    for index in 0..tiers.ingress.len() {
        tiers.ingress[index].kill_and_start_again().await;
        tiers.passes_a_message(&mut visitor, &mut earlier).await;
    }
    tiers.fanout.kill_and_start_again().await;
    tiers.passes_a_message(&mut visitor, &mut earlier).await;
    tiers.persister.kill_and_start_again().await;
    tiers.passes_a_message(&mut visitor, &mut earlier).await;
}

#[tokio::test]
async fn a_stop_of_each_tier_ends_in_order() {
    let tiers = Installation::start().await;
    for node in tiers.ingress.into_iter().chain([tiers.fanout, tiers.persister]) {
        assert!(node.stop().await.success());
    }
}

#[tokio::test]
async fn provisioning_twice_changes_nothing_and_a_role_without_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let variables = variables(folder.path(), &fresh_name());
    let unprovisioned = run(folder.path(), &["persister"], &variables);
    assert_eq!(unprovisioned.status, Some(69), "{unprovisioned:?}");
    assert!(unprovisioned.stderr.contains("parlor provision"), "{unprovisioned:?}");
    for _ in 0..2 {
        let provisioned = provision(folder.path(), &variables);
        assert_eq!(provisioned.status, Some(0), "{provisioned:?}");
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
