//! Parlor's nouns: ids, positions, records, wire protocol, settings, clock, drain.
//!
//! Nothing here knows the way of a message; the rooms that do are `ingress`, `fanout` and
//! `persister`.

pub mod action;
pub mod address;
pub mod author;
pub mod clock;
pub mod close;
pub mod conversation;
pub mod cursor;
pub mod deadline;
pub mod door;
pub mod drain;
pub mod event;
pub mod frame;
pub mod id;
pub mod keys;
pub mod kind;
pub mod message;
pub mod metrics;
pub mod planted;
pub mod position;
pub mod problem;
pub mod random;
pub mod register;
pub mod settings;
pub mod shard;
pub mod shown;
pub mod state;
pub mod tenant;
