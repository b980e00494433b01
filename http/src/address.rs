//! The client's address: its peer's, or what trusted proxies say of it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use parlor_common::address::Network;

/// The most hops of `X-Forwarded-For` that are looked at, from the right.
const MAX_HOPS: usize = 32;

/// The address a request came from, behind the trusted proxies; in the request's extensions.
///
/// IPv4 in IPv6 is shown as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddr(pub IpAddr);

/// The client behind `peer`: the rightmost hop that no trusted proxy has. What an untrusted hop
/// says of others is not believed, and neither is anything left of a hop that cannot be read.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> ClientAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let hops = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b','));
    for hop in hops.take(MAX_HOPS) {
        if !is_trusted(client) {
            break;
        }
        let Some(address) = hop_address(hop) else { break };
        client = address;
    }
    ClientAddr(client)
}

/// `address`, `[address]` or `address:port`.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let address = bare
        .parse::<IpAddr>()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn client_of(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        client(peer.parse().unwrap(), &headers, &networks(trusted)).0.to_string()
    }

    #[test]
    fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
        assert_eq!(client_of("192.0.2.1", &["203.0.113.9"], &[]), "192.0.2.1");
        assert_eq!(client_of("192.0.2.1", &["203.0.113.9"], &["10.0.0.0/8"]), "192.0.2.1");
        assert_eq!(client_of("10.1.2.3", &["203.0.113.9"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(client_of("::ffff:10.1.2.3", &["203.0.113.9"], &["10.0.0.0/8"]), "203.0.113.9");
    }

    #[test]
    fn the_client_is_the_rightmost_untrusted_hop() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(
            client_of("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], &trusted),
            "203.0.113.9"
        );
        assert_eq!(
            client_of("10.0.0.1", &["1.1.1.1", "203.0.113.9, fd00::1"], &trusted),
            "203.0.113.9"
        );
        assert_eq!(
            client_of("10.0.0.1", &["10.0.0.3,10.0.0.2"], &trusted),
            "10.0.0.3",
            "all of them trusted"
        );
        assert_eq!(
            client_of("10.0.0.1", &["1.1.1.1, unknown"], &trusted),
            "10.0.0.1",
            "nothing left of junk counts"
        );
        assert_eq!(client_of("10.0.0.1", &["203.0.113.9:4711"], &trusted), "203.0.113.9");
        assert_eq!(client_of("10.0.0.1", &["[2001:db8::1]:4711"], &trusted), "2001:db8::1");
        assert_eq!(client_of("10.0.0.1", &[], &trusted), "10.0.0.1");
    }
}
