//! The real servers that tests and development run against: a NATS server, a NATS cluster of three,
//! and Cassandra in ScyllaDB's place.

pub mod cassandra;
pub mod kind;
pub mod nats;
pub mod own;
pub mod raw;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use self::{
    kind::{Kind, Node},
    nats::{NatsServer, Sync},
};
use crate::{place::Place, process::Process};

/// A set of servers in one folder. They outlive the command that started them.
#[derive(Debug)]
pub struct Servers {
    place: Place,
    settings: Settings,
}

/// Which servers, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where each node has its folder.
    pub folder: PathBuf,
    /// By how much their ports are above those of [`Kind::ports`]; without one, by as much as is
    /// needed to find free ones.
    pub offset: Option<u16>,
    /// The file in `nats/` that configures the cluster.
    pub cluster: String,
    /// The address that somebody gave for a kind: that one is used and none is started.
    pub given: Vec<(Kind, String)>,
    /// What the configuration of NATS refers to besides the addresses.
    pub variables: Vec<(String, String)>,
    /// The ports by which each server of the cluster reaches the others, where that is by proxies.
    pub routes: Option<Vec<Vec<u16>>>,
    /// How those of such a cluster write.
    pub sync: Sync,
}

const GRACE: Duration = Duration::from_secs(10);

/// The value of a variable that `scripts/servers env` prints; ends a test that runs without it.
#[expect(clippy::disallowed_methods, reason = "where the servers are is all that a test is told")]
pub fn given(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: run scripts/test, or 'scripts/servers up' and \
            eval \"$(scripts/servers env)\""
        )
    })
}

// === impl Servers ===

impl Servers {
    /// The servers of a folder, whether they run or not.
    pub fn new(place: Place, settings: Settings) -> Self {
        Self { place, settings }
    }

    // --- addresses ---

    /// The address of a kind as the tests want it.
    pub fn address(&self, kind: Kind) -> String {
        self.given(kind).unwrap_or_else(|| self.own_address(kind))
    }

    /// The monitoring addresses of a kind of NATS server.
    pub fn monitors(&self, kind: Kind) -> Vec<String> {
        self.ports(kind)[kind.monitors()].iter().map(|p| format!("http://127.0.0.1:{p}")).collect()
    }

    /// Our own, left over in a shell, is not given.
    fn given(&self, kind: Kind) -> Option<String> {
        let (_, address) = self.settings.given.iter().find(|(given, _)| *given == kind)?;
        (!address.is_empty() && *address != self.own_address(kind)).then(|| address.clone())
    }

    fn own_address(&self, kind: Kind) -> String {
        kind.address(&self.ports(kind))
    }

    /// The ports that a kind was started with, in the order of [`Kind::ports`].
    fn ports(&self, kind: Kind) -> Vec<u16> {
        let noted = fs::read_to_string(self.offset_file(kind)).unwrap_or_default();
        let offset: u16 = noted.trim().parse().unwrap_or(0);
        kind.ports().iter().map(|port| port + offset).collect()
    }

    fn offset_file(&self, kind: Kind) -> PathBuf {
        self.settings.folder.join(format!("{}.offset", kind.name()))
    }

    /// Notes the first step at which all ports of a kind are free.
    async fn choose_ports(&self, kind: Kind) -> anyhow::Result<()> {
        let steps = self.settings.offset.map_or_else(
            || (0..10).map(|step| step * 100).collect::<Vec<u16>>(),
            |offset| vec![offset],
        );
        'steps: for offset in steps {
            for port in kind.ports() {
                if TcpStream::connect(("127.0.0.1", port + offset)).await.is_ok() {
                    continue 'steps;
                }
            }
            return Ok(fs::write(self.offset_file(kind), offset.to_string())?);
        }
        bail!(
            "no free ports for {} near {:?}: end what uses them, or set PARLOR_PORT_OFFSET",
            kind.name(),
            kind.ports()
        )
    }

    // --- processes ---

    fn process(&self, node: Node) -> Process {
        Process::of(self.settings.folder.join(node.name()))
    }

    fn processes(&self, kind: Kind) -> impl Iterator<Item = Process> {
        kind.nodes().iter().map(|node| self.process(*node))
    }

    /// Whether any server of ours of a kind runs.
    pub fn any_alive(&self, kind: Kind) -> bool {
        self.processes(kind).any(|process| process.is_alive())
    }

    /// Whether a server runs.
    pub fn is_alive(&self, node: Node) -> bool {
        self.process(node).is_alive()
    }

    fn all_alive(&self, kind: Kind) -> bool {
        self.processes(kind).all(|process| process.is_alive())
    }

    async fn launch(&self, node: Node) -> anyhow::Result<()> {
        let process = self.process(node);
        let ports = self.ports(node.kind());
        match node {
            Node::Cql => cassandra::launch(&self.place, &process, &ports).await,
            Node::Nats => self.launch_nats(&process, "server.conf", &ports, 0).await,
            Node::Nats3(number) => {
                let index = usize::from(number) - 1;
                self.launch_nats(&process, &self.settings.cluster, &ports, index).await
            }
        }
    }

    async fn launch_nats(
        &self,
        process: &Process,
        config: &str,
        ports: &[u16],
        index: usize,
    ) -> anyhow::Result<()> {
        // Clients' ports, then as many for monitoring, then for routes.
        let count = ports.len().div_ceil(3).max(1);
        let routes = self.settings.routes.as_ref().and_then(|routes| routes.get(index));
        let folder = self.place.root.join("nats");
        let config = match routes {
            Some(_) if ports.len() > 2 => {
                nats::configure_apart(&folder, config, process.folder(), self.settings.sync)?
            }
            _ => folder.join(config),
        };
        let server = NatsServer {
            name: process.name(),
            config,
            store: process.folder().join("data"),
            // More than the disk has: each test's streams reserve much and hardly use it.
            max_store: "10TB",
            clients: ports[index],
            monitor: ports[count + index],
            cluster: ports.get(2 * count + index).copied(),
            routes: routes
                .map_or_else(|| ports.get(2 * count..).unwrap_or_default(), Vec::as_slice)
                .to_vec(),
        };
        let mut command = Command::new(self.place.nats_server());
        server.configure(&mut command);
        command.envs(self.settings.variables.iter().map(|(name, value)| (name, value)));
        Ok(process.launch(command).await?)
    }

    // --- do they answer? ---

    async fn answers(&self, kind: Kind) -> bool {
        let ports = self.ports(kind);
        match kind {
            Kind::Nats => nats::is_healthy(ports[1]).await,
            Kind::Nats3 => {
                for monitor in &ports[kind.monitors()] {
                    if !(nats::knows_its_cluster(*monitor).await
                        && nats::is_healthy(*monitor).await)
                    {
                        return false;
                    }
                }
                true
            }
            Kind::Cql => cassandra::answers(ports[0]).await,
        }
    }

    /// Whether one node answers, whatever the others of its kind do.
    async fn node_answers(&self, node: Node) -> bool {
        match node {
            Node::Nats | Node::Cql => self.answers(node.kind()).await,
            Node::Nats3(number) => {
                nats::is_healthy(self.ports(Kind::Nats3)[usize::from(number) + 2]).await
            }
        }
    }

    /// Waits until a kind answers; fails with the end of its logs when a process of it ends.
    async fn wait_for(&self, kind: Kind) -> anyhow::Result<()> {
        const WITHIN: Duration = Duration::from_secs(90);
        let deadline = Instant::now() + WITHIN;
        loop {
            let reason = if !self.all_alive(kind) {
                "a process of it ended"
            } else if self.answers(kind).await {
                return Ok(());
            } else if Instant::now() > deadline {
                "it does not answer after 90 s"
            } else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            for process in self.processes(kind) {
                eprintln!("{}", process.last_lines());
            }
            self.end(kind).await;
            bail!("{} did not come up: {reason}, see the log above", kind.name());
        }
    }

    async fn end(&self, kind: Kind) {
        futures_util::future::join_all(
            kind.nodes().iter().map(async |node| self.process(*node).end(GRACE).await),
        )
        .await;
    }

    // --- verbs ---

    /// Starts these kinds with fresh data, unless they run.
    ///
    /// # Errors
    /// One did not come up, and its log has been printed.
    pub async fn up(&self, kinds: &[Kind]) -> anyhow::Result<()> {
        let _lock = self.place.lock("servers")?;
        let mut start = Vec::new();
        for kind in kinds.iter().copied() {
            if let Some(given) = self.given(kind) {
                say(&format!("{}: using {}={given}", kind.name(), kind.variable()));
            } else if self.all_alive(kind) && self.answers(kind).await {
                say(&format!("{}: is up at {}", kind.name(), self.address(kind)));
            } else {
                start.push(kind);
            }
        }
        if start.is_empty() {
            return Ok(());
        }
        fs::create_dir_all(&self.settings.folder)?;
        self.place.install(&start.iter().map(|kind| kind.package()).collect::<Vec<_>>())?;
        for kind in &start {
            self.end(*kind).await;
            for process in self.processes(*kind) {
                remove(process.folder())?;
            }
            self.choose_ports(*kind).await?;
            say(&format!("{}: starting at {}", kind.name(), self.address(*kind)));
            for node in kind.nodes() {
                self.launch(*node).await?;
            }
        }
        // They start side by side. NATS takes a second, a cluster's first election a few, Cassandra
        // 3 to 7.
        for kind in &start {
            self.wait_for(*kind).await?;
            say(&format!("{}: answers", kind.name()));
        }
        Ok(())
    }

    /// Ends those that were started in this folder, and nothing else.
    ///
    /// # Errors
    /// The lock cannot be taken.
    pub async fn down(&self) -> anyhow::Result<()> {
        let _lock = self.place.lock("servers")?;
        for kind in Kind::ALL {
            if self.any_alive(kind) {
                say(&format!("ending {}", kind.name()));
            }
            self.end(kind).await;
        }
        Ok(())
    }

    /// Says what runs; false where something does not answer.
    pub async fn status(&self) -> bool {
        let mut well = true;
        for kind in Kind::ALL {
            let name = kind.name();
            let pids: Vec<u32> = self.processes(kind).filter_map(|process| process.pid()).collect();
            let started = self.processes(kind).any(|process| process.folder().join("pid").exists());
            if let Some(given) = self.given(kind) {
                say(&format!("{name}: given, {given}"));
            } else if !started {
                say(&format!("{name}: not started"));
            } else {
                let answers = self.all_alive(kind) && self.answers(kind).await;
                let how = if answers { "answers" } else { "does not answer" };
                say(&format!("{name}: {how} at {}, pid {pids:?}", self.address(kind)));
                well &= answers;
            }
        }
        well
    }

    /// `kill -9` of one.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill(&self, node: Node) -> anyhow::Result<()> {
        let _lock = self.place.lock("servers")?;
        self.process(node).kill().await
    }

    /// SIGTERM of one, and its end.
    ///
    /// # Errors
    /// It does not run.
    pub async fn stop(&self, node: Node) -> anyhow::Result<()> {
        let _lock = self.place.lock("servers")?;
        ensure!(self.is_alive(node), "{} does not run", node.name());
        self.process(node).end(GRACE).await;
        Ok(())
    }

    /// Starts one with the data it had, and waits until it answers.
    ///
    /// # Errors
    /// It runs already, or does not answer.
    pub async fn start(&self, node: Node) -> anyhow::Result<()> {
        let _lock = self.place.lock("servers")?;
        ensure!(!self.is_alive(node), "{} runs already", node.name());
        self.launch(node).await?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.node_answers(node).await {
            ensure!(
                Instant::now() < deadline,
                "{} does not answer after 60 s, see {}",
                node.name(),
                self.process(node).log_file().display()
            );
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Starts those of a kind that do not run, all at once, and waits until they answer.
    ///
    /// # Errors
    /// They do not.
    pub async fn start_all(&self, kind: Kind) -> anyhow::Result<()> {
        let _lock = self.place.lock("servers")?;
        for node in kind.nodes() {
            if !self.is_alive(*node) {
                self.launch(*node).await?;
            }
        }
        self.wait_for(kind).await
    }

    /// The addresses of what runs, as lines for a shell.
    pub fn environment(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut export = |name: &str, value: &str| lines.push(format!("export {name}='{value}'"));
        for kind in Kind::ALL {
            let alive = self.all_alive(kind);
            if alive || self.given(kind).is_some() {
                export(kind.variable(), &self.address(kind));
            }
            if alive && kind != Kind::Cql {
                export(&format!("{}_MONITOR", kind.variable()), &self.monitors(kind).join(","));
            }
        }
        let program = self.place.nats_server();
        if program.is_file() {
            export("PARLOR_TEST_NATS_SERVER", &program.display().to_string());
        }
        lines
    }
}

fn say(what: &str) {
    println!("servers: {what}");
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}
