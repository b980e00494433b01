//! The door and REST: check, authenticate, limit, append, receipt.

mod door;
mod gate;
mod idempotency;
mod metrics;
mod rest;
mod settings;

pub use self::{
    door::LogDoor,
    metrics::Metrics,
    rest::{Deps, router},
    settings::{DoorSettings, RestSettings},
};
