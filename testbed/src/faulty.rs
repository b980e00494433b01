//! A log and a store that fail as they are told, over real ones: a process has no network that
//! could break between it and SQLite.

pub mod log;
pub mod store;
