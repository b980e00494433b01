//! Socket activation: a service manager holds the listening sockets, so that a restart refuses
//! nobody.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parlor_common::drain::Drain;
use parlor_testbed::{
    client::{http, visitor::Visitor},
    nodes::{command, free_address, run},
    process::send,
    wait::until,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

/// What a shell does for its node: it puts the sockets where a manager puts them, and tells.
const HAND_OVER: &str = r#"exec 3<&0 4<&1 </dev/null >/dev/null
export LISTEN_FDS LISTEN_FDNAMES LISTEN_PID=$$
exec "$@""#;

/// Holds the sockets while nodes come and go.
struct Manager {
    folder: TempDir,
    http: TcpListener,
    admin: TcpListener,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        Self { folder, http: bind(), admin: bind() }
    }

    fn listen(&self) -> SocketAddr {
        self.http.local_addr().unwrap()
    }

    /// Starts the next node. What it would bind itself is somewhere else.
    fn start(&self) -> Child {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        start(self.folder.path(), [&self.http, &self.admin], "http:admin", log.into())
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }

    async fn ready(&self) {
        let admin = self.admin.local_addr().unwrap();
        let is_ready = async || {
            let answer = http::get(admin, "/ready").await;
            answer.is_ok_and(|answer| answer.status == 200)
        };
        until("the node is ready", is_ready).await;
    }
}

/// Starts the all-in-one with two sockets of these names.
fn start(folder: &Path, sockets: [&TcpListener; 2], names: &str, stderr: Stdio) -> Child {
    let variables = [
        ("PARLOR_LISTEN", free_address().to_string()),
        ("PARLOR_ADMIN", free_address().to_string()),
        ("LISTEN_FDS", "2".to_owned()),
        ("LISTEN_FDNAMES", names.to_owned()),
    ];
    let parlor = command::<&str>(folder, &[], &variables);
    let [http, admin] = sockets.map(|socket| OwnedFd::from(socket.try_clone().unwrap()));
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", HAND_OVER, "sh"]).arg(parlor.get_program());
    shell.env_clear().envs(variables).current_dir(folder);
    shell.stdin(http).stdout(admin).stderr(stderr).spawn().unwrap()
}

async fn ended(mut node: Child) -> ExitStatus {
    let mut status = None;
    until("the node ends", async || {
        status = node.try_wait().unwrap();
        status.is_some()
    })
    .await;
    status.unwrap()
}

/// Writes until it is told to stop; what was accepted. Fails where a connection or a send does.
async fn writes(
    listen: SocketAddr,
    number: usize,
    accepted: Arc<AtomicUsize>,
    stop: Drain,
) -> (Visitor, Vec<String>) {
    let mut visitor = Visitor::new("demo");
    let mut sent = Vec::new();
    while !stop.is_draining() {
        let text = format!("visitor {number}, message {}", sent.len());
        let answer = visitor.post(listen, &json!({ "text": text })).await.unwrap();
        answer.expect(201);
        sent.push(text);
        accepted.fetch_add(1, Ordering::Relaxed);
        // As fast as a visitor may.
        sleep(Duration::from_millis(50)).await;
    }
    (visitor, sent)
}

#[tokio::test]
async fn thirty_restarts_under_a_service_manager_refuse_nobody() {
    let manager = Manager::new();
    let (listen, stop, accepted) = (manager.listen(), Drain::new(), Arc::default());
    let mut node = manager.start();
    manager.ready().await;
    let writer = |number| stop.spawn(writes(listen, number, Arc::clone(&accepted), stop.clone()));
    let writers: Vec<_> = (0..4).map(writer).collect();
    for _ in 0..30 {
        let before = accepted.load(Ordering::Relaxed);
        until("sends are accepted", async || accepted.load(Ordering::Relaxed) > before + 4).await;
        assert!(send("-TERM", node.id()));
        assert!(ended(node).await.success(), "{}", std::fs::read_to_string(manager.log()).unwrap());
        // Nobody is there, and whoever comes now is answered by the next node.
        let mut waiting = TcpStream::connect(listen).await.expect("nobody is refused");
        let request = format!("GET / HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n");
        waiting.write_all(request.as_bytes()).await.unwrap();
        node = manager.start();
        manager.ready().await;
        let mut answer = String::new();
        waiting.read_to_string(&mut answer).await.expect("nobody is reset");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    stop.begin();
    for writer in writers {
        let (visitor, sent) = writer.await.unwrap();
        let newest = sent.len().saturating_sub(50);
        let texts = visitor.texts(listen).await.unwrap();
        assert!(texts.ends_with(&sent[newest..]), "{texts:?}");
    }
    assert!(send("-TERM", node.id()));
    assert!(ended(node).await.success());
}

#[tokio::test]
async fn sockets_that_parlor_does_not_know_are_refused_with_a_sentence() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let connection = TcpListener::from(OwnedFd::from(stream));
    for (sockets, names, sentence) in [
        ([&listener, &other], "http:metrics", "`metrics` cannot be used: Parlor knows the names"),
        ([&listener, &other], "http", "`` cannot be used: Parlor knows the names"),
        ([&listener, &other], "http:http", "`http` cannot be used: there is another one"),
        ([&connection, &other], "http:admin", "`http` cannot be used: it does not listen"),
        ([&open, &other], "http:admin", "development mode"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let node = start(folder.path(), sockets, names, File::create(&log).unwrap().into());
        assert_eq!(ended(node).await.code(), Some(64), "{names}");
        let said = std::fs::read_to_string(log).unwrap();
        assert!(said.contains(sentence), "{names}: {said}");
    }
}

#[test]
fn variables_that_an_ancestor_left_over_are_not_taken_for_sockets() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let variables = [
        ("LISTEN_FDS", "2".to_owned()),
        ("LISTEN_PID", "1".to_owned()),
        ("PARLOR_LISTEN", taken.local_addr().unwrap().to_string()),
        ("PARLOR_ADMIN", free_address().to_string()),
    ];
    let ended = run::<&str>(folder.path(), &[], &variables);
    assert_eq!(ended.status, Some(69), "it listens by itself, where it cannot: {ended:?}");
}
