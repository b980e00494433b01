//! The event log's obligations, run on both implementations.

#![expect(clippy::unwrap_used, reason = "a test ends where it gets an error it does not expect")]

mod jetstream;
mod sqlite;
mod suite;
