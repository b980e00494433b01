//! The event log: one trait, embedded (SQLite) and JetStream implementations, and the suite both pass.
