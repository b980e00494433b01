//! Real NATS servers of a test's own: started, killed, stopped.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where its servers cannot be started or stopped"
)]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    given,
    nats::{self, NatsServer, Sync},
    raw::Raw,
};
use crate::{
    network::{Network, Proxy},
    nodes::free_addresses,
    place, process,
    wait::{until, until_within},
};

/// A cluster whose servers start at once may need several elections, each of some seconds and more
/// on a busy machine.
const UP_WITHIN: Duration = Duration::from_secs(180);

/// The project's fsync, and the default one.
const UNSYNCED: (&str, &str) = ("sync_interval: always", "sync_interval: \"2m\"");

/// One server. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    settings: NatsServer,
    folder: TempDir,
    process: Option<Child>,
}

// === impl Server ===

impl Server {
    /// A server as the project configures it.
    pub async fn start() -> Self {
        let mut server = Self::new("alone", "server.conf");
        server.run().await;
        server
    }

    /// A server with the default fsync, of every two minutes, which says that it has another.
    pub async fn start_unsynced() -> Self {
        Self::start_changed("unsynced", &[UNSYNCED]).await
    }

    /// The same, which says so.
    pub async fn start_untagged() -> Self {
        Self::start_changed("untagged", &[UNSYNCED, ("\"sync:always\"", "")]).await
    }

    /// A server whose configuration has other words in some places.
    async fn start_changed(name: &str, changes: &[(&str, &str)]) -> Self {
        let mut server = Self::new(name, "server.conf");
        let mut unsynced = fs::read_to_string(&server.settings.config).unwrap();
        for (from, to) in changes {
            assert!(unsynced.contains(from), "{from} is not in it");
            unsynced = unsynced.replace(from, to);
        }
        server.settings.config = server.folder.path().join("unsynced.conf");
        fs::write(&server.settings.config, unsynced).unwrap();
        server.run().await;
        server
    }

    fn new(name: &str, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [clients, monitor, _] = free_addresses().map(|address| address.port());
        let settings = NatsServer {
            name: name.to_owned(),
            config: configuration(config),
            store: folder.path().join("data"),
            max_store: "100GB",
            clients,
            monitor,
            cluster: None,
            routes: Vec::new(),
        };
        Self { settings, folder, process: None }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.settings.clients)
    }

    /// Its process.
    ///
    /// # Panics
    /// It does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Its monitoring address.
    pub fn monitor(&self) -> String {
        format!("http://127.0.0.1:{}", self.settings.monitor)
    }

    /// A connection to it.
    pub async fn raw(&self) -> Raw {
        Raw::connect(&self.url()).await
    }

    /// Starts it, with the data it had, and waits until it is healthy.
    pub async fn run(&mut self) {
        self.launch();
        let url = self.url();
        until("the server is healthy", async || Raw::is_healthy(&url).await).await;
    }

    fn launch(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(given("PARLOR_TEST_NATS_SERVER"));
        self.settings.configure(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process =
            Some(command.spawn().expect("PARLOR_TEST_NATS_SERVER names a program that starts"));
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Ends it as an operator does.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        let mut process = self.process.take().expect("it runs");
        process.wait().unwrap();
    }

    /// Where it keeps the messages of a stream. It must not run while they are changed.
    pub fn messages_of(&self, stream: &str) -> PathBuf {
        assert!(self.process.is_none(), "the server has ended");
        let streams = self.folder.path().join("data/jetstream");
        let mut found: Vec<_> = fs::read_dir(streams)
            .unwrap()
            .map(|account| account.unwrap().path().join("streams").join(stream).join("msgs"))
            .filter(|folder| folder.is_dir())
            .collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    /// How many connections it has, the asking one included.
    pub async fn connections(&self) -> u64 {
        let _asking = self.raw().await;
        nats::connections(self.settings.monitor).await.expect("the monitoring port answers")
    }

    /// Freezes it: it holds its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Ends that.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it runs");
        assert!(process::send(signal, process.id()), "it runs");
    }

    /// The last lines it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- what server {} wrote:\n{}", self.settings.name, self.log());
        }
        self.kill();
    }
}

/// Three servers that are a cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Each of them.
    pub servers: Vec<Server>,
    /// The routes of each server to the others, where they can be cut.
    routes: Vec<Vec<(usize, Proxy)>>,
}

// === impl Cluster ===

impl Cluster {
    /// Starts them, and waits until they have a leader.
    pub async fn start() -> Self {
        let ports = free_addresses().map(|address| address.port());
        let mut cluster = Self { servers: Vec::new(), routes: Vec::new() };
        for (number, port) in ports.iter().enumerate() {
            let mut server = Server::new(&format!("n{number}"), "cluster.conf");
            server.settings.cluster = Some(*port);
            server.settings.routes = ports.to_vec();
            cluster.servers.push(server);
        }
        cluster.run().await;
        cluster
    }

    /// Starts them with a proxy on each way between two of them, so that
    /// [`isolate`](Self::isolate) can cut it.
    pub async fn start_apart() -> Self {
        let ports = free_addresses().map(|address| address.port());
        let mut cluster = Self { servers: Vec::new(), routes: Vec::new() };
        for (number, port) in ports.iter().enumerate() {
            let mut server = Server::new(&format!("n{number}"), "cluster.conf");
            let (from, to) = (place::root().join("nats"), server.folder.path());
            server.settings.config =
                nats::configure_apart(&from, "cluster.conf", to, Sync::Always).unwrap();
            server.settings.cluster = Some(*port);
            let mut routes = Vec::new();
            for (other, port) in ports.iter().enumerate().filter(|(other, _)| *other != number) {
                routes.push((other, Proxy::before(&format!("127.0.0.1:{port}")).await));
            }
            server.settings.routes = routes.iter().map(|(_, proxy)| proxy.address.port()).collect();
            cluster.servers.push(server);
            cluster.routes.push(routes);
        }
        cluster.run().await;
        cluster
    }

    async fn run(&mut self) {
        for server in &mut self.servers {
            server.launch();
        }
        for server in &self.servers {
            let url = server.url();
            let healthy = async || Raw::is_healthy(&url).await;
            until_within(UP_WITHIN, "the cluster is healthy", healthy).await;
        }
    }

    /// Cuts one server off from the others of a cluster that was started apart; its clients keep
    /// their connections.
    pub fn isolate(&self, server: usize) {
        self.turn_routes(server, Network::Broken);
    }

    /// Ends that.
    pub fn reunite(&self, server: usize) {
        self.turn_routes(server, Network::Whole);
    }

    fn turn_routes(&self, server: usize, network: Network) {
        assert!(!self.routes.is_empty(), "the cluster was started apart");
        for (from, routes) in self.routes.iter().enumerate() {
            let touched = routes.iter().filter(|(to, _)| from == server || *to == server);
            touched.for_each(|(_, proxy)| proxy.turn(network));
        }
    }

    /// Where clients connect.
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Server::url).collect()
    }

    /// Their monitoring addresses.
    pub fn monitors(&self) -> Vec<String> {
        self.servers.iter().map(Server::monitor).collect()
    }

    /// The server that leads a stream.
    pub async fn leader(&mut self, stream: &str) -> &mut Server {
        let mut raw = self.servers[0].raw().await;
        let info = raw.api(&format!("STREAM.INFO.{stream}"), "").await;
        let leader = info["cluster"]["leader"].as_str().expect("it has a leader").to_owned();
        self.servers
            .iter_mut()
            .find(|server| server.name() == leader)
            .expect("the leader is one of them")
    }
}

/// A configuration of the project's own.
fn configuration(name: &str) -> PathBuf {
    place::root().join("nats").join(name)
}
