//! A seeded simulation of everything between the log and a client: feed, hub, ring, resume,
//! sessions, drafts and marks as they are, over a log, a store, a door and connections whose every
//! answer comes when, and as, the seed says. Judges know what each client must have been shown.
//!
//! One task polls the sessions by hand, and the time is paused: a seed is always the same run.
//! A failure prints its seed.

mod dice;
mod door;
mod follower;
mod gate;
mod line;
mod log;
mod page;
mod play;
mod run;
mod store;
mod tests;
mod truth;
mod view;
mod world;
