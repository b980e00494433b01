//! Settings of the door and of REST.

use std::time::Duration;

use parlor_common::settings::duration;
use serde::{Deserialize, Serialize};

/// How much the door takes at once, and how patient it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoorSettings {
    /// `door.in_flight`: the most actions of this node between arrival and receipt; above it
    /// `busy`. Of several shards one may have no more than are left for all others.
    pub in_flight: usize,
    /// `door.in_flight_per_tenant`: the most of one tenant; above it `busy`.
    pub in_flight_per_tenant: usize,
    /// `door.append_within`: how long an append may take, a second more than the log's own limit.
    #[serde(with = "duration")]
    pub append_within: Duration,
    /// `door.lookup_within`: how long looking an id up, or reading a first message back, may take.
    #[serde(with = "duration")]
    pub lookup_within: Duration,
    /// `door.retry_after`: when a client that was told `busy` should come back.
    #[serde(with = "duration")]
    pub retry_after: Duration,
}

/// How REST answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestSettings {
    /// `rest.socket_url`: the address of the visitors' socket as clients reach it, such as
    /// `wss://chat.example.com/ws/chat`; empty takes the request's own host and scheme.
    pub socket_url: String,
    /// `rest.max_body`: the most bytes of a request's body.
    pub max_body: usize,
    /// `rest.body_stall`: how long a body may make no progress.
    #[serde(with = "duration")]
    pub body_stall: Duration,
    /// `rest.read_within`: how long reading a page or the inbox may take.
    #[serde(with = "duration")]
    pub read_within: Duration,
}
