//! Real NATS servers of a test's own: started, killed, stopped.

use std::{
    fs,
    io::Read,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::suite::tools::eventually;

use super::{isolation::Isolation, raw::Raw};

/// A variable that `scripts/test` sets; fails with a sentence without it.
#[expect(clippy::disallowed_methods, reason = "where the servers are is all that a test is told")]
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run scripts/test, or 'scripts/servers up nats nats3' and eval \"$(scripts/servers env)\"")
    })
}

/// One server. Dropping it ends it.
pub(crate) struct Server {
    name: String,
    config: PathBuf,
    ports: Ports,
    routes: Option<String>,
    folder: TempDir,
    process: Option<Child>,
}

#[derive(Clone, Copy)]
struct Ports {
    clients: u16,
    monitor: u16,
    cluster: u16,
}

/// The project's own configuration of a server.
const SERVER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nats/server.conf");
const CLUSTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../nats/cluster.conf");

// === impl Ports ===

impl Ports {
    /// Ports that were free a moment ago.
    fn free() -> Self {
        let bound: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let port = |index: usize| bound[index].local_addr().unwrap().port();
        Self { clients: port(0), monitor: port(1), cluster: port(2) }
    }
}

// === impl Server ===

impl Server {
    /// A server as the project configures it.
    pub(crate) async fn start() -> Self {
        Self::start_with(Path::new(SERVER)).await
    }

    /// A server with the default fsync, of every two minutes.
    pub(crate) async fn start_unsynced() -> Self {
        let mut server = Self::new("unsynced", Path::new(SERVER), Ports::free(), None);
        let config = server.folder.path().join("unsynced.conf");
        let synced = fs::read_to_string(SERVER).unwrap();
        let unsynced = synced.replace("sync_interval: always", "sync_interval: \"2m\"");
        assert_ne!(synced, unsynced);
        fs::write(&config, unsynced).unwrap();
        server.config = config;
        server.run().await;
        server
    }

    async fn start_with(config: &Path) -> Self {
        let mut server = Self::new("alone", config, Ports::free(), None);
        server.run().await;
        server
    }

    fn new(name: &str, config: &Path, ports: Ports, routes: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            name: name.to_owned(),
            config: config.to_owned(),
            ports,
            routes,
            folder,
            process: None,
        }
    }

    /// The configuration of a cluster's server that tells the others no address of its own: routes
    /// are those that are configured, and no others are found around them.
    fn without_gossip(&self) -> PathBuf {
        let listen = "listen: $NATS_CLUSTER_LISTEN";
        let shared = fs::read_to_string(CLUSTER).unwrap();
        let changed = shared.replace(listen, &format!("{listen}\n  advertise: \"127.0.0.1:1\""));
        assert_ne!(shared, changed);
        let folder = self.folder.path();
        fs::copy(SERVER, folder.join("server.conf")).unwrap();
        fs::write(folder.join("cluster.conf"), changed).unwrap();
        folder.join("cluster.conf")
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.ports.clients)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn monitor(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.monitor)
    }

    pub(crate) async fn raw(&self) -> Raw {
        Raw::connect(&self.url()).await
    }

    /// Starts it, with the data it had, and waits until it is healthy.
    pub(crate) async fn run(&mut self) {
        self.launch();
        let url = self.url();
        eventually("the server is healthy", || async { Raw::try_healthy(&url).await }).await;
    }

    fn launch(&mut self) {
        let program = variable("PARLOR_TEST_NATS_SERVER");
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let local = |port: u16| format!("127.0.0.1:{port}");
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(&self.config)
            .env("NATS_NAME", &self.name)
            .env("NATS_LISTEN", local(self.ports.clients))
            .env("NATS_MONITOR", local(self.ports.monitor))
            .env("NATS_STORE", self.folder.path().join("data"))
            .env("NATS_MAX_STORE", "100GB")
            .env("NATS_CLUSTER_LISTEN", local(self.ports.cluster))
            .env("NATS_ROUTES", self.routes.as_deref().unwrap_or("[]"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.process =
            Some(command.spawn().expect("PARLOR_TEST_NATS_SERVER names a program that starts"));
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Ends it as an operator does.
    pub(crate) fn stop(&mut self) {
        self.signal("-TERM");
        let mut process = self.process.take().expect("it runs");
        process.wait().unwrap();
    }

    /// Where it keeps the messages of a stream. It must not run while they are changed.
    pub(crate) fn messages_of(&self, stream: &str) -> PathBuf {
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
    pub(crate) async fn connections(&self) -> u64 {
        self.raw().await.connections(self.ports.monitor).await
    }

    /// Freezes it: it holds its connections and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it runs");
        let done = Command::new("kill").arg(signal).arg(process.id().to_string()).status().unwrap();
        assert!(done.success());
    }

    /// The last lines it wrote.
    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        let file = fs::File::open(self.folder.path().join("log"));
        file.and_then(|mut file| file.read_to_string(&mut text))
            .map_or_else(|error| error.to_string(), |_| text)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- what server {} wrote:\n{}", self.name, self.log());
        }
        self.kill();
    }
}

/// Three servers that are a cluster.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
}

// === impl Cluster ===

impl Cluster {
    pub(crate) async fn start() -> Self {
        let ports: Vec<_> = (0..3).map(|_| Ports::free()).collect();
        let routes: Vec<_> =
            ports.iter().map(|ports| format!("\"nats://127.0.0.1:{}\"", ports.cluster)).collect();
        let routes = format!("[{}]", routes.join(", "));
        let mut servers = Vec::new();
        for (number, ports) in ports.into_iter().enumerate() {
            let name = format!("n{number}");
            servers.push(Server::new(&name, Path::new(CLUSTER), ports, Some(routes.clone())));
        }
        Self::launch(servers).await
    }

    /// A cluster whose first server can be cut off from the two others.
    pub(crate) async fn start_with_isolation() -> (Self, Isolation) {
        let ports: Vec<_> = (0..3).map(|_| Ports::free()).collect();
        let isolation = Isolation::before(&[ports[1].cluster, ports[2].cluster]).await;
        let to = |port: u16| format!("[\"nats://127.0.0.1:{port}\"]");
        let (second, third) = (to(ports[1].cluster), to(ports[2].cluster));
        let through =
            format!("[\"nats://{}\", \"nats://{}\"]", isolation.routes[0], isolation.routes[1]);
        let mut servers = Vec::new();
        for (number, (ports, routes)) in ports.into_iter().zip([through, third, second]).enumerate()
        {
            let name = format!("n{number}");
            let mut server = Server::new(&name, Path::new(CLUSTER), ports, Some(routes));
            server.config = server.without_gossip();
            servers.push(server);
        }
        (Self::launch(servers).await, isolation)
    }

    async fn launch(mut servers: Vec<Server>) -> Self {
        servers.iter_mut().for_each(Server::launch);
        for server in &servers {
            let url = server.url();
            eventually("the cluster is healthy", || async { Raw::try_healthy(&url).await }).await;
        }
        Self { servers }
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Server::url).collect()
    }

    pub(crate) fn monitors(&self) -> Vec<String> {
        self.servers.iter().map(Server::monitor).collect()
    }

    /// The server that leads a stream.
    pub(crate) async fn leader(&mut self, stream: &str) -> &mut Server {
        let mut raw = self.servers[0].raw().await;
        let info = raw.api(&format!("STREAM.INFO.{stream}"), "").await;
        let leader = info["cluster"]["leader"].as_str().expect("it has a leader").to_owned();
        self.servers
            .iter_mut()
            .find(|server| server.name() == leader)
            .expect("the leader is one of them")
    }
}
