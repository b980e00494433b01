//! The prepared statements: all that the store ever asks a database.

use scylla::{client::session::Session, statement::prepared::PreparedStatement};

use super::{error::unavailable, plan::Write};
use crate::StoreError;

/// Every statement, each marked idempotent: a repeat with the same write timestamp changes nothing.
#[derive(Debug)]
pub(super) struct Statements {
    message: PreparedStatement,
    bucket: PreparedStatement,
    event_id: PreparedStatement,
    conversation: PreparedStatement,
    visitor: PreparedStatement,
    delivered: PreparedStatement,
    register: PreparedStatement,
    person: PreparedStatement,
    inbox: PreparedStatement,
    day: PreparedStatement,
    pub(super) raise_watermark: PreparedStatement,
    pub(super) messages_before: PreparedStatement,
    pub(super) messages_after: PreparedStatement,
    pub(super) message_at: PreparedStatement,
    pub(super) buckets_down: PreparedStatement,
    pub(super) buckets_up: PreparedStatement,
    pub(super) position_of: PreparedStatement,
    pub(super) conversation_row: PreparedStatement,
    pub(super) people: PreparedStatement,
    pub(super) inbox_rows: PreparedStatement,
    pub(super) inbox_days: PreparedStatement,
    pub(super) watermark: PreparedStatement,
    pub(super) version: PreparedStatement,
}

impl Statements {
    /// Prepares them. The tables are named with their keyspace, so that no connection depends on a
    /// `USE`.
    pub(super) async fn prepare(session: &Session, keyspace: &str) -> Result<Self, StoreError> {
        let prepare = async |text: &str| {
            let prepared = session.prepare(text.replace("{}", keyspace)).await;
            let mut statement = prepared.map_err(unavailable)?;
            statement.set_is_idempotent(true);
            Ok::<_, StoreError>(statement)
        };
        Ok(Self {
            message: prepare(
                "INSERT INTO {}.messages (tenant, conversation, bucket, position, event_id, record)
                 VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            bucket: prepare(
                "INSERT INTO {}.conversation_buckets (tenant, conversation, bucket)
                 VALUES (?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            event_id: prepare(
                "INSERT INTO {}.event_ids (tenant, conversation, event_id, position)
                 VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            conversation: prepare(
                "INSERT INTO {}.conversations (tenant, conversation, position, at, preview, \
                 sender, visitor)
                 VALUES (?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            delivered: prepare(
                "UPDATE {}.conversations USING TIMESTAMP ? SET delivered[?] = ?
                 WHERE tenant = ? AND conversation = ?",
            )
            .await?,
            visitor: prepare(
                "UPDATE {}.conversations USING TIMESTAMP ? SET visitor = ?
                 WHERE tenant = ? AND conversation = ?",
            )
            .await?,
            register: prepare(
                "UPDATE {}.conversations USING TIMESTAMP ? SET registers[?] = ?
                 WHERE tenant = ? AND conversation = ?",
            )
            .await?,
            person: prepare(
                "INSERT INTO {}.people (tenant, email, conversation) VALUES (?, ?, ?) \
                 USING TIMESTAMP ?",
            )
            .await?,
            inbox: prepare(
                "INSERT INTO {}.inbox (tenant, day, conversation, position) VALUES (?, ?, ?, ?) \
                 USING TIMESTAMP ?",
            )
            .await?,
            day: prepare(
                "INSERT INTO {}.inbox_days (tenant, day, position) VALUES (?, ?, ?) USING \
                TIMESTAMP ?",
            )
            .await?,
            raise_watermark: prepare(
                "INSERT INTO {}.watermarks (shard, position) VALUES (?, ?) USING TIMESTAMP ?",
            )
            .await?,
            messages_before: prepare(
                "SELECT position, record FROM {}.messages
                 WHERE tenant = ? AND conversation = ? AND bucket = ? AND position < ?
                 ORDER BY position DESC LIMIT ?",
            )
            .await?,
            messages_after: prepare(
                "SELECT position, record FROM {}.messages
                 WHERE tenant = ? AND conversation = ? AND bucket = ? AND position > ?
                 ORDER BY position ASC LIMIT ?",
            )
            .await?,
            message_at: prepare(
                "SELECT position, record FROM {}.messages
                 WHERE tenant = ? AND conversation = ? AND bucket = ? AND position = ?",
            )
            .await?,
            buckets_down: prepare(
                "SELECT bucket FROM {}.conversation_buckets WHERE tenant = ? AND conversation = ? \
                 AND bucket <= ?
                 ORDER BY bucket DESC LIMIT ?",
            )
            .await?,
            buckets_up: prepare(
                "SELECT bucket FROM {}.conversation_buckets WHERE tenant = ? AND conversation = ? \
                 AND bucket >= ?
                 ORDER BY bucket ASC LIMIT ?",
            )
            .await?,
            position_of: prepare(
                "SELECT position FROM {}.event_ids WHERE tenant = ? AND conversation = ? AND \
                 event_id = ? LIMIT 1",
            )
            .await?,
            conversation_row: prepare(
                "SELECT position, at, preview, sender, visitor, WRITETIME(visitor), delivered, \
                 registers FROM {}.conversations
                 WHERE tenant = ? AND conversation = ?",
            )
            .await?,
            people: prepare(
                "SELECT conversation FROM {}.people WHERE tenant = ? AND email = ? LIMIT ?",
            )
            .await?,
            inbox_rows: prepare(
                "SELECT conversation, position FROM {}.inbox
                 WHERE tenant = ? AND day = ? AND conversation > ? LIMIT ?",
            )
            .await?,
            inbox_days: prepare(
                "SELECT day, position FROM {}.inbox_days WHERE tenant = ? LIMIT \
                ?",
            )
            .await?,
            watermark: prepare("SELECT position FROM {}.watermarks WHERE shard = ?").await?,
            version: prepare("SELECT version FROM {}.schema_version WHERE part = 'store'").await?,
        })
    }

    /// The statement of an upsert.
    pub(super) const fn of(&self, write: &Write<'_>) -> &PreparedStatement {
        match write {
            Write::Message(_) => &self.message,
            Write::Bucket { .. } => &self.bucket,
            Write::EventId(_) => &self.event_id,
            Write::Last(..) => &self.conversation,
            Write::Visitor(..) => &self.visitor,
            Write::Delivered { .. } => &self.delivered,
            Write::Register(..) => &self.register,
            Write::Person { .. } => &self.person,
            Write::Inbox { .. } => &self.inbox,
            Write::Day { .. } => &self.day,
        }
    }
}
