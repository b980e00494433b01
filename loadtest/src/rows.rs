//! What the database holds, read beside Parlor: the one place that knows a table.

use std::time::Duration;

use anyhow::Context;
use parlor_common::id::{ConversationId, EventId};
use scylla::{
    client::{PoolSize, execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder},
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
    body: Body,
}

#[derive(Deserialize)]
struct Body {
    text: String,
}

const DEADLINE: Duration = Duration::from_secs(10);

// === impl Rows ===

impl Rows {
    /// Connects to a database that has Parlor's tables in `keyspace`.
    pub(crate) async fn connect(address: &str, keyspace: &str) -> anyhow::Result<Self> {
        let profile =
            ExecutionProfile::builder().consistency(Consistency::LocalQuorum).request_timeout(Some(DEADLINE)).build();
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
        let buckets = prepare("SELECT bucket FROM conversation_buckets WHERE tenant = ? AND conversation = ?").await?;
        let messages = prepare(
            "SELECT event_id, record FROM messages WHERE tenant = ? AND conversation = ? AND bucket = ? \
             ORDER BY position ASC",
        )
        .await?;
        Ok(Self { session, buckets, messages })
    }

    /// The rows of a conversation, in the order of their positions.
    pub(crate) async fn of(&self, texts: &Texts, tenant: &str, id: ConversationId) -> anyhow::Result<Vec<Entry>> {
        let conversation = id.as_bytes().to_vec();
        let found = self.session.execute_unpaged(&self.buckets, (tenant, &conversation)).await?.into_rows_result()?;
        let mut buckets = found.rows::<(i64,)>()?.collect::<Result<Vec<_>, _>>()?;
        buckets.sort_unstable();
        let mut entries = Vec::new();
        for (bucket,) in buckets {
            let found = self.session.execute_unpaged(&self.messages, (tenant, &conversation, bucket)).await?;
            for row in found.into_rows_result()?.rows::<(Vec<u8>, Vec<u8>)>()? {
                let (id, record) = row?;
                let id: [u8; 16] = id.try_into().ok().context("an event's id has 16 bytes")?;
                let text = serde_json::from_slice::<Record>(&record).ok().map(|record| record.body.text);
                let tag = text.and_then(|text| texts.read(&text));
                entries.push(Entry { tag, id: EventId::from_bytes(id) });
            }
        }
        Ok(entries)
    }
}
