//! Origins: where a page comes from, exactly, and which of them a tenant allows.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use http::HeaderValue;
use parlor_common::planted::{self, Fault};

/// The most bytes of an Origin that are looked at; a host has 253 at most.
const MAX_BYTES: usize = 300;

/// A page's origin: scheme, host and port, in one spelling (lower case, the port always there).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scheme {
    Http,
    Https,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    Name(Box<str>),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// What a tenant allows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OriginRule {
    /// This one alone. Never a part of it: `https://shop.example` allows neither
    /// `https://a.shop.example` nor `https://shop.example.net`.
    Exact(Origin),
    /// `localhost`, `127.0.0.1` and `[::1]` on any port: development mode.
    Loopback,
}

/// An Origin that was checked, as the browser wrote it: the value of `Access-Control-Allow-Origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(HeaderValue);

/// The text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is http:// or https://, a host in ASCII and at most a port, such as \
     https://shop.example:8443"
)]
pub struct BadOrigin;

// === impl Origin ===

impl Origin {
    /// Reads an origin as a browser writes it (RFC 6454 §6.2). Schemes and hosts are compared in
    /// lower case, and the scheme's own port is the same as none.
    ///
    /// # Errors
    /// [`BadOrigin`] for anything else: `null`, a path, user information, white space, characters
    /// beyond ASCII.
    pub fn parse(text: &str) -> Result<Self, BadOrigin> {
        if text.len() > MAX_BYTES || !text.is_ascii() {
            return Err(BadOrigin);
        }
        let text = text.to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://").ok_or(BadOrigin)?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(BadOrigin),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(BadOrigin)?;
                (Host::V6(address.parse().map_err(|_| BadOrigin)?), port)
            }
            None => {
                let (name, port) = rest.split_at(rest.find(':').unwrap_or(rest.len()));
                (Host::named(name)?, port)
            }
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| BadOrigin)?
            }
            None if port.is_empty() => scheme.port(),
            _ => return Err(BadOrigin),
        };
        if port == 0 { Err(BadOrigin) } else { Ok(Self { scheme, host, port }) }
    }

    /// The mistake [`Fault::OriginBySuffix`].
    fn is_end_of(&self, other: &Self) -> bool {
        match (&self.host, &other.host) {
            (Host::Name(end), Host::Name(name)) => {
                (self.scheme, self.port) == (other.scheme, other.port) && name.ends_with(&**end)
            }
            _ => false,
        }
    }

    fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Name(name) => &**name == "localhost",
            Host::V4(address) => *address == Ipv4Addr::LOCALHOST,
            Host::V6(address) => *address == Ipv6Addr::LOCALHOST,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        match &self.host {
            Host::Name(name) => write!(f, "{scheme}://{name}")?,
            Host::V4(address) => write!(f, "{scheme}://{address}")?,
            Host::V6(address) => write!(f, "{scheme}://[{address}]")?,
        }
        if self.port == self.scheme.port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

// === impl Scheme ===

impl Scheme {
    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

// === impl Host ===

impl Host {
    /// A name of labels, or an IPv4 address in its one usual spelling.
    fn named(name: &str) -> Result<Self, BadOrigin> {
        if let Ok(address) = name.parse() {
            return Ok(Self::V4(address));
        }
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
        };
        let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(allowed);
        // What ends in a number is an address in a spelling that browsers never send.
        let last_is_number = name.rsplit('.').next().is_none_or(|last| {
            last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x")
        });
        let is_name = name.len() <= 253 && name.split('.').all(is_label) && !last_is_number;
        if is_name { Ok(Self::Name(name.into())) } else { Err(BadOrigin) }
    }
}

// === impl OriginRule ===

impl OriginRule {
    /// The rule that allows the origin `text` alone.
    ///
    /// # Errors
    /// [`BadOrigin`] where it is none. A host with other letters is written in its ASCII form
    /// (`xn--…`).
    pub fn exact(text: &str) -> Result<Self, BadOrigin> {
        Origin::parse(text).map(Self::Exact)
    }

    /// Whether `origin` is allowed.
    pub fn allows(&self, origin: &Origin) -> bool {
        match self {
            Self::Exact(exact) => {
                exact == origin || planted::is(Fault::OriginBySuffix) && exact.is_end_of(origin)
            }
            Self::Loopback => origin.is_loopback(),
        }
    }
}

// === impl AllowedOrigin ===

impl AllowedOrigin {
    /// `value`, where one of `rules` allows it.
    pub(crate) fn check(rules: &[OriginRule], value: &HeaderValue) -> Option<Self> {
        let origin = Origin::parse(value.to_str().ok()?).ok()?;
        rules.iter().any(|rule| rule.allows(&origin)).then(|| Self(value.clone()))
    }

    /// As a header's value.
    pub const fn header(&self) -> &HeaderValue {
        &self.0
    }

    /// As a header's value.
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(rule: &str, origin: &str) -> bool {
        let value = HeaderValue::from_bytes(origin.as_bytes()).unwrap();
        AllowedOrigin::check(&[OriginRule::exact(rule).unwrap()], &value).is_some()
    }

    #[test]
    fn an_origin_is_itself_in_every_spelling_of_the_same() {
        for (rule, origin) in [
            ("https://shop.example", "https://shop.example"),
            ("https://shop.example", "https://shop.example:443"),
            ("http://shop.example", "http://shop.example:80"),
            ("https://Shop.Example", "HTTPS://sHOP.eXAMPLE"),
            ("https://shop.example:8443", "https://shop.example:8443"),
            ("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080"),
            ("https://192.0.2.1", "https://192.0.2.1"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ] {
            assert!(allows(rule, origin), "{rule} {origin}");
        }
    }

    #[test]
    fn an_origin_that_only_looks_like_it_is_another() {
        parlor_testbed::planted::begin();
        for origin in [
            "",
            "null",
            "https://",
            "shop.example",
            "//shop.example",
            "https:shop.example",
            "http://shop.example",
            "https://shop.example:8443",
            "https://shop.example:80",
            "https://evil-shop.example",
            "https://a.shop.example",
            "https://shop.example.evil.net",
            "https://shop.exampleevil",
            "https://shop.example.",
            "https://shop.example@evil.net",
            "https://evil.net@shop.example",
            "https://a:b@shop.example",
            "https://shop.example/",
            "https://shop.example/x",
            "https://shop.example?x",
            "https://shop.example#x",
            "https://shop.example:",
            "https://shop.example:0",
            "https://shop.example:+443",
            "https://shop.example:65979",
            "https://shop.example:443:443",
            " https://shop.example",
            "https://shop.example ",
            "https://shop.example https://evil.net",
            "https://shop.example,https://evil.net",
            "https://shop%2eexample",
            "https://ѕhop.example",
            "https://shop。example",
            "https://ｓhop.example",
            "https://xn--hop-1rd.example",
            "wss://shop.example",
            "javascript://shop.example",
            "https://[shop.example]",
            "https://[::1",
        ] {
            assert!(!allows("https://shop.example", origin), "{origin}");
        }
    }

    #[test]
    fn an_address_has_one_spelling() {
        for origin in [
            "http://127.1",
            "http://0x7f.0.0.1",
            "http://2130706433",
            "http://127.0.0.0x1",
            "http://0177.0.0.1",
        ] {
            assert_eq!(Origin::parse(origin), Err(BadOrigin), "{origin}");
        }
    }

    #[test]
    fn loopback_is_three_hosts_on_any_port() {
        let allows = |text: &str| {
            Origin::parse(text).is_ok_and(|origin| OriginRule::Loopback.allows(&origin))
        };
        for origin in [
            "http://localhost",
            "https://localhost:3000",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
        ] {
            assert!(allows(origin), "{origin}");
        }
        for origin in [
            "http://localhost.evil.net",
            "http://a.localhost",
            "http://127.0.0.2",
            "http://[::2]",
            "null",
        ] {
            assert!(!allows(origin), "{origin}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_the_same(
            text in "https?://[a-z0-9.-]{1,20}(:[0-9]{1,5})?"
        ) {
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert_eq!(Origin::parse(&origin.to_string()), Ok(origin));
            }
        }

        #[test]
        fn a_rule_allows_no_text_that_goes_on(rest in "[ -~]{1,12}") {
            let allowed = allows("https://shop.example", &format!("https://shop.example{rest}"));
            let port = rest.trim_start_matches(":0").trim_start_matches(':');
            prop_assert!(!allowed || port.trim_start_matches('0') == "443");
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            prop_assert!(Origin::parse(&text).map_or(true, |origin| origin.port > 0));
        }
    }
}
