//! What the pages may do, as the browser is told by the Content-Security-Policy.

use axum::http::HeaderValue;
use parlor_auth::OriginRule;

/// Everything comes from the installation itself, nothing is inline, and no text becomes markup or
/// code (Trusted Types, with no exception).
const OWN: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    font-src 'self'; base-uri 'none'; form-action 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'; connect-src 'self'";

/// The policies of the pages of one installation.
pub(super) struct Policy {
    /// All but who may have the page in a frame.
    own: String,
    of_files: HeaderValue,
}

// === impl Policy ===

impl Policy {
    /// `socket_url` is where the visitors' socket is, or empty.
    pub(super) fn new(socket_url: &str) -> Self {
        let own = match origin_of(socket_url) {
            Some(origin) => format!("{OWN} {origin}"),
            None => OWN.to_owned(),
        };
        let of_files = value(format!("{own}; frame-ancestors 'none'"));
        Self { own, of_files }
    }

    /// A file that is no page: nobody shows it by itself.
    pub(super) const fn of_files(&self) -> &HeaderValue {
        &self.of_files
    }

    /// A document that the installation's own pages and those of `origins` may have in a frame.
    pub(super) fn framed_by(&self, origins: &[OriginRule]) -> HeaderValue {
        let mut policy = format!("{}; frame-ancestors 'self'", self.own);
        for rule in origins {
            match rule {
                OriginRule::Exact(origin) => {
                    let origin = origin.to_string();
                    // A policy has no way to write an IPv6 address.
                    if !origin.contains('[') {
                        policy.push(' ');
                        policy.push_str(&origin);
                    }
                }
                OriginRule::Loopback => policy.push_str(
                    " http://localhost:* http://127.0.0.1:* https://localhost:* \
                     https://127.0.0.1:*",
                ),
            }
        }
        value(policy)
    }
}

/// The origin of a socket's address, as a policy names it; `None` where there is none, or where it
/// would say more than an origin.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    host.bytes().all(plain).then(|| format!("{scheme}://{host}"))
}

/// A policy is made of checked origins and of what stands in this file; should one be no header's
/// value all the same, nothing is allowed.
fn value(policy: String) -> HeaderValue {
    HeaderValue::try_from(policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(policy: &HeaderValue) -> &str {
        policy.to_str().unwrap()
    }

    #[test]
    fn a_frame_is_for_exactly_the_tenants_origins_and_the_installation() {
        let rules = ["https://shop.example", "http://10.0.0.1:8080", "https://[::1]"]
            .map(OriginRule::exact);
        let rules: Vec<_> = rules.into_iter().map(Result::unwrap).collect();
        let policy = Policy::new("").framed_by(&rules);
        let ancestors = text(&policy).split("; ").last().unwrap();
        assert_eq!(ancestors, "frame-ancestors 'self' https://shop.example http://10.0.0.1:8080");
    }

    #[test]
    fn the_dashboard_is_framed_by_nobody_else() {
        let policy = Policy::new("").framed_by(&[]);
        assert!(text(&policy).ends_with("; frame-ancestors 'self'"));
    }

    #[test]
    fn a_socket_that_is_elsewhere_may_be_connected_to_and_nothing_slips_into_the_policy() {
        let policy = Policy::new("wss://sockets.example:8443/ws/chat?a=b");
        assert!(
            text(policy.of_files()).contains("connect-src 'self' wss://sockets.example:8443; "),
            "{policy:?}",
            policy = policy.of_files()
        );
        for odd in ["", "junk", "wss://", "wss://a;script-src *", "wss://a b"] {
            assert!(text(Policy::new(odd).of_files()).contains("connect-src 'self'; "), "{odd}");
        }
    }
}
