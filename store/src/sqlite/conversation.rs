//! The row of a conversation: what it has come to, as columns.

use std::collections::BTreeMap;

use parlor_common::{
    clock::Timestamp,
    id::VisitorId,
    position::Position,
    state::{ConversationState, LastMessage, OfVisitor, Register},
};
use rusqlite::{Connection, Row, params};

use crate::{filter::is_closed, row::parse_sender};

/// What [`read`] reads, in its order.
pub(super) const COLUMNS: &str =
    "position, at, preview, sender, visitor, visitor_position, registers";

const WRITE: &str = "\
    UPDATE conversations SET position = ?2, at = ?3, preview = ?4, sender = ?5, visitor = ?6,
        visitor_position = ?7, registers = ?8, closed = ?9, email = ?10
    WHERE number = ?1";

/// Registers as a row keeps them, by their names.
type Registers<'a> = BTreeMap<String, (Position, std::borrow::Cow<'a, str>)>;

/// The state that a row holds, whose first column is at `first`; `None` where it cannot be read.
pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<ConversationState>> {
    let mut state = ConversationState::default();
    let Some(position) = Position::from_i64(row.get(first)?) else { return Ok(None) };
    if position > Position::ZERO {
        let Some(sender) = parse_sender(&row.get::<_, String>(first + 3)?) else { return Ok(None) };
        let at = Timestamp::from_millis(row.get(first + 1)?);
        state.say(LastMessage { position, at, preview: row.get(first + 2)?, sender });
    }
    let visitor = row.get::<_, Option<[u8; 16]>>(first + 4)?.map(VisitorId::from_bytes);
    if let (Some(visitor), Some(position)) = (visitor, Position::from_i64(row.get(first + 5)?)) {
        state.heard(OfVisitor { position, visitor });
    }
    let registers: String = row.get(first + 6)?;
    let Ok(registers) = serde_json::from_str::<Registers<'_>>(&registers) else { return Ok(None) };
    for (name, (position, value)) in registers {
        if let Some(register) = Register::parse(&name) {
            state.write(register, position, value.into_owned());
        }
    }
    Ok(Some(state))
}

/// Makes the row of this number hold a state.
pub(super) fn write(
    connection: &Connection,
    number: i64,
    state: &ConversationState,
) -> rusqlite::Result<()> {
    let last = state.last.as_ref();
    let of_visitor = state.of_visitor.as_ref();
    let registers: Registers<'_> = state
        .registers()
        .iter()
        .map(|(register, written)| {
            (register.to_string(), (written.position, written.value.as_str().into()))
        })
        .collect();
    let registers = serde_json::to_string(&registers)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    connection.prepare_cached(WRITE)?.execute(params![
        number,
        last.map_or(0, |last| last.position.as_i64()),
        last.map_or(0, |last| last.at.as_millis()),
        last.map_or("", |last| last.preview.as_str()),
        last.map_or("", |last| last.sender.as_str()),
        of_visitor.map(|last| last.visitor.as_bytes()),
        of_visitor.map_or(0, |last| last.position.as_i64()),
        registers,
        is_closed(state),
        state.value(&Register::Email),
    ])?;
    Ok(())
}
