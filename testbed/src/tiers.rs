//! The real topology as processes of this machine, all on loopback: three NATS nodes with a user
//! for each role, Cassandra, HAProxy in front, and ingress, fanout and persister nodes.

pub mod node;

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use futures_util::future::{join_all, try_join_all};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use self::node::{Target, Tier};
use crate::{
    balancer,
    client::http,
    place::Place,
    process::Process,
    secrets,
    servers::{Servers, kind::Kind, nats},
};

/// The topology in one folder.
#[derive(Debug)]
pub struct Tiers {
    place: Place,
    settings: Settings,
}

/// What is started, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Logs, data, pid files and secrets.
    pub folder: PathBuf,
    /// The `parlor` that is run; `parlor-loadtest` is beside it.
    pub binary: PathBuf,
    /// By how much all ports are above the usual ones.
    pub offset: u16,
    /// How many nodes each tier gets.
    pub nodes: [(Tier, u16); 3],
    /// How many tenants `t-1`, `t-2`, … there are beside `demo`.
    pub tenants: u32,
    /// The nodes run without a settings file, in development mode.
    pub development: bool,
}

/// What NATS knows by a password of its own.
const USERS: [&str; 5] = ["ingress", "fanout", "persister", "provision", "sys"];
const GRACE: Duration = Duration::from_secs(40);

// === impl Tiers ===

impl Tiers {
    /// The topology of a folder, whether it runs or not.
    pub fn new(place: Place, settings: Settings) -> Self {
        Self { place, settings }
    }

    fn servers(&self) -> anyhow::Result<Servers> {
        let mut variables = Vec::new();
        for user in USERS {
            let name = format!("NATS_{}_PASSWORD", user.to_uppercase());
            let password = secrets::kept(&self.secret(&format!("nats-{user}")))?;
            // What is in quotes is a text to NATS, whatever it looks like.
            variables.push((name, format!("\"{password}\"")));
        }
        let settings = crate::servers::Settings {
            folder: self.settings.folder.clone(),
            offset: Some(self.settings.offset),
            cluster: "tiers.conf".to_owned(),
            given: Vec::new(),
            variables,
        };
        Ok(Servers::new(self.place.clone(), settings))
    }

    fn secret(&self, name: &str) -> PathBuf {
        self.settings.folder.join("secrets").join(name)
    }

    /// Where clients come in.
    fn front(&self) -> SocketAddr {
        self.local(15280)
    }

    /// Where HAProxy shows its figures.
    fn figures(&self) -> SocketAddr {
        self.local(15281)
    }

    fn listen(&self, (tier, number): (Tier, u16)) -> SocketAddr {
        self.local(tier.first_port() + number)
    }

    fn admin(&self, (tier, number): (Tier, u16)) -> SocketAddr {
        self.local(tier.first_port() + 50 + number)
    }

    fn local(&self, port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port + self.settings.offset).into()
    }

    // --- nodes ---

    fn process(&self, name: &str) -> Process {
        Process::of(self.settings.folder.join(name))
    }

    fn node(&self, (tier, number): (Tier, u16)) -> Process {
        self.process(&format!("{}-{number}", tier.name()))
    }

    /// The nodes of a tier that were ever started.
    fn nodes(&self, tier: Tier) -> Vec<(Tier, u16)> {
        let folders = fs::read_dir(&self.settings.folder).into_iter().flatten().flatten();
        let mut nodes: Vec<_> = folders
            .filter_map(|folder| Target::parse_node(folder.file_name().to_str()?))
            .filter(|(of, _)| *of == tier)
            .collect();
        nodes.sort_by_key(|(_, number)| *number);
        nodes
    }

    fn all_nodes(&self) -> Vec<(Tier, u16)> {
        Tier::ALL.into_iter().flat_map(|tier| self.nodes(tier)).collect()
    }

    /// The environment of a role. The binary refuses settings that it does not know.
    fn environment(&self, role: &str) -> anyhow::Result<Vec<(String, String)>> {
        let servers = self.servers()?;
        let quoted = |urls: &str| format!("[\"{}\"]", urls.replace(',', "\",\""));
        let path = |path: PathBuf| path.display().to_string();
        let mut variables = if self.settings.development {
            vec![("PARLOR_HTTP__TRUSTED_PROXIES", "[\"127.0.0.0/8\"]".to_owned())]
        } else {
            vec![
                ("PARLOR_SETTINGS", path(self.place.root.join("deploy/parlor.toml"))),
                ("PARLOR_TENANTS__FILE", path(self.settings.folder.join("tenants.toml"))),
            ]
        };
        let many = "{per_second=100000,burst=100000}".to_owned();
        variables.extend([
            ("PARLOR_SECRETS__CURRENT_FILE", path(self.secret("installation"))),
            ("PARLOR_NATS__URLS", quoted(&servers.address(Kind::Nats3))),
            ("PARLOR_NATS__USER", role.to_owned()),
            ("PARLOR_SECRETS__NATS_PASSWORD_FILE", path(self.secret(&format!("nats-{role}")))),
            ("PARLOR_CQL__NODES", quoted(&servers.address(Kind::Cql))),
            ("PARLOR_CQL__REPLICATION_FACTOR", "1".to_owned()),
            ("PARLOR_LIMITS__ADDRESS_REQUESTS", many.clone()),
            ("PARLOR_LIMITS__ADDRESS_UPGRADES", many),
        ]);
        Ok(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    async fn launch_node(&self, node: (Tier, u16)) -> anyhow::Result<()> {
        let process = self.node(node);
        let mut command = Command::new(&self.settings.binary);
        let role = node.0.name();
        command.arg(role).env_clear().envs(self.environment(role)?);
        command.env("PARLOR_LISTEN", self.listen(node).to_string());
        command.env("PARLOR_ADMIN", self.admin(node).to_string());
        Ok(process.launch(command).await?)
    }

    async fn start_balancer(&self) -> anyhow::Result<()> {
        let process = self.process("haproxy");
        let backends = [Tier::Ingress, Tier::Fanout].map(|tier| {
            let line = |node| (self.node(node).name(), self.listen(node), self.admin(node).port());
            (tier.name(), self.nodes(tier).into_iter().map(line).collect())
        });
        let file = process.folder().join("haproxy.cfg");
        fs::create_dir_all(process.folder())?;
        fs::write(&file, balancer::configuration(&backends))?;
        let mut command = Command::new(balancer::program());
        command.arg("-f").arg(file).env_clear();
        command.env("PARLOR_BIND", self.front().to_string());
        command.env("PARLOR_STATS", self.figures().to_string());
        process.launch(command).await?;
        let listens = async || {
            TcpStream::connect(self.front()).await.is_ok()
                && TcpStream::connect(self.figures()).await.is_ok()
        };
        wait_for(&process, Duration::from_secs(10), "listening", listens).await
    }

    async fn is_ready(&self, node: (Tier, u16)) -> bool {
        http::get(self.admin(node), "/ready").await.is_ok_and(|answer| answer.status == 200)
    }

    async fn wait_until_ready(&self, node: (Tier, u16)) -> anyhow::Result<()> {
        let ready = async || self.is_ready(node).await;
        wait_for(&self.node(node), Duration::from_secs(60), "ready", ready).await
    }

    /// Waits until the balancer sends clients to a node that is ready; its checks find out a moment
    /// later.
    async fn wait_until_served(&self, node: (Tier, u16)) -> anyhow::Result<()> {
        if node.0 == Tier::Persister || !self.process("haproxy").is_alive() {
            return Ok(());
        }
        let line = format!("{},{},", node.0.name(), self.node(node).name());
        let is_served = async || {
            let figures = http::get(self.figures(), "/;csv").await;
            figures.is_ok_and(|figures| {
                figures.text().lines().any(|row| row.starts_with(&line) && row.contains(",UP,"))
            })
        };
        wait_for(&self.node(node), Duration::from_secs(10), "seen by the balancer", is_served).await
    }

    // --- verbs ---

    /// Starts all of it.
    ///
    /// # Errors
    /// Something did not come up, and its log has been printed.
    pub async fn up(&self) -> anyhow::Result<()> {
        let _lock = self.place.lock("tiers")?;
        let binary = &self.settings.binary;
        ensure!(
            binary.is_file(),
            "there is no {}: cargo build --release, or name one with PARLOR_TIERS_BIN",
            binary.display()
        );
        self.place.install(&["nats", "cql", "haproxy"])?;
        fs::create_dir_all(self.secret(""))?;
        secrets::kept(&self.secret("installation"))?;
        secrets::kept(&self.secret("agents"))?;
        fs::write(self.settings.folder.join("tenants.toml"), self.tenants())?;
        self.start_servers().await?;
        say("provisioning streams, consumers and tables");
        self.provision(&[])?;
        for (tier, count) in self.settings.nodes {
            for node in (1..=count).map(|number| (tier, number)) {
                if !self.node(node).is_alive() {
                    self.launch_node(node).await?;
                }
            }
        }
        try_join_all(self.all_nodes().into_iter().map(|node| self.wait_until_ready(node))).await?;
        if !self.process("haproxy").is_alive() {
            self.start_balancer().await?;
        }
        say(&format!(
            "clients come in at http://{}; HAProxy's figures are at http://{}",
            self.front(),
            self.figures()
        ));
        Ok(())
    }

    /// Servers of which some run already are made whole with the data they had;
    /// [`Servers::up`] would begin anew.
    async fn start_servers(&self) -> anyhow::Result<()> {
        let servers = self.servers()?;
        if servers.any_alive(Kind::Nats3) {
            for node in Kind::Nats3.nodes() {
                if !servers.is_alive(*node) {
                    servers.start(*node).await?;
                }
            }
        }
        servers.up(&[Kind::Nats3, Kind::Cql]).await
    }

    fn tenants(&self) -> String {
        let (front, secret) = (self.front(), self.secret("agents"));
        let names = (1..=self.settings.tenants).map(|number| format!("t-{number}"));
        let mut text = String::new();
        for name in std::iter::once("demo".to_owned()).chain(names) {
            let origins = format!("\"http://localhost:{}\", \"http://{front}\"", front.port());
            writeln!(text, "[[tenant]]\nname = \"{name}\"\norigins = [{origins}]").ok();
            writeln!(
                text,
                "[[tenant.agent_key]]\nissuer = \"{name}\"\nkid = \"1\"\nalgorithm = \"HS256\"\n\
                secret_file = {secret:?}\n"
            )
            .ok();
        }
        text
    }

    /// Runs `parlor provision`, with these variables besides.
    ///
    /// # Errors
    /// It fails; it has said why.
    pub fn provision(&self, variables: &[(String, String)]) -> anyhow::Result<()> {
        let monitors = self.servers()?.monitors(Kind::Nats3);
        let mut command = Command::new(&self.settings.binary);
        command.arg("provision").env_clear().envs(self.environment("provision")?);
        command.env("PARLOR_PROVISION__MONITORS", format!("{monitors:?}"));
        command.envs(variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        let status = command.status()?;
        ensure!(status.success(), "parlor provision: {status}");
        Ok(())
    }

    /// Ends what was started in this folder, and nothing else.
    ///
    /// # Errors
    /// A folder cannot be removed.
    pub async fn down(&self) -> anyhow::Result<()> {
        let _lock = self.place.lock("tiers")?;
        let nodes = self.all_nodes().into_iter().map(|node| self.node(node));
        let processes: Vec<_> = std::iter::once(self.process("haproxy")).chain(nodes).collect();
        join_all(processes.iter().map(|process| process.end(GRACE))).await;
        for process in processes.iter().filter(|process| process.folder().exists()) {
            fs::remove_dir_all(process.folder())?;
        }
        if self.secret("").is_dir() { self.servers()?.down().await } else { Ok(()) }
    }

    /// Says what runs; false where something is not ready.
    ///
    /// # Errors
    /// It was never started.
    pub async fn status(&self) -> anyhow::Result<bool> {
        let mut well = self.servers()?.status().await;
        for node in self.all_nodes() {
            let (name, alive) = (self.node(node).name(), self.node(node).is_alive());
            let ready = alive && self.is_ready(node).await;
            say(&match (alive, ready) {
                (true, true) => {
                    let (listen, admin) = (self.listen(node), self.admin(node).port());
                    format!("{name}: ready at {listen}, admin port {admin}")
                }
                (true, false) => format!("{name}: not ready"),
                (false, _) => format!("{name}: not running"),
            });
            well &= ready;
        }
        let balanced = self.process("haproxy").is_alive();
        say(&if balanced {
            format!("haproxy: at http://{}", self.front())
        } else {
            "haproxy: not running".to_owned()
        });
        Ok(well && balanced)
    }

    /// Kills a target: `kill -9`.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill(&self, target: Target) -> anyhow::Result<()> {
        match target {
            Target::Server(node) => self.servers()?.kill(node).await,
            Target::Balancer => self.process("haproxy").kill().await,
            Target::Node(tier, number) => self.node((tier, number)).kill().await,
            Target::Tier(tier) => self.each(tier, |node| Box::pin(self.kill(node))).await,
        }
    }

    /// Stops a target: SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// It does not run.
    pub async fn stop(&self, target: Target) -> anyhow::Result<()> {
        let process = match target {
            Target::Server(node) => return self.servers()?.stop(node).await,
            Target::Tier(tier) => return self.each(tier, |node| Box::pin(self.stop(node))).await,
            Target::Balancer => self.process("haproxy"),
            Target::Node(tier, number) => self.node((tier, number)),
        };
        ensure!(process.is_alive(), "{} does not run", process.name());
        process.end(GRACE).await;
        Ok(())
    }

    /// Starts a target again, with the data it had, and waits until it is ready.
    ///
    /// # Errors
    /// It runs already, or does not become ready.
    pub async fn start(&self, target: Target) -> anyhow::Result<()> {
        match target {
            Target::Server(node) => self.servers()?.start(node).await,
            Target::Tier(tier) => self.each(tier, |node| Box::pin(self.start(node))).await,
            Target::Balancer => {
                ensure!(!self.process("haproxy").is_alive(), "haproxy runs already");
                self.start_balancer().await
            }
            Target::Node(tier, number) => {
                let node = (tier, number);
                ensure!(!self.node(node).is_alive(), "{} runs already", self.node(node).name());
                self.launch_node(node).await?;
                self.wait_until_ready(node).await?;
                self.wait_until_served(node).await
            }
        }
    }

    /// Does something to all nodes of a tier, side by side.
    async fn each<F>(&self, tier: Tier, what: impl Fn(Target) -> F) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let nodes = self.nodes(tier).into_iter();
        try_join_all(nodes.map(|(tier, number)| what(Target::Node(tier, number)))).await?;
        Ok(())
    }

    /// Stops and starts the nodes of a tier, one after another.
    ///
    /// # Errors
    /// One does not become ready.
    pub async fn roll(&self, tier: Tier) -> anyhow::Result<()> {
        for (tier, number) in self.nodes(tier) {
            say(&format!("rolling {}-{number}", tier.name()));
            self.stop(Target::Node(tier, number)).await?;
            self.start(Target::Node(tier, number)).await?;
        }
        Ok(())
    }

    /// How many streams each NATS node leads, and which leads the cluster, as the first of them
    /// that answers knows it.
    ///
    /// # Errors
    /// None answers.
    pub async fn leader(&self) -> anyhow::Result<()> {
        for monitor in self.servers()?.monitors(Kind::Nats3) {
            let port = monitor.rsplit(':').next().and_then(|port| port.parse().ok());
            let Some(about) = nats::jetstream(port.context("a monitor has a port")?).await else {
                continue;
            };
            let details = about["account_details"].as_array().into_iter().flatten();
            let streams = details.filter_map(|account| account["stream_detail"].as_array());
            let leaders: Vec<_> =
                streams.flatten().map(|stream| stream["cluster"]["leader"].clone()).collect();
            for name in Kind::Nats3.nodes().iter().map(|node| node.name()) {
                let count = leaders.iter().filter(|leader| **leader == *name).count();
                let head = about["meta_cluster"]["leader"] == *name;
                let cluster = if head { " and the cluster" } else { "" };
                println!("{name} leads {count} streams{cluster}");
            }
            return Ok(());
        }
        bail!("no NATS node answers")
    }

    /// Becomes `parlor-loadtest steady` against it, with these arguments.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn load(&self, arguments: &[String]) -> anyhow::Result<()> {
        let mut harness = Command::new(self.settings.binary.with_file_name("parlor-loadtest"));
        harness.current_dir(&self.place.root);
        // So that its faults, which are commands of ours, need not ask cargo each time.
        harness.env("PARLOR_TESTBED", std::env::current_exe()?);
        harness.args(["steady", "--rest", &format!("http://{}", self.front())]);
        harness.args(["--tenant-name", "t-{n}", "--agent-issuer", "{tenant}", "--agent-kid", "1"]);
        harness.arg("--agent-key").arg(self.secret("agents"));
        harness.args(["--cql", &self.servers()?.address(Kind::Cql)]).args(arguments);
        Err(harness.exec().into())
    }

    /// Prints the log of one.
    ///
    /// # Errors
    /// It was never started.
    pub fn log(&self, target: Target) -> anyhow::Result<()> {
        let process = match target {
            Target::Server(node) => self.process(&node.name()),
            Target::Balancer => self.process("haproxy"),
            Target::Node(tier, number) => self.node((tier, number)),
            Target::Tier(_) => bail!("say one node of the tier"),
        };
        let mut log = fs::File::open(process.log_file())?;
        std::io::copy(&mut log, &mut std::io::stdout())?;
        Ok(())
    }

    /// Where it is, as lines for a shell.
    ///
    /// # Errors
    /// It was never started.
    pub fn lines(&self) -> anyhow::Result<Vec<String>> {
        let servers = self.servers()?;
        let lines = [
            ("FRONT", format!("http://{}", self.front())),
            ("SECRETS", self.settings.folder.join("secrets").display().to_string()),
            ("NATS", servers.address(Kind::Nats3)),
            ("CQL", servers.address(Kind::Cql)),
        ];
        Ok(lines.map(|(name, value)| format!("export PARLOR_TIERS_{name}='{value}'")).into())
    }
}

/// Waits until a condition holds; fails with the end of the process's log when it ends, or is
/// late.
async fn wait_for(
    process: &Process,
    within: Duration,
    what: &str,
    holds: impl AsyncFn() -> bool,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + within;
    while !holds().await {
        let (name, alive) = (process.name(), process.is_alive());
        if !alive || Instant::now() > deadline {
            eprintln!("{}", process.last_lines());
            ensure!(alive, "{name} ended, see above");
            bail!("{name} is not {what} after {} s, see above", within.as_secs());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

fn say(what: &str) {
    println!("tiers: {what}");
}
