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
         INSERT INTO delivered (conversation, reader, up_to)
         SELECT of.number, mark.reader, mark.up_to
         FROM delivered_of_2 AS mark JOIN conversations AS of USING (tenant, conversation);
         DROP TABLE messages_of_2;
         DROP TABLE conversations_of_2;
         DROP TABLE delivered_of_2;",
    )
}
