//! The obligations of signals, run on both implementations.

#![expect(clippy::unwrap_used, reason = "a test ends where it gets an error it does not expect")]

mod local;
mod nats;
mod suite;
