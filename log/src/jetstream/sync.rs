//! Whether the servers fsync every message: only their monitoring addresses (and the system
//! account) tell.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::check::{SYNC_TAG, version_sentence};
use crate::LogError;

/// How long a monitoring address may take.
const WAIT: Duration = Duration::from_secs(3);

/// The longest answer that is read.
const MAX_ANSWER: u64 = 4 << 20;

/// What a server tells about itself; a part of `/varz`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Server {
    #[serde(default, rename = "server_name")]
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    jetstream: JetStream,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct JetStream {
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Clone, Debug, Deserialize)]
struct Config {
    #[serde(default)]
    sync_always: bool,
}

/// The cluster's members, as one of them knows them.
#[derive(Clone, Debug, Deserialize)]
struct Meta {
    #[serde(default)]
    replicas: Option<Vec<Peer>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Peer {
    #[serde(default)]
    name: String,
}

/// Asks each monitoring address, `http://host:port` or `host:port`.
pub(super) async fn servers(monitors: &[String]) -> Result<Vec<Server>, LogError> {
    let mut servers = Vec::new();
    for address in monitors {
        let asked = timeout(WAIT, varz(address)).await;
        let answer = asked.map_err(|_| {
            LogError::Unavailable(format!("monitoring address {address} does not answer"))
        })??;
        let server: Server = serde_json::from_slice(&answer).map_err(|_| {
            LogError::Rejected(format!("{address} is not the monitoring address of a NATS server"))
        })?;
        servers.push(server);
    }
    Ok(servers)
}

/// The sentences that say why an accepted message might not survive a power cut; none where it
/// does. `replicated` streams are placed on servers with the tag only.
pub(super) fn sentences(servers: &[Server], replicated: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for server in servers {
        let name = &server.name;
        wrong.extend(
            version_sentence(&server.version).map(|sentence| format!("server {name}: {sentence}")),
        );
        let tagged = server.tags.iter().flatten().any(|tag| tag == SYNC_TAG);
        match &server.jetstream.config {
            None => wrong.push(format!("server {name} has no JetStream")),
            Some(config) if config.sync_always || (replicated && !tagged) => {}
            Some(_) if tagged => wrong.push(format!(
                "server {name} carries the tag {SYNC_TAG} and does not fsync every message"
            )),
            Some(_) => wrong.push(format!(
                "server {name} does not fsync every message (sync_interval: always)"
            )),
        }
    }
    let asked: BTreeSet<_> = servers.iter().map(|server| server.name.as_str()).collect();
    let peers = servers
        .iter()
        .filter_map(|server| server.jetstream.meta.as_ref()?.replicas.as_ref())
        .flatten();
    let unasked: BTreeSet<_> =
        peers.map(|peer| peer.name.as_str()).filter(|name| !asked.contains(name)).collect();
    wrong.extend(unasked.iter().map(|name| {
        format!("server {name} of the cluster was not asked: give its monitoring address too")
    }));
    wrong
}

/// A GET of HTTP/1.0, after whose answer the server closes.
async fn varz(address: &str) -> Result<Vec<u8>, LogError> {
    let refused = |why: String| LogError::Rejected(format!("monitoring address {address}: {why}"));
    let host = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
    if host.contains('/') || host.chars().any(|char| char.is_whitespace() || char.is_control()) {
        return Err(refused("only http://host:port can be asked".to_owned()));
    }
    let unreachable = |error: std::io::Error| {
        LogError::Unavailable(format!("monitoring address {address}: {error}"))
    };
    let mut stream = TcpStream::connect(host).await.map_err(unreachable)?;
    let request = format!("GET /varz HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(unreachable)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await.map_err(unreachable)?;
    let ok =
        [&b"HTTP/1.0 200 "[..], b"HTTP/1.1 200 "].iter().any(|status| answer.starts_with(status));
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").filter(|_| ok);
    body.map(|end| answer.split_off(end + 4))
        .ok_or_else(|| refused("it does not answer with 200".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn server(name: &str, always: bool, tags: &[&str], peers: &[&str]) -> Server {
        let peers: Vec<_> = peers.iter().map(|name| json!({ "name": name })).collect();
        serde_json::from_value(json!({
            "server_name": name, "version": "2.14.5", "tags": tags,
            "jetstream": { "config": { "sync_always": always }, "meta": { "replicas": peers } }
        }))
        .unwrap()
    }

    #[test]
    fn servers_that_fsync_every_message_leave_nothing_to_say() {
        assert_eq!(sentences(&[server("a", true, &[], &[])], false), [""; 0]);
        let three = [
            server("a", true, &[SYNC_TAG], &["b", "c"]),
            server("b", true, &[SYNC_TAG], &["a", "c"]),
            server("c", false, &[], &["a", "b"]),
        ];
        assert_eq!(sentences(&three, true), [""; 0], "without the tag it gets no stream");
    }

    #[test]
    fn each_server_that_does_not_is_a_sentence() {
        assert_eq!(sentences(&[server("a", false, &[], &[])], false).len(), 1);
        assert_eq!(
            sentences(&[server("a", false, &[SYNC_TAG], &[])], true).len(),
            1,
            "its tag does not tell the truth"
        );
        assert_eq!(
            sentences(&[server("a", true, &[SYNC_TAG], &["b", "c"])], true).len(),
            2,
            "two were not asked"
        );
        let none: Server =
            serde_json::from_value(json!({ "server_name": "a", "version": "2.9.1" })).unwrap();
        assert_eq!(sentences(&[none], false).len(), 2, "old, and without JetStream");
    }
}
