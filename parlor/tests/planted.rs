//! Tests of the tests: `parlor` makes a mistake on purpose, and the load test's ledger finds it and
//! says where; a task panics, and the process ends. `scripts/planted` runs this, and the mistakes
//! that are found by tests of the libraries.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

#[expect(dead_code, reason = "the tests of the binary need more of it")]
#[path = "parlor/installation.rs"]
mod installation;
#[path = "planted/ledger.rs"]
mod ledger;
#[path = "planted/panics.rs"]
mod panics;
