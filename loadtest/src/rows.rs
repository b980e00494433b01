//! What the database holds, read beside Parlor: the one place that knows a table.

use std::time::Duration;

use anyhow::Context;
use parlor_common::id::{ConversationId, EventId};
use scylla::{
    client::{
        PoolSize, execution_profile::ExecutionProfile, session::Session,
        session_builder::SessionBuilder,
    },
    statement::{Consistency, prepared::PreparedStatement},
};
use serde::Deserialize;

use crate::ledger::{Entry, Texts};

/// Reads rows of messages.
#[derive(Debug)]
pub(crate) struct Rows {
    session: Session,
    buckets: PreparedStatement,
    messages: PreparedStatement,
}

/// A row's record, as far as it matters here.
#[derive(Deserialize)]
struct Record {
    kind: String,
    body: Body,
}

#[derive(Deserialize)]
struct Body {
    text: Option<String>,
}

const DEADLINE: Duration = Duration::from_secs(10);

// === impl Rows ===

impl Rows {
    /// Connects to a database that has Parlor's tables in `keyspace`.
    pub(crate) async fn connect(address: &str, keyspace: &str) -> anyhow::Result<Self> {
        let profile = ExecutionProfile::builder()
            .consistency(Consistency::LocalQuorum)
            .request_timeout(Some(DEADLINE))
            .build();
        let session = SessionBuilder::new()
            .known_node(address)
            .connection_timeout(DEADLINE)
            .pool_size(PoolSize::PerHost(std::num::NonZeroUsize::MIN))
            .default_execution_profile_handle(profile.into_handle())
            .use_keyspace(keyspace, true)
            .build()
            .await
            .with_context(|| format!("the database at {address}"))?;
        let prepare = |text: &'static str| session.prepare(text);
        let buckets = prepare(
            "SELECT bucket FROM conversation_buckets WHERE tenant = ? AND conversation = ?",
        )
        .await?;
        let messages = prepare(
            "SELECT event_id, record FROM messages WHERE tenant = ? AND conversation = ? AND \
             bucket = ? \
             ORDER BY position ASC",
        )
        .await?;
        Ok(Self { session, buckets, messages })
    }

    /// The rows of a conversation, in the order of their positions.
    pub(crate) async fn of(
        &self,
        texts: &Texts,
        tenant: &str,
        id: ConversationId,
    ) -> anyhow::Result<Vec<Entry>> {
        let conversation = id.as_bytes().to_vec();
        let found = self
            .session
            .execute_unpaged(&self.buckets, (tenant, &conversation))
            .await?
            .into_rows_result()?;
        let mut buckets = found.rows::<(i64,)>()?.collect::<Result<Vec<_>, _>>()?;
        buckets.sort_unstable();
        let mut entries = Vec::new();
        for (bucket,) in buckets {
            let found = self
                .session
                .execute_unpaged(&self.messages, (tenant, &conversation, bucket))
                .await?;
            for row in found.into_rows_result()?.rows::<(Vec<u8>, Vec<u8>)>()? {
                let (id, record) = row?;
                let id: [u8; 16] = id.try_into().ok().context("an event's id has 16 bytes")?;
                let record = serde_json::from_slice::<Record>(&record).ok();
                // Histories hold messages alone, and so do the rows that are compared with them.
                if record.as_ref().is_some_and(|record| record.kind != "message") {
                    continue;
                }
                let text = record.and_then(|record| record.body.text);
                let tag = text.and_then(|text| texts.read(&text));
                entries.push(Entry { tag, id: EventId::from_bytes(id) });
            }
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use parlor_common::{
        author::{Author, AuthorKind},
        clock::Timestamp,
        event::{Body as RecordBody, MessageBody, Record, Transport},
        id::ClientMessageId,
        random::Random,
    };

    use super::*;
    use crate::ledger::{Conversation, Tag};

    /// The tables as the store has them.
    const SCHEMA: &str = include_str!("../../store/src/cql/schema.cql");

    #[expect(
        clippy::disallowed_methods,
        reason = "a test is told by the environment where its server is"
    )]
    fn server() -> String {
        std::env::var("PARLOR_TEST_CQL").expect(
            "PARLOR_TEST_CQL must name a CQL server, host:port: `scripts/servers up cql` starts \
             one, `scripts/servers env` \
             prints the setting",
        )
    }

    fn record(text: String, id: EventId) -> Vec<u8> {
        let now = Timestamp::from_millis(0);
        let author = Author { kind: AuthorKind::Visitor, id: "v".to_owned(), name: None };
        let client_message_id = ClientMessageId::parse("m").unwrap();
        let body = RecordBody::Message(MessageBody { text, client_message_id });
        let record = Record {
            id,
            author,
            session: None,
            transport: Transport::Rest,
            at: now,
            arrived: now,
            acceptance: 0,
            body,
        };
        record.encode().unwrap().to_vec()
    }

    #[tokio::test]
    async fn rows_are_read_in_order_over_all_buckets_of_one_conversation() {
        let keyspace = format!("parlor_loadtest_{:016x}", Random::system().number());
        let session = Box::pin(SessionBuilder::new().known_node(server()).build()).await.unwrap();
        let made = format!(
            "CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', \
             'replication_factor': 1}}"
        );
        session.query_unpaged(made, ()).await.unwrap();
        session.use_keyspace(&keyspace, false).await.unwrap();
        let statements =
            SCHEMA.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        for table in statements
            .split(';')
            .filter(|table| table.contains(" messages ") || table.contains("_buckets "))
        {
            session.query_unpaged(table, ()).await.unwrap();
        }

        let texts = Texts::new(7, 64);
        let tag = |number| Tag { conversation: Conversation { tenant: 0, number: 0 }, number };
        let own = ConversationId::from_bytes([1; 16]);
        // Later ones first, the last one in another bucket, and one of another conversation.
        let rows = [
            (2_i64, own, 1),
            (1, own, 0),
            ((1 << 20) + 5, own, 2),
            (3, ConversationId::from_bytes([2; 16]), 3),
        ];
        for (position, conversation, number) in rows {
            let id = EventId::from_bytes([u8::try_from(number).unwrap(); 16]);
            let (key, bucket) = (conversation.as_bytes().to_vec(), position >> 20);
            let insert = "INSERT INTO messages (tenant, conversation, bucket, position, event_id, \
                record) \
                VALUES (?, ?, ?, ?, ?, ?)";
            let record = record(texts.write(tag(number)), id);
            let values = ("a", &key, bucket, position, id.as_bytes().to_vec(), record);
            session.query_unpaged(insert, values).await.unwrap();
            let insert =
                "INSERT INTO conversation_buckets (tenant, conversation, bucket) VALUES (?, ?, ?)";
            session.query_unpaged(insert, ("a", &key, bucket)).await.unwrap();
        }

        let found = Box::pin(Rows::connect(&server(), &keyspace)).await.unwrap();
        let found = Box::pin(found.of(&texts, "a", own)).await.unwrap();
        let entry = |number: u8| Entry {
            tag: Some(tag(number.into())),
            id: EventId::from_bytes([number; 16]),
        };
        assert_eq!(found, [entry(0), entry(1), entry(2)]);
        session.query_unpaged(format!("DROP KEYSPACE {keyspace}"), ()).await.unwrap();
    }
}
