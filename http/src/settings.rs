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
    /// open files a process may have. Default 16,000.
    pub max_connections: usize,
    /// `http.max_connections_per_address`: the most of one IPv4 address or one IPv6 /64; trusted
    /// proxies have no such cap. Default 5,000.
    pub max_connections_per_address: usize,
    /// `http.first_byte`: how long a new connection may be silent. Default 5 s.
    #[serde(with = "duration")]
    pub first_byte: Duration,
    /// `http.head`: how long a request's head may take from its first byte. Default 5 s.
    #[serde(with = "duration")]
    pub head: Duration,
    /// `http.idle`: how long a kept-alive connection may be silent between requests. Longer than
    /// the balancer keeps one, so that it is not the server that closes while a request is on its
    /// way. Default 75 s.
    #[serde(with = "duration")]
    pub idle: Duration,
    /// `http.write_stall`: how long a client may take nothing of its answer. Default 15 s.
    #[serde(with = "duration")]
    pub write_stall: Duration,
    /// `http.max_head_bytes`: the most bytes of a request line with its headers; hyper reads with a
    /// buffer of at least 8 KiB. Default 16 KiB.
    pub max_head_bytes: usize,
    /// `http.max_headers`: the most headers of a request. Default 100, as hyper's.
    pub max_headers: usize,
    /// `http.trusted_proxies`: networks, such as `10.0.0.0/8`, whose `X-Forwarded-For` counts.
    /// Default none.
    pub trusted_proxies: Vec<Network>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            max_connections: 16_000,
            max_connections_per_address: 5_000,
            first_byte: Duration::from_secs(5),
            head: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            write_stall: Duration::from_secs(15),
            max_head_bytes: 16 * 1024,
            max_headers: 100,
            trusted_proxies: Vec::new(),
        }
    }
}
