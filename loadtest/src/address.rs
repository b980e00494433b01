//! Addresses of what is tested: plain HTTP, since it runs beside the harness or behind a balancer
//! that ends TLS.

use std::{fmt, str::FromStr};

/// `http://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// With the port, as a `Host` header has it.
    pub(crate) host: String,
}

/// A node's operators' port, and what the report calls it: `[NAME=]http://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: Address,
}

// === impl Address ===

impl Address {
    /// What a TCP connection is made to.
    pub(crate) fn target(&self) -> String {
        let has_port =
            self.host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        if has_port { self.host.clone() } else { format!("{}:80", self.host) }
    }

    /// As a page served from here would name its origin.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.host)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        let is_host = |host: &&str| !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
        match host.filter(is_host) {
            Some(host) => Ok(Self { host: host.to_owned() }),
            None => Err("an address such as http://127.0.0.1:8080 is expected".to_owned()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

// === impl Node ===

impl FromStr for Node {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, url)) if !name.is_empty() => {
                Ok(Self { name: name.to_owned(), address: url.parse()? })
            }
            _ => {
                let address: Address = text.parse()?;
                Ok(Self { name: address.host.clone(), address })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_a_name_of_its_own_or_its_hosts() {
        let name = |text: &str| text.parse::<Node>().map(|node| (node.name, node.address.host));
        let pair = |name: &str, host: &str| Ok((name.to_owned(), host.to_owned()));
        assert_eq!(name("ingress-1=http://a:81"), pair("ingress-1", "a:81"));
        assert_eq!(name("http://a:81"), pair("a:81", "a:81"));
        assert!(name("=http://a:81").is_err() && name("a=b").is_err());
    }

    #[test]
    fn an_address_is_a_host_and_perhaps_a_port() {
        let target = |text: &str| text.parse::<Address>().map(|address| address.target()).ok();
        assert_eq!(target("http://a:81/").as_deref(), Some("a:81"));
        assert_eq!(target("http://a").as_deref(), Some("a:80"));
        assert_eq!(target("http://[::1]:8080").as_deref(), Some("[::1]:8080"));
        for text in ["", "a:80", "https://a", "http://", "http://a/b", "http://u@a"] {
            assert_eq!(target(text), None, "{text}");
        }
    }
}
