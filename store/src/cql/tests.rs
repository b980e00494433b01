//! Rows that this version would not have left so: written by others, by halves, or after a delete.
//! On a real server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parlor_common::{
    author::{Author, AuthorKind},
    clock::Timestamp,
    event::{Body, MessageBody, Record, Transport},
    id::{ClientMessageId, ConversationId},
    position::Epoch,
    state::Reader,
};
use scylla::client::session::Session;
use tokio::sync::OnceCell;

use super::*;

/// A store, and a session that writes what the store would not.
struct Bench {
    store: CqlStore,
    metrics: Metrics,
    session: Session,
    settings: CqlSettings,
    conversation: ConversationKey,
}

impl Bench {
    /// On a keyspace that is this run's own, with a tenant that is the test's own.
    #[expect(clippy::disallowed_methods, reason = "a test is told where its server is")]
    async fn new(tenant: &str) -> Self {
        static PROVISIONED: OnceCell<CqlSettings> = OnceCell::const_new();
        let provision = || async {
            let node = std::env::var("PARLOR_TEST_CQL").expect(
                "PARLOR_TEST_CQL must name a CQL server, host:port: `scripts/servers up cql` \
                 starts one, \
                 `scripts/servers env` tells its address",
            );
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            let settings = CqlSettings {
                nodes: vec![node],
                keyspace: format!("parlor_test_{now:x}_{}_rows", std::process::id()),
                replication_factor: 1,
                request_timeout: Duration::from_secs(10),
                ..CqlSettings::default()
            };
            CqlStore::provision(&settings).await.unwrap();
            settings
        };
        let settings = PROVISIONED.get_or_init(provision).await;
        let metrics = Metrics::unregistered();
        Self {
            store: CqlStore::connect(settings, metrics.clone()).await.unwrap(),
            metrics,
            session: connection::open(settings, settings.request_timeout).await.unwrap(),
            settings: settings.clone(),
            conversation: ConversationKey {
                tenant: TenantId::parse(tenant).unwrap(),
                id: ConversationId::from_bytes([1; 16]),
            },
        }
    }

    async fn cql(&self, statement: &str) {
        self.session
            .query_unpaged(statement.replace("{}", &self.settings.keyspace), ())
            .await
            .unwrap();
    }

    /// The columns that a message's key has, as literals.
    fn key_of(&self, sequence: u64) -> String {
        let (ConversationKey { tenant, id }, position) = (&self.conversation, at(sequence));
        format!("'{tenant}', 0x{id}, {}, {}", bucket_of(position), position.as_i64())
    }

    #[expect(clippy::disallowed_methods, reason = "the tests are the store's own caller")]
    async fn insert(&self, sequences: &[u64]) {
        let events: Vec<_> = sequences.iter().map(|&sequence| self.event(sequence)).collect();
        self.store.insert(&events).await.unwrap();
    }

    fn event(&self, sequence: u64) -> Event {
        let record = Record {
            id: EventId::from_bytes([u8::try_from(sequence).unwrap(); 16]),
            author: Author { kind: AuthorKind::Agent, id: "a".to_owned(), name: None },
            session: None,
            transport: Transport::Rest,
            at: Timestamp::from_millis(0),
            arrived: Timestamp::from_millis(0),
            acceptance: 0,
            body: Body::Message(MessageBody {
                text: format!("message {sequence}"),
                client_message_id: ClientMessageId::parse("m").unwrap(),
            }),
        };
        let raw = record.encode().unwrap();
        Event { conversation: self.conversation.clone(), position: at(sequence), record, raw }
    }

    async fn newest(&self, limit: usize) -> (Vec<u64>, bool) {
        let page = self
            .store
            .page(&self.conversation, Audience::Visitor, PageRange::Before(Position::MAX), limit)
            .await
            .unwrap();
        (page.events.iter().map(|event| event.position.sequence()).collect(), page.more)
    }

    async fn inbox(&self) -> Vec<(u64, String)> {
        let (tenant, now) = (&self.conversation.tenant, Timestamp::from_millis(0));
        let all = InboxFilter::default();
        let page = self.store.inbox(tenant, &all, now, Position::MAX, 10).await.unwrap();
        let last = page.rows.into_iter().filter_map(|row| row.state.last);
        last.map(|last| (last.position.sequence(), last.preview)).collect()
    }
}

fn at(sequence: u64) -> Position {
    Position::new(Epoch::FIRST, sequence).unwrap()
}

#[tokio::test]
async fn a_row_without_its_record_is_absent_and_one_that_cannot_be_read_is_skipped() {
    let t = Bench::new("absent").await;
    t.insert(&[1, 2, 3, 4]).await;
    let columns = "INSERT INTO {}.messages (tenant, conversation, bucket, position";
    t.cql(&format!("{columns}) VALUES ({})", t.key_of(5))).await;
    t.cql(&format!("{columns}, record) VALUES ({}, 0x7b)", t.key_of(3))).await;
    assert_eq!(t.newest(2).await, (vec![2, 4], true), "the next ones take their places");
    assert_eq!(t.newest(3).await, (vec![1, 2, 4], false));
    assert!(t.store.find(&t.conversation, &t.event(3).record.id).await.unwrap().is_none());
    assert!(t.metrics.skipped_rows.get() >= 3);
}

#[tokio::test]
async fn a_bucket_that_is_listed_and_empty_ends_no_page() {
    let t = Bench::new("empty-buckets").await;
    t.insert(&[1]).await;
    for bucket in 1..100 {
        let (ConversationKey { tenant, id }, first) = (&t.conversation, bucket_of(at(1)));
        let columns = "INSERT INTO {}.conversation_buckets (tenant, conversation, bucket)";
        t.cql(&format!("{columns} VALUES ('{tenant}', 0x{id}, {})", first + bucket)).await;
    }
    assert_eq!(t.newest(2).await, (vec![1], false));
}

#[tokio::test]
async fn a_conversation_whose_own_row_is_behind_its_day_stays_listed() {
    let t = Bench::new("behind").await;
    t.insert(&[1]).await;
    let ConversationKey { tenant, id } = &t.conversation;
    let later = at(2).as_i64();
    let columns = "INSERT INTO {}.inbox (tenant, day, conversation, position)";
    t.cql(&format!("{columns} VALUES ('{tenant}', 0, 0x{id}, {later}) USING TIMESTAMP {later}"))
        .await;
    assert_eq!(t.inbox().await, [(1, "message 1".to_owned())]);
    t.insert(&[2]).await;
    assert_eq!(t.inbox().await, [(2, "message 2".to_owned())]);
}

#[tokio::test]
async fn a_conversation_whose_own_row_is_ahead_of_its_day_is_listed_where_it_is() {
    let t = Bench::new("ahead").await;
    t.insert(&[1]).await;
    let ConversationKey { tenant, id } = &t.conversation;
    let later = at(9).as_i64();
    let columns = "INSERT INTO {}.conversations (tenant, conversation, position, preview)";
    t.cql(&format!(
        "{columns} VALUES ('{tenant}', 0x{id}, {later}, 'ahead') USING TIMESTAMP {later}"
    ))
    .await;
    assert_eq!(t.inbox().await, [(9, "ahead".to_owned())]);
    // A row that a delete left without its position is not there.
    t.cql(&format!(
        "DELETE position FROM {{}}.conversations WHERE tenant = '{tenant}' AND \
        conversation = 0x{id}"
    ))
    .await;
    assert_eq!(t.inbox().await, []);
}

#[tokio::test]
async fn a_keyspace_of_another_version_is_refused_with_a_sentence() {
    let t = Bench::new("version").await;
    let settings =
        CqlSettings { keyspace: format!("{}_later", t.settings.keyspace), ..t.settings.clone() };
    CqlStore::provision(&settings).await.unwrap();
    let later =
        format!("UPDATE {}.schema_version SET version = 4 WHERE part = 'store'", settings.keyspace);
    t.cql(&later).await;
    for refused in [
        CqlStore::connect(&settings, Metrics::unregistered()).await.map(drop),
        CqlStore::provision(&settings).await,
    ] {
        let Err(StoreError::Rejected(sentence)) = refused else { panic!("{refused:?}") };
        assert!(sentence.contains("its schema is 4, this version knows 3"), "{sentence}");
    }
}

#[tokio::test]
async fn a_keyspace_of_version_1_is_upgraded_with_what_it_has() {
    let t = Bench::new("first").await;
    let keyspace = format!("{}_first", t.settings.keyspace);
    let settings = CqlSettings { keyspace: keyspace.clone(), ..t.settings.clone() };
    let of_it = |statement: &str| statement.replace("{first}", &keyspace);
    for statement in [
        "CREATE KEYSPACE {first} WITH replication = {'class': 'SimpleStrategy', \
         'replication_factor': 1}",
        "CREATE TABLE {first}.schema_version (part text PRIMARY KEY, version int)",
        "CREATE TABLE {first}.shards (shard int PRIMARY KEY, position bigint)",
        "CREATE TABLE {first}.conversations (tenant text, conversation blob, position bigint, at \
         bigint, preview text, sender text, visitor blob, PRIMARY KEY ((tenant, conversation)))",
        "INSERT INTO {first}.schema_version (part, version) VALUES ('store', 1) USING TIMESTAMP 1",
        &format!("INSERT INTO {{first}}.shards (shard, position) VALUES (0, {})", at(7).as_i64()),
    ] {
        t.session.query_unpaged(of_it(statement), ()).await.unwrap();
    }
    let refused = CqlStore::connect(&settings, Metrics::unregistered()).await;
    assert!(matches!(refused, Err(StoreError::Rejected(_))));
    for _ in 0..2 {
        CqlStore::provision(&settings).await.unwrap();
    }
    let store = CqlStore::connect(&settings, Metrics::unregistered()).await.unwrap();
    assert_eq!(store.watermark(Shard::ONLY).await.unwrap(), Some(at(7)));
    assert_eq!(store.state(&t.conversation).await.unwrap(), ConversationState::default());
}

#[tokio::test]
async fn a_keyspace_of_version_2_is_upgraded_with_what_it_has() {
    let t = Bench::new("second").await;
    let keyspace = format!("{}_second", t.settings.keyspace);
    let settings = CqlSettings { keyspace: keyspace.clone(), ..t.settings.clone() };
    let of_it = |statement: &str| statement.replace("{second}", &keyspace);
    let ConversationKey { tenant, id } = &t.conversation;
    let (up_to, last) = (at(7).as_i64(), at(9).as_i64());
    for statement in [
        "CREATE KEYSPACE {second} WITH replication = {'class': 'SimpleStrategy', \
         'replication_factor': 1}",
        "CREATE TABLE {second}.schema_version (part text PRIMARY KEY, version int)",
        "CREATE TABLE {second}.conversations (tenant text, conversation blob, position bigint, at \
         bigint, preview text, sender text, visitor blob, delivered map<text, bigint>, PRIMARY \
         KEY ((tenant, conversation)))",
        "INSERT INTO {second}.schema_version (part, version) VALUES ('store', 2) USING TIMESTAMP 2",
        &format!(
            "INSERT INTO {{second}}.conversations (tenant, conversation, position, at, preview, \
             sender, visitor, delivered) VALUES ('{tenant}', 0x{id}, {last}, 5, 'hi', 'user', \
             0x{id}, {{'visitor': {up_to}}}) USING TIMESTAMP {last}"
        ),
    ] {
        t.session.query_unpaged(of_it(statement), ()).await.unwrap();
    }
    for _ in 0..2 {
        CqlStore::provision(&settings).await.unwrap();
    }
    let store = CqlStore::connect(&settings, Metrics::unregistered()).await.unwrap();
    let state = store.state(&t.conversation).await.unwrap();
    assert_eq!(state.delivered(Reader::Visitor), at(7));
    assert_eq!(state.of_visitor.map(|last| last.position), Some(at(9)));
    assert_eq!(
        state.last.map(|last| (last.position, last.preview)),
        Some((at(9), "hi".to_owned()))
    );
}
