//! What a conversation has come to, as its own row says.

use std::collections::HashMap;

use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    id::VisitorId,
    position::Position,
    state::{ConversationState, LastMessage, OfVisitor, Reader, Register},
};

use super::{connection::Connection, written};
use crate::{StoreError, row};

/// The columns of the row, in the order of the statement.
type Columns = (
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<HashMap<String, i64>>,
    Option<HashMap<String, String>>,
);

/// The default where there is no row.
pub(super) async fn state(
    connection: &Connection,
    conversation: &ConversationKey,
) -> Result<ConversationState, StoreError> {
    let key = (conversation.tenant.as_str(), &conversation.id.as_bytes()[..]);
    let rows: Vec<Columns> =
        connection.select(&connection.statements.conversation_row, key).await?;
    let mut state = ConversationState::default();
    let Some((position, at, preview, sender, visitor, visitor_position, delivered, registers)) =
        rows.into_iter().next()
    else {
        return Ok(state);
    };
    // A part of them alone is written by nobody.
    if let (Some(position), Some(at), Some(preview), Some(sender)) = (position, at, preview, sender)
    {
        match (Position::from_i64(position), row::parse_sender(&sender)) {
            (Some(position), Some(sender)) => {
                let at = Timestamp::from_millis(at);
                state.say(LastMessage { position, at, preview, sender });
            }
            _ => connection.metrics.skipped_rows.inc(),
        }
    }
    let visitor = visitor.and_then(|bytes| bytes.try_into().ok()).map(VisitorId::from_bytes);
    if let (Some(visitor), Some(position)) =
        (visitor, visitor_position.and_then(Position::from_i64))
    {
        state.heard(OfVisitor { position, visitor });
    }
    let delivered = delivered.unwrap_or_default();
    for reader in Reader::ALL {
        if let Some(up_to) = delivered.get(reader.as_str()).copied().and_then(Position::from_i64) {
            state.write(Register::Delivered(reader), up_to, String::new());
        }
    }
    for (name, text) in registers.unwrap_or_default() {
        if let (Some(register), Some(written)) = (Register::parse(&name), written::parse(&text)) {
            state.write(register, written.position, written.value);
        }
    }
    Ok(state)
}
