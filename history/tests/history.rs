//! Reading conversations from the real embedded log and store, however far the one has got with the
//! other.

#![expect(clippy::unwrap_used, reason = "a test ends where it gets what it does not expect")]
#![expect(clippy::disallowed_methods, reason = "the tests stand in for the door and the persister")]

#[path = "history/finding.rs"]
mod finding;
#[path = "history/following.rs"]
mod following;
#[path = "history/inbox.rs"]
mod inbox;
#[path = "history/kept.rs"]
mod kept;
#[path = "history/outages.rs"]
mod outages;
#[path = "history/pages.rs"]
mod pages;
#[path = "history/returning.rs"]
mod returning;
#[path = "history/state.rs"]
mod state;
#[path = "history/world.rs"]
mod world;
#[path = "history/written.rs"]
mod written;
