//! Older versions of the file, made current.

use rusqlite::Transaction;

use super::SCHEMA;

/// Version 1 knew no delivered marks, and called a watermark a shard's position.
pub(super) fn from_1(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "ALTER TABLE shards RENAME TO watermarks;
         CREATE TABLE delivered (tenant TEXT, conversation BLOB, reader TEXT, up_to INTEGER);",
    )
}

/// Version 2 named a conversation by its tenant and id in every table and index.
pub(super) fn from_2(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "DROP INDEX event_ids;
         DROP INDEX inbox;
         ALTER TABLE messages RENAME TO messages_of_2;
         ALTER TABLE conversations RENAME TO conversations_of_2;
         ALTER TABLE delivered RENAME TO delivered_of_2;",
    )?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(
        "INSERT INTO conversations (tenant, conversation, position, at, preview, sender, visitor,
             visitor_position)
         SELECT tenant, conversation, position, at, preview, sender, visitor, visitor_position
         FROM conversations_of_2;
         INSERT OR IGNORE INTO conversations (tenant, conversation)
         SELECT DISTINCT tenant, conversation FROM messages_of_2;
         INSERT OR IGNORE INTO conversations (tenant, conversation)
         SELECT DISTINCT tenant, conversation FROM delivered_of_2;
         INSERT INTO messages (conversation, position, event_id, record)
         SELECT of.number, row.position, row.event_id, row.record
         FROM messages_of_2 AS row JOIN conversations AS of USING (tenant, conversation)
         ORDER BY row.position;
         UPDATE conversations SET registers = (
             SELECT json_group_object('delivered/' || reader, json_array(up_to, ''))
             FROM delivered_of_2 AS mark
             WHERE mark.tenant = conversations.tenant
               AND mark.conversation = conversations.conversation);
         DROP TABLE messages_of_2;
         DROP TABLE conversations_of_2;
         DROP TABLE delivered_of_2;",
    )
}

/// Version 3 kept the delivered marks in a table of their own, and knew no other last values.
pub(super) fn from_3(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "ALTER TABLE conversations ADD COLUMN registers TEXT NOT NULL DEFAULT '{}';
         ALTER TABLE conversations ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;
         ALTER TABLE conversations ADD COLUMN email TEXT;
         CREATE INDEX inbox_by_closed ON conversations (tenant, closed, position);
         CREATE INDEX people ON conversations (tenant, email, position) WHERE email IS NOT NULL;
         UPDATE conversations SET registers = (
             SELECT json_group_object('delivered/' || reader, json_array(up_to, ''))
             FROM delivered WHERE delivered.conversation = conversations.number)
         WHERE number IN (SELECT conversation FROM delivered);
         DROP TABLE delivered;",
    )
}
