//! A node goes on where something around it does not: a standard error that takes nothing, and a
//! limit of open files; and it keeps what it writes to itself.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use parlor_testbed::{
    client::{http, visitor::Visitor},
    nodes::{Parlor, command, free_addresses},
    wait::until,
};
use serde_json::json;
use tempfile::TempDir;

/// A node whose standard error is the test's affair.
struct Node {
    child: Child,
    listen: SocketAddr,
    admin: SocketAddr,
    _folder: TempDir,
}

impl Node {
    /// Starts the all-in-one, by way of `shell` commands where there are any.
    fn start(shell: &str, filter: &str, stderr: Stdio) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [listen, admin, _] = free_addresses();
        let variables = [
            ("PARLOR_LISTEN", listen.to_string()),
            ("PARLOR_ADMIN", admin.to_string()),
            ("PARLOR_TELEMETRY__FILTER", filter.to_owned()),
        ];
        let parlor = command::<&str>(folder.path(), &[], &variables);
        let mut started = Command::new("/bin/sh");
        started.args(["-c", &format!("{shell} exec \"$0\"")]).arg(parlor.get_program());
        let variables = variables.iter().map(|(name, value)| (*name, value));
        started.env_clear().envs(variables).current_dir(folder.path());
        let started = started.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        Self { child: started.spawn().unwrap(), listen, admin, _folder: folder }
    }

    async fn ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.is_ready().await {
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended");
            assert!(Instant::now() < deadline, "it is not ready after 30 s");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_ready(&self) -> bool {
        let answer = http::request(self.admin, "GET", "/ready", &[], "").await;
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// What clients ask, each of which is a line of the log at `debug`.
    async fn is_asked(&self, times: usize) {
        for _ in 0..times {
            let answer = http::request(self.listen, "GET", "/nowhere", &[], "").await.unwrap();
            // 429 once there are more of them than an address may ask.
            assert!(matches!(answer.status, 404 | 429), "{answer:?}");
        }
    }

    async fn lost_lines(&self) -> f64 {
        let answer = http::request(self.admin, "GET", "/metrics", &[], "").await.unwrap();
        let mut lines = answer.body.lines();
        let lost = lines.find_map(|line| line.strip_prefix("parlor_telemetry_lost_lines_total "));
        lost.unwrap().parse().unwrap()
    }

    /// SIGTERM, and its orderly end.
    fn stop(mut self) {
        let told = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(told.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn a_full_standard_error_costs_lines_and_nothing_else() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut node = Node::start("", "debug", full.into());
    node.ready().await;
    node.is_asked(20).await;
    assert!(node.is_ready().await);
    assert!(node.lost_lines().await > 0.0);
    node.stop();
}

#[tokio::test]
async fn a_standard_error_that_is_closed_at_the_other_end_costs_lines_and_nothing_else() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut node = Node::start("", "debug", writer.into());
    node.ready().await;
    node.is_asked(20).await;
    assert!(node.lost_lines().await > 0.0);
    node.stop();
}

#[tokio::test]
async fn a_node_without_a_standard_error_serves() {
    let mut node = Node::start("exec 2>&-;", "debug", Stdio::null());
    node.ready().await;
    node.is_asked(20).await;
    node.stop();
}

/// A pipe holds 64 KiB and the queue 8,192 lines: what comes after that is lost, and nobody waits.
#[tokio::test]
async fn a_standard_error_that_nobody_reads_holds_nobody_up() {
    let (_unread, writer) = std::io::pipe().unwrap();
    let mut node = Node::start("", "trace", writer.into());
    node.ready().await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while node.lost_lines().await == 0.0 {
        assert!(Instant::now() < deadline, "the log is not that talkative");
        node.is_asked(50).await;
    }
    assert!(node.is_ready().await);
    node.stop();
}

#[tokio::test]
async fn clients_who_take_all_connections_leave_the_operators_port_alone() {
    let mut node = Node::start("ulimit -Sn 256; ulimit -Hn 600;", "info", Stdio::null());
    node.ready().await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", node.child.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("600"), "the soft limit is raised: {files}");
    let clients: Vec<_> = (0..1_000)
        .filter_map(|_| TcpStream::connect_timeout(&node.listen, Duration::from_secs(1)).ok())
        .collect();
    assert!(clients.len() > 600, "{}", clients.len());
    for path in ["/live", "/ready", "/metrics"] {
        let asked = Instant::now();
        let answer = http::request(node.admin, "GET", path, &[], "").await.unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(asked.elapsed() < Duration::from_secs(1), "{path}: {:?}", asked.elapsed());
    }
    drop(clients);
    until("clients are served again, and nobody has done anything about it", async || {
        let answer = http::request(node.listen, "GET", "/", &[], "").await;
        answer.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    node.stop();
}

/// Writes the tenants file as an editor or a full disk may leave it, and waits until the node has
/// said what it thinks of that.
#[tokio::test]
async fn a_tenants_file_that_is_damaged_cuts_nobody_off() {
    const TENANT: &str = "[[tenant]]\nname = \"shop\"\norigins = [\"http://localhost:3000\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tenants.toml");
    fs::write(&file, TENANT).unwrap();
    let settings = folder.path().join("parlor.toml");
    fs::write(&settings, "[tenants]\nfile = \"tenants.toml\"\nreload_every = \"20ms\"\n").unwrap();
    let settings = [("PARLOR_SETTINGS", settings.to_str().unwrap().to_owned())];
    let parlor = Parlor::start(folder.path(), None, &settings).await;
    let mut visitor = Visitor::new("shop");
    let half = format!("{TENANT}\n[[tenant]]\nname = \"ot");
    for (said, (damage, size)) in (1..).zip([
        ("", 0),
        (&TENANT[..20], 20),
        (&half, half.len() as u64),
        ("[[tenant]]", 1 << 40),
    ]) {
        // At once, so that the node sees nothing in between.
        let new = folder.path().join("new.toml");
        fs::write(&new, damage).unwrap();
        File::options().write(true).open(&new).unwrap().set_len(size).unwrap();
        fs::rename(&new, &file).unwrap();
        until("the node has told of the damage", async || {
            parlor.said().matches("is broken: the old one stays in force").count() >= said
        })
        .await;
        let posted = visitor.post(parlor.listen, &json!({"text": "hello"})).await.unwrap();
        assert_eq!(posted.status, 201, "{size} bytes: {}", posted.body);
    }
    assert!(parlor.is_ready().await);
    assert!(parlor.stop().await.success());
}

#[test]
fn a_limit_that_leaves_no_room_for_connections_is_refused_with_a_sentence() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut node = Node::start("ulimit -n 512;", "info", writer.into());
    assert_eq!(node.child.wait().unwrap().code(), Some(64));
    let mut said = vec![0; 65_536];
    let length = std::io::Read::read(&mut reader, &mut said).unwrap();
    let said = String::from_utf8_lossy(&said[..length]).into_owned();
    assert!(said.contains("the process may open 512 files"), "{said}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_data_folder_and_its_files_are_for_their_user_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("parlor-data");
    // As an earlier version left them.
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(data.join("installation.key"), "0".repeat(64)).unwrap();
    fs::set_permissions(data.join("installation.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    assert_eq!(mode(&data), 0o700);
    let mut files = 0;
    for file in fs::read_dir(&data).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
        files += 1;
    }
    assert!(files >= 3, "the key, the log and the store");
    drop(parlor);
}
