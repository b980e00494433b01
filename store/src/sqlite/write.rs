//! Writing rows. Every statement leaves what is already there, or later, alone.

use std::collections::HashMap;

use parlor_common::{
    conversation::ConversationKey, position::Position, shard::Shard, state::ConversationState,
};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::conversation;
use crate::row::Kept;

const CONVERSATION: &str = "INSERT INTO conversations (tenant, conversation) VALUES (?, ?)";

const MESSAGE: &str = "\
    INSERT INTO messages (conversation, position, event_id, record) VALUES (?, ?, ?, ?)
    ON CONFLICT DO NOTHING";

const WATERMARK: &str = "\
    INSERT INTO watermarks (shard, position) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET position = max(excluded.position, position)";

/// Keeps all of it or nothing.
pub(super) fn insert(connection: &mut Connection, kept: Kept) -> rusqlite::Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    let Kept { rows, states } = kept;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut numbers = HashMap::new();
        for (key, since) in states {
            let (number, before) = known(&transaction, &key)?;
            let mut state = before.clone();
            state.merge(since);
            if state != before {
                conversation::write(&transaction, number, &state)?;
            }
            numbers.insert(key, number);
        }
        let mut message = transaction.prepare_cached(MESSAGE)?;
        for row in &rows {
            let (number, position) = (numbers.get(&row.conversation), row.position.as_i64());
            message.execute(params![number, position, row.id.as_bytes(), &row.record[..]])?;
        }
    }
    transaction.commit()
}

/// The number of a conversation, which gets one where it has none, and what it has come to.
fn known(
    connection: &Connection,
    key: &ConversationKey,
) -> rusqlite::Result<(i64, ConversationState)> {
    let (tenant, id) = (key.tenant.as_str(), key.id.as_bytes());
    let sql = format!(
        "SELECT number, {} FROM conversations WHERE tenant = ? AND conversation = ?",
        conversation::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let known = statement
        .query_row(params![tenant, id], |row| Ok((row.get(0)?, conversation::read(row, 1)?)))
        .optional()?;
    Ok(match known {
        // What cannot be read is written anew.
        Some((number, state)) => (number, state.unwrap_or_default()),
        None => {
            let number = connection.prepare_cached(CONVERSATION)?.insert(params![tenant, id])?;
            (number, ConversationState::default())
        }
    })
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
