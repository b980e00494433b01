//! A register as a conversation's row keeps it.

use parlor_common::{position::Position, state::Written};

/// A register's value as the row keeps it: its position, a space and the value.
pub(super) fn text(written: &Written) -> String {
    format!("{} {}", written.position.as_i64(), written.value)
}

/// Reads what [`text`] wrote.
pub(super) fn parse(text: &str) -> Option<Written> {
    let (position, value) = text.split_once(' ')?;
    let position = Position::from_i64(position.parse().ok()?)?;
    Some(Written { position, value: value.to_owned() })
}
