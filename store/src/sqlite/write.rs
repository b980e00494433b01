//! Writing rows. Every statement leaves what is already there, or later, alone.

use std::collections::HashMap;

use parlor_common::{conversation::ConversationKey, position::Position, shard::Shard};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::row::{Kept, Row, sender_text};

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

/// What the messages of one batch change in a conversation's row: the last one, and the last that a
/// visitor wrote.
#[derive(Debug, Default)]
struct Activity<'a> {
    last: Option<&'a Row>,
    of_visitor: Option<&'a Row>,
}

/// The conversations of one batch by their keys, with their numbers; each is looked up once.
#[derive(Debug, Default)]
struct Numbers<'a>(HashMap<&'a ConversationKey, i64>);

/// Keeps all of it or nothing.
pub(super) fn insert(connection: &mut Connection, kept: &Kept) -> rusqlite::Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let (mut numbers, mut activities) = (Numbers::default(), HashMap::new());
        let mut message = transaction.prepare_cached(MESSAGE)?;
        for row in &kept.rows {
            let number = numbers.of(&transaction, &row.conversation)?;
            let position = row.position.as_i64();
            message.execute(params![number, position, row.id.as_bytes(), &row.record[..]])?;
            activities.entry(number).or_insert_with(Activity::default).add(row);
        }
        let mut activity = transaction.prepare_cached(ACTIVITY)?;
        for (number, Activity { last, of_visitor }) in activities {
            let Some(last) = last else { continue };
            let visitor = of_visitor.and_then(|row| row.visitor);
            activity.execute(params![
                number,
                last.position.as_i64(),
                last.at.as_millis(),
                last.preview,
                sender_text(last.sender),
                visitor.as_ref().map(|visitor| visitor.as_bytes()),
                of_visitor.map_or(0, |row| row.position.as_i64()),
            ])?;
        }
        let mut delivered = transaction.prepare_cached(DELIVERED)?;
        for mark in &kept.marks {
            let number = numbers.of(&transaction, &mark.conversation)?;
            delivered.execute(params![number, mark.reader.as_str(), mark.up_to.as_i64()])?;
        }
    }
    transaction.commit()
}

// === impl Activity ===

impl<'a> Activity<'a> {
    fn add(&mut self, row: &'a Row) {
        if row.preview.is_none() {
            return;
        }
        let later = |than: Option<&Row>| than.is_none_or(|than| row.position > than.position);
        if later(self.last) {
            self.last = Some(row);
        }
        if row.visitor.is_some() && later(self.of_visitor) {
            self.of_visitor = Some(row);
        }
    }
}

// === impl Numbers ===

impl<'a> Numbers<'a> {
    /// The number of a conversation, which gets one where it has none.
    fn of(
        &mut self,
        connection: &Connection,
        conversation: &'a ConversationKey,
    ) -> rusqlite::Result<i64> {
        if let Some(number) = self.0.get(conversation) {
            return Ok(*number);
        }
        let key = params![conversation.tenant.as_str(), conversation.id.as_bytes()];
        let known =
            connection.prepare_cached(NUMBER)?.query_row(key, |row| row.get(0)).optional()?;
        let number = match known {
            Some(number) => number,
            None => connection.prepare_cached(CONVERSATION)?.insert(key)?,
        };
        self.0.insert(conversation, number);
        Ok(number)
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
