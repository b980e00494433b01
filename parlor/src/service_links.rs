//! Service links: the variables that Kubernetes puts into every container for each Service of its
//! namespace. Those of a Service whose name begins with `parlor` look like settings.

use std::{
    env,
    net::{IpAddr, SocketAddr},
};

/// The names of this process's variables that are service links.
pub(crate) fn in_environment() -> Vec<String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let links = env::vars_os().filter_map(text).filter(|(name, value)| is_one(name, value));
    links.map(|(name, _)| name).collect()
}

/// Whether a variable is a service link, by its name and by its value: a setting that is misspelled
/// is none.
///
/// For a Service called `chat`, they are `CHAT_SERVICE_HOST`, `CHAT_SERVICE_PORT`,
/// `CHAT_SERVICE_PORT_<name of the port>`, `CHAT_PORT`, `CHAT_PORT_80_TCP`, and the last one with
/// `_PROTO`, `_PORT` and `_ADDR`.
fn is_one(name: &str, value: &str) -> bool {
    let is_address = || value.parse::<IpAddr>().is_ok();
    let is_port = || value.parse::<u16>().is_ok();
    name.ends_with("_SERVICE_HOST") && is_address()
        || name.ends_with("_SERVICE_PORT") && is_port()
        || name.contains("_SERVICE_PORT_") && is_port()
        || name.ends_with("_PORT") && parse_url(value).is_some()
        || after_each(name, "_PORT_").any(|rest| is_of_port(rest, value))
}

/// Whether `rest`, such as `80_TCP_ADDR`, and the value tell of one port.
fn is_of_port(rest: &str, value: &str) -> bool {
    let mut words = rest.split('_');
    let (Some(port), Some(protocol)) = (words.next(), words.next()) else { return false };
    let (Ok(number), protocol) = (port.parse::<u16>(), protocol.to_ascii_lowercase()) else {
        return false;
    };
    match (words.next(), words.next()) {
        (None, None) => parse_url(value) == Some((protocol.as_str(), number)),
        (Some("PROTO"), None) => is_protocol(value) && value == protocol,
        (Some("PORT"), None) => value == port,
        (Some("ADDR"), None) => is_protocol(&protocol) && value.parse::<IpAddr>().is_ok(),
        _ => false,
    }
}

/// Protocol and port of `tcp://10.0.0.1:80`.
fn parse_url(value: &str) -> Option<(&str, u16)> {
    let (protocol, address) = value.split_once("://")?;
    let address: SocketAddr = address.parse().ok()?;
    is_protocol(protocol).then_some((protocol, address.port()))
}

fn is_protocol(word: &str) -> bool {
    matches!(word, "tcp" | "udp" | "sctp")
}

fn after_each<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(word).map(move |(start, _)| &text[start + word.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_says_of_a_service_is_a_link() {
        for (name, value) in [
            ("PARLOR_SERVICE_HOST", "10.96.0.7"),
            ("PARLOR_SERVICE_HOST", "fd00::7"),
            ("PARLOR_SERVICE_PORT", "8080"),
            ("PARLOR_SERVICE_PORT_HTTP", "8080"),
            ("PARLOR_PORT", "tcp://10.96.0.7:8080"),
            ("PARLOR_PORT", "udp://[fd00::7]:53"),
            ("PARLOR_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
            ("PARLOR_PORT_8080_TCP_PROTO", "tcp"),
            ("PARLOR_PORT_8080_TCP_PORT", "8080"),
            ("PARLOR_PORT_8080_TCP_ADDR", "10.96.0.7"),
            ("PARLOR_INGRESS_SERVICE_HOST", "10.96.0.8"),
            ("PARLOR_INGRESS_SERVICE_PORT_WS_CHAT", "80"),
            ("PARLOR_INGRESS_PORT", "tcp://10.96.0.8:80"),
            ("PARLOR_EU_FANOUT_PORT_9443_SCTP_ADDR", "10.96.0.9"),
            ("PARLOR_PORT_AUTHORITY_PORT_80_TCP", "tcp://10.96.0.9:80"),
        ] {
            assert!(is_one(name, value), "{name}={value}");
        }
    }

    #[test]
    fn what_only_looks_like_a_link_is_a_stranger() {
        for (name, value) in [
            ("PARLOR_SERVICE_HOST", "parlor.example"),
            ("PARLOR_SERVICE_PORT", "80a"),
            ("PARLOR_SERVICE_PORT", "70000"),
            ("PARLOR_PORT", "8080"),
            ("PARLOR_PORT", "tcp://parlor:8080"),
            ("PARLOR_PORT", "http://10.96.0.7:8080"),
            ("PARLOR_PORT_8080_TCP", "tcp://10.96.0.7:8081"),
            ("PARLOR_PORT_8080_TCP", "udp://10.96.0.7:8080"),
            ("PARLOR_PORT_8080_TCP_PROTO", "udp"),
            ("PARLOR_PORT_8080_TCP_PORT", "8081"),
            ("PARLOR_PORT_8080_HTTP_ADDR", "10.96.0.7"),
            ("PARLOR_PORT_8080_TCP_NAME", "10.96.0.7"),
            ("PARLOR_PORT_X_TCP_ADDR", "10.96.0.7"),
            ("PARLOR_LISTEN_ADDRESS", "10.96.0.7"),
            ("PARLOR_LISTNE", "127.0.0.1:8080"),
            ("PARLOR_NATS__PASSWORD", "10.96.0.7"),
        ] {
            assert!(!is_one(name, value), "{name}={value}");
        }
    }
}
