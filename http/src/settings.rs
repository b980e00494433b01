//! Settings of the accept loop.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use parlor_common::address::Network;
use parlor_common::settings::duration;

/// What a connection may cost, and how patient the server is. [`Default`] has the defaults named
/// here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// `http.max_connections`: the most connections of this listener, sockets included; below the
    /// open files a process may have.
    pub max_connections: usize,
    /// `http.max_connections_per_address`: the most of one IPv4 address or one IPv6 /64; trusted
    /// proxies have no such cap.
    pub max_connections_per_address: usize,
    /// `http.first_byte`: how long a new connection may be silent.
    #[serde(with = "duration")]
    pub first_byte: Duration,
    /// `http.head`: how long a request's head may take from its first byte.
    #[serde(with = "duration")]
    pub head: Duration,
    /// `http.idle`: how long a kept-alive connection may be silent between requests. Longer than
    /// the balancer keeps one, so that it is not the server that closes while a request is on its
    /// way.
    #[serde(with = "duration")]
    pub idle: Duration,
    /// `http.write_stall`: how long a client may take nothing of its answer.
    #[serde(with = "duration")]
    pub write_stall: Duration,
    /// `http.max_head_bytes`: the most bytes of a request line with its headers; hyper reads with a
    /// buffer of at least 8 KiB.
    pub max_head_bytes: usize,
    /// `http.max_headers`: the most headers of a request.
    pub max_headers: usize,
    /// `http.trusted_proxies`: networks, such as `10.0.0.0/8`, whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        parlor_common::settings::defaults("http")
    }
}
