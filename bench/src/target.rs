//! What is measured: processes that this run starts, on free ports of loopback, and ends.

use std::{fs, net::SocketAddr, path::Path, time::Instant};

use anyhow::{Context, ensure};
use parlor_testbed::{
    nodes::{Parlor, Variables, command_of, free_address},
    process::own_program,
    servers::{given, own::Server},
};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::process::Process;

/// How Parlor is set up, or what stands in its place to show a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Topology {
    /// All of it in one process, with an fsync before every acknowledgement
    Embedded,
    /// One ingress on one NATS server, without fsync on every message; no persister
    Tier,
    /// The same with an fsync on every message
    TierSynced,
    /// Not Parlor: one thread that answers the same frames and requests from memory
    Echo,
}

/// A running topology.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) processes: Vec<Process>,
    _running: Running,
    _folder: TempDir,
}

/// What has to live as long.
#[derive(Debug)]
#[expect(dead_code, reason = "they end when they are dropped")]
enum Running {
    Node(Parlor),
    OnNats(Parlor, Server),
    Echo(Child),
}

/// What processes used between two moments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Used {
    pub(crate) seconds: f64,
    /// CPU of each of the target's processes, in microseconds.
    pub(crate) cpu: Vec<(&'static str, f64)>,
    /// CPU of the client, in microseconds.
    pub(crate) client: f64,
}

/// Counts from a moment on.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    target: &'a Target,
    began: Instant,
    before: Vec<f64>,
}

const FAST: &str = "{per_second=10000000,burst=10000000}";
const FAST_BYTES: &str = "{per_second=4000000000,burst=4000000000}";

// === impl Target ===

impl Target {
    /// Starts it with the `parlor` of this path.
    pub(crate) async fn start(topology: Topology, binary: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut variables = limits();
        let (address, processes, running) = match topology {
            Topology::Echo => {
                let address = free_address();
                let mut command = Command::new(own_program()?);
                command.arg("echo").arg(address.to_string()).kill_on_drop(true);
                let child = command.spawn().context("the echo cannot be started")?;
                let echo = Process { name: "echo", pid: child.id().context("it has ended")? };
                crate::echo::answers(address).await?;
                (address, vec![echo], Running::Echo(child))
            }
            Topology::Embedded => {
                let node = Parlor::start_of(binary, folder.path(), None, &variables).await;
                let process = Process { name: "parlor", pid: node.pid() };
                (node.listen, vec![process], Running::Node(node))
            }
            Topology::Tier | Topology::TierSynced => {
                let nats = match topology {
                    Topology::TierSynced => Server::start().await,
                    _ => Server::start_untagged().await,
                };
                variables.extend(tier(folder.path(), &nats)?);
                let provisioned =
                    command_of(binary, folder.path(), &["provision"], &variables).output()?;
                let said = String::from_utf8_lossy(&provisioned.stderr).into_owned();
                ensure!(provisioned.status.success(), "{said}");
                let node =
                    Parlor::start_of(binary, folder.path(), Some("ingress"), &variables).await;
                let processes = vec![
                    Process { name: "ingress", pid: node.pid() },
                    Process { name: "nats", pid: nats.pid() },
                ];
                (node.listen, processes, Running::OnNats(node, nats))
            }
        };
        Ok(Self { address, processes, _running: running, _folder: folder })
    }

    pub(crate) fn watch(&self) -> anyhow::Result<Watch<'_>> {
        Ok(Watch { target: self, began: Instant::now(), before: self.cpus()? })
    }

    /// The CPU of each process, this one's last.
    fn cpus(&self) -> anyhow::Result<Vec<f64>> {
        self.processes.iter().chain([&Process::own()]).map(Process::cpu).collect()
    }

    /// The memory of all its processes, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<f64> {
        self.processes.iter().map(Process::memory).sum()
    }
}

// === impl Watch ===

impl Watch<'_> {
    pub(crate) fn end(self) -> anyhow::Result<Used> {
        let after = self.target.cpus()?;
        let mut used = after.iter().zip(&self.before).map(|(after, before)| after - before);
        let names = self.target.processes.iter().map(|process| process.name);
        let cpu = names.zip(used.by_ref()).collect();
        Ok(Used {
            seconds: self.began.elapsed().as_secs_f64(),
            cpu,
            client: after[after.len() - 1] - self.before[self.before.len() - 1],
        })
    }
}

// === impl Used ===

impl Used {
    /// CPU of all servers, in microseconds.
    pub(crate) fn servers(&self) -> f64 {
        self.cpu.iter().map(|(_, micros)| micros).sum()
    }
}

/// No limit of a tenant or address is to be what is measured.
fn limits() -> Variables {
    let fast = |name| (name, FAST.to_owned());
    vec![
        fast("PARLOR_LIMITS__ADDRESS_UPGRADES"),
        fast("PARLOR_LIMITS__ADDRESS_REQUESTS"),
        fast("PARLOR_LIMITS__TENANT_MESSAGES"),
        fast("PARLOR_LIMITS__VISITOR_MESSAGES"),
        ("PARLOR_LIMITS__TENANT_BYTES", FAST_BYTES.to_owned()),
        ("PARLOR_LIMITS__VISITOR_BYTES", FAST_BYTES.to_owned()),
        ("PARLOR_HTTP__MAX_CONNECTIONS_PER_ADDRESS", "200000".to_owned()),
        ("PARLOR_TELEMETRY__FILTER", "error".to_owned()),
    ]
}

/// A tier needs the database only for what history reads; it is the one that scripts/servers runs.
fn tier(folder: &Path, nats: &Server) -> anyhow::Result<Variables> {
    let secret = folder.join("secret");
    fs::write(&secret, "a secret of this benchmark, of 32 bytes or more")?;
    let name = format!("b{}", nats.pid());
    Ok(vec![
        ("PARLOR_SECRETS__CURRENT_FILE", secret.display().to_string()),
        ("PARLOR_NATS__URLS", format!("[{:?}]", nats.url())),
        ("PARLOR_NATS__NAMESPACE", name.clone()),
        ("PARLOR_NATS__REPLICAS", "1".to_owned()),
        // Where the server does fsync every message, nothing is allowed by it.
        ("PARLOR_NATS__ALLOW_UNSYNCED", "true".to_owned()),
        ("PARLOR_NATS__SHARDS", "4".to_owned()),
        ("PARLOR_PROVISION__MONITORS", format!("[{:?}]", nats.monitor())),
        ("PARLOR_CQL__NODES", format!("[{:?}]", given("PARLOR_TEST_CQL"))),
        ("PARLOR_CQL__KEYSPACE", format!("parlor_{name}")),
        ("PARLOR_CQL__REPLICATION_FACTOR", "1".to_owned()),
    ])
}
