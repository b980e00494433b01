//! The door and REST: check, authenticate, limit, append, receipt.

mod busy;
mod door;
mod idempotency;
mod in_flight;
mod metrics;
mod rest;
mod settings;
mod unanswered;

pub use self::{
    door::{DoorParts, LogDoor},
    metrics::Metrics,
    rest::{Deps, router},
    settings::{DoorSettings, RestSettings},
};
