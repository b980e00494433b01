//! Rows of the file: whose an entry is, and where it lies.

use parlor_common::{
    conversation::ConversationKey,
    id::{ConversationId, EventId},
    position::Position,
    tenant::TenantId,
};
use rusqlite::{Row, types::Type};

use super::extent::position;

/// Where an entry lies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) position: Position,
    pub(super) id: EventId,
    pub(super) conversation: ConversationKey,
}

/// Reads a place from a row that begins with position, tenant, conversation and id.
pub(super) fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    let id = EventId::from_bytes(row.get(3)?);
    Ok(Place { position: position(row, 0)?, id, conversation: conversation(row)? })
}

/// Reads the conversation from a row whose second and third columns are its tenant and id.
pub(super) fn conversation(row: &Row<'_>) -> rusqlite::Result<ConversationKey> {
    let damaged = |_| rusqlite::Error::InvalidColumnType(1, "tenant".to_owned(), Type::Null);
    let tenant = TenantId::parse(row.get_ref(1)?.as_str()?).map_err(damaged)?;
    Ok(ConversationKey { tenant, id: ConversationId::from_bytes(row.get(2)?) })
}
