//! A NATS server: what its configuration refers to, and whether it is well.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::client::http;

/// What differs between servers of one configuration.
#[derive(Clone, Debug)]
pub struct NatsServer {
    /// Its name, which is unique in a cluster.
    pub name: String,
    /// The file that configures it.
    pub config: PathBuf,
    /// Where it keeps streams.
    pub store: PathBuf,
    /// The most that streams may reserve, which is their `max_bytes`, whatever they use.
    pub max_store: &'static str,
    /// The port for clients.
    pub clients: u16,
    /// The port for monitoring.
    pub monitor: u16,
    /// The port for routes, in a cluster.
    pub cluster: Option<u16>,
    /// The ports for routes of all servers of the cluster.
    pub routes: Vec<u16>,
}

/// When a server writes what it has accepted through to its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before it acknowledges, as the project configures it.
    Always,
    /// Every two minutes, as NATS does by default.
    ByDefault,
}

// === impl NatsServer ===

impl NatsServer {
    /// Adds the arguments and the variables that the project's configurations refer to.
    pub fn configure(&self, command: &mut Command) {
        let local = |port: u16| format!("127.0.0.1:{port}");
        let routes: Vec<_> =
            self.routes.iter().map(|port| format!("\"nats://{}\"", local(*port))).collect();
        command.arg("--config").arg(&self.config);
        command
            .env("NATS_NAME", &self.name)
            .env("NATS_LISTEN", local(self.clients))
            .env("NATS_MONITOR", local(self.monitor))
            .env("NATS_STORE", &self.store)
            .env("NATS_MAX_STORE", self.max_store)
            .env("NATS_CLUSTER_LISTEN", local(self.cluster.unwrap_or(0)))
            .env("NATS_ROUTES", format!("[{}]", routes.join(", ")));
    }
}

/// Copies a configuration of a cluster into `to`, changed so that its servers reach each other by
/// proxies alone. They tell each other where they are, and would go round the proxies: so each
/// tells an address that nobody listens at. Gives the file of the copy.
///
/// # Errors
/// A file cannot be read or written.
pub fn configure_apart(folder: &Path, config: &str, to: &Path, sync: Sync) -> io::Result<PathBuf> {
    fs::create_dir_all(to)?;
    for file in [config, "cluster.conf", "server.conf", "accounts.conf"] {
        let text = fs::read_to_string(folder.join(file))?;
        let apart = text.replace("cluster {", "cluster {\n  advertise: \"127.0.0.1:9\"");
        let synced = match sync {
            Sync::Always => apart,
            Sync::ByDefault => apart.replace("sync_interval: always", "sync_interval: \"2m\""),
        };
        fs::write(to.join(file), synced)?;
    }
    Ok(to.join(config))
}

/// Whether the server with this monitoring port says that it is.
pub async fn is_healthy(monitor: u16) -> bool {
    let answer = http::get(local(monitor), "/healthz").await;
    answer.is_ok_and(|answer| answer.status == 200)
}

/// Whether it counts three servers and knows their leader.
pub async fn knows_its_cluster(monitor: u16) -> bool {
    let Some(about) = jetstream(monitor).await else { return false };
    let meta = &about["meta_cluster"];
    meta["cluster_size"] == 3 && meta["leader"].as_str().is_some_and(|name| !name.is_empty())
}

/// What it says about JetStream and its streams.
pub async fn jetstream(monitor: u16) -> Option<Value> {
    about(monitor, "/jsz?streams=1").await
}

/// How many connections of clients it has.
pub async fn connections(monitor: u16) -> Option<u64> {
    about(monitor, "/varz").await?["connections"].as_u64()
}

async fn about(monitor: u16, path: &str) -> Option<Value> {
    let answer = http::get(local(monitor), path).await.ok()?;
    serde_json::from_str(&answer.text()).ok()
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
