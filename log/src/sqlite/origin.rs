//! Which file this is: a copy of it, put back from a backup, is another one.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path, time::UNIX_EPOCH};

use rusqlite::Connection;

/// What sets the file at `path` apart from its copies: its number in the file system, and when it
/// was made. Empty where the file system does not tell, so that nothing is concluded from it.
pub(super) fn of(path: &Path) -> io::Result<String> {
    let found = fs::metadata(path)?;
    let made = found.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    Ok(made.map_or_else(String::new, |made| format!("{}:{}", found.ino(), made.as_nanos())))
}

/// Whether the file says that it was another one when it was last opened.
pub(super) fn is_copy(connection: &Connection, origin: &str) -> rusqlite::Result<bool> {
    let noted: String =
        connection.query_row("SELECT origin FROM standing", [], |row| row.get(0))?;
    Ok(!noted.is_empty() && !origin.is_empty() && noted != origin)
}

pub(super) fn note(connection: &Connection, origin: &str) -> rusqlite::Result<()> {
    connection.execute("UPDATE standing SET origin = ?1", [origin]).map(drop)
}
