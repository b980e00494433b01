//! The history store: one trait, embedded (SQLite) and CQL implementations, and the suite both pass.
