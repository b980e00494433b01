//! The last values of a conversation.

use std::collections::HashMap;

use parlor_common::{
    conversation::ConversationKey,
    position::Position,
    state::{ConversationState, Reader, StateChange},
};

use super::connection::Connection;
use crate::StoreError;

/// The position that each reader's mark has, by the reader's name.
type Delivered = Option<HashMap<String, i64>>;

/// What the conversation's own row says; the default where there is none.
pub(super) async fn state(
    connection: &Connection,
    conversation: &ConversationKey,
) -> Result<ConversationState, StoreError> {
    let key = (conversation.tenant.as_str(), &conversation.id.as_bytes()[..]);
    let rows = connection.select(&connection.statements.delivered_marks, key).await?;
    let delivered = rows.into_iter().find_map(|(marks,): (Delivered,)| marks).unwrap_or_default();
    let mut state = ConversationState::default();
    for reader in Reader::ALL {
        if let Some(up_to) = delivered.get(reader.as_str()).copied().and_then(Position::from_i64) {
            state.apply(StateChange::Delivered { reader, up_to });
        }
    }
    Ok(state)
}
