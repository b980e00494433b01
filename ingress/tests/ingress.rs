//! The door and REST over real sockets, on the real embedded log and store.

#![expect(clippy::unwrap_used, reason = "a test ends where it gets what it does not expect")]

#[path = "ingress/agents.rs"]
mod agents;
#[path = "ingress/clocks.rs"]
mod clocks;
#[path = "ingress/cors.rs"]
mod cors;
#[path = "ingress/desk.rs"]
mod desk;
#[path = "ingress/idempotency.rs"]
mod idempotency;
#[path = "ingress/identity.rs"]
mod identity;
#[path = "ingress/marks.rs"]
mod marks;
#[path = "ingress/node.rs"]
mod node;
#[path = "ingress/outages.rs"]
mod outages;
#[path = "ingress/own.rs"]
mod own;
#[path = "ingress/pages.rs"]
mod pages;
#[path = "ingress/pressure.rs"]
mod pressure;
#[path = "ingress/proven.rs"]
mod proven;
#[path = "ingress/runs.rs"]
mod runs;
#[path = "ingress/statuses.rs"]
mod statuses;
#[path = "ingress/work.rs"]
mod work;

use parlor_testbed::client::http as client;
