//! Writing rows. Every statement leaves what is already there, or later, alone.

use parlor_common::{conversation::ConversationKey, position::Position, shard::Shard};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::row::{Kept, sender_text};

const NUMBER: &str = "SELECT number FROM conversations WHERE tenant = ? AND conversation = ?";

const CONVERSATION: &str = "INSERT INTO conversations (tenant, conversation) VALUES (?, ?)";

const MESSAGE: &str = "\
    INSERT INTO messages (conversation, position, event_id, record) VALUES (?, ?, ?, ?)
    ON CONFLICT DO NOTHING";

/// The two parts of the row rise by themselves: the last message's, and the last that a visitor
/// wrote.
const ACTIVITY: &str = "\
    UPDATE conversations SET
        at = iif(?2 > position, ?3, at),
        preview = iif(?2 > position, ?4, preview),
        sender = iif(?2 > position, ?5, sender),
        position = max(?2, position),
        visitor = iif(?7 > visitor_position, ?6, visitor),
        visitor_position = max(?7, visitor_position)
    WHERE number = ?1";

const DELIVERED: &str = "\
    INSERT INTO delivered (conversation, reader, up_to) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET up_to = max(excluded.up_to, up_to)";

const WATERMARK: &str = "\
    INSERT INTO watermarks (shard, position) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET position = max(excluded.position, position)";

/// Keeps all of it or nothing.
pub(super) fn insert(connection: &mut Connection, kept: &Kept) -> rusqlite::Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut message = transaction.prepare_cached(MESSAGE)?;
        let mut activity = transaction.prepare_cached(ACTIVITY)?;
        for row in &kept.rows {
            let number = number(&transaction, &row.conversation)?;
            let position = row.position.as_i64();
            message.execute(params![number, position, row.id.as_bytes(), &row.record[..]])?;
            let Some(preview) = &row.preview else { continue };
            activity.execute(params![
                number,
                position,
                row.at.as_millis(),
                preview,
                sender_text(row.sender),
                row.visitor.as_ref().map(|visitor| visitor.as_bytes()),
                row.visitor.map_or(0, |_| position),
            ])?;
        }
        let mut delivered = transaction.prepare_cached(DELIVERED)?;
        for mark in &kept.marks {
            let number = number(&transaction, &mark.conversation)?;
            delivered.execute(params![number, mark.reader.as_str(), mark.up_to.as_i64()])?;
        }
    }
    transaction.commit()
}

/// The number of a conversation, which gets one where it has none.
fn number(connection: &Connection, conversation: &ConversationKey) -> rusqlite::Result<i64> {
    let key = params![conversation.tenant.as_str(), conversation.id.as_bytes()];
    let known = connection.prepare_cached(NUMBER)?.query_row(key, |row| row.get(0)).optional()?;
    match known {
        Some(number) => Ok(number),
        None => connection.prepare_cached(CONVERSATION)?.insert(key),
    }
}

/// Raises the watermark of a shard.
pub(super) fn raise_watermark(
    connection: &Connection,
    shard: Shard,
    position: Position,
) -> rusqlite::Result<()> {
    if position > Position::ZERO {
        connection
            .prepare_cached(WATERMARK)?
            .execute(params![shard.number(), position.as_i64()])?;
    }
    Ok(())
}
