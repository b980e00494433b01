//! Writing rows. Every statement leaves what is already there, or later, alone.

use parlor_common::{position::Position, shard::Shard};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::row::{Kept, sender_text};

const MESSAGE: &str = "\
    INSERT INTO messages (tenant, conversation, position, event_id, record) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING";

/// The two parts of the row rise by themselves: the last message's, and the last that a visitor
/// wrote.
const CONVERSATION: &str = "\
    INSERT INTO conversations (tenant, conversation, position, at, preview, sender, visitor, \
    visitor_position)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
    ON CONFLICT DO UPDATE SET
        at = iif(excluded.position > position, excluded.at, at),
        preview = iif(excluded.position > position, excluded.preview, preview),
        sender = iif(excluded.position > position, excluded.sender, sender),
        position = max(excluded.position, position),
        visitor = iif(excluded.visitor_position > visitor_position, excluded.visitor, visitor),
        visitor_position = max(excluded.visitor_position, visitor_position)";

const DELIVERED: &str = "\
    INSERT INTO delivered (tenant, conversation, reader, up_to) VALUES (?, ?, ?, ?)
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
        let mut conversation = transaction.prepare_cached(CONVERSATION)?;
        for row in &kept.rows {
            let (tenant, id) = (row.conversation.tenant.as_str(), row.conversation.id.as_bytes());
            let position = row.position.as_i64();
            message.execute(params![tenant, id, position, row.id.as_bytes(), &row.record[..]])?;
            let Some(preview) = &row.preview else { continue };
            conversation.execute(params![
                tenant,
                id,
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
            let (tenant, id) = (mark.conversation.tenant.as_str(), mark.conversation.id.as_bytes());
            delivered.execute(params![tenant, id, mark.reader.as_str(), mark.up_to.as_i64()])?;
        }
    }
    transaction.commit()
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
