//! Parlor's nouns: ids, positions, records, wire protocol, settings, drain, telemetry, the HTTP
//! accept loop.
//!
//! Nothing here knows the way of a message; the rooms that do are `ingress`, `fanout` and
//! `persister`.

pub mod clock;
pub mod conversation;
pub mod cursor;
pub mod door;
pub mod drain;
pub mod event;
pub mod frame;
pub mod http;
pub mod id;
pub mod keys;
pub mod message;
pub mod position;
pub mod problem;
pub mod random;
pub mod settings;
pub mod shard;
pub mod telemetry;
pub mod tenant;
