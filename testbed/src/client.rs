//! Clients over the public protocols, for tests: they end a test at what they did not expect.

pub mod http;
pub mod socket;
pub mod visitor;
