//! Whichever task panics, the process says so and ends with 70: it is never ready and silent.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use parlor_common::planted::Fault;
use parlor_testbed::{
    client::visitor::Visitor,
    nodes::{Variables, command, free_addresses},
    planted::VARIABLE,
    servers::given,
};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

/// From the panic to the end: a second, and another one for a busy machine.
const WITHIN: Duration = Duration::from_secs(2);

/// An upgrade as a page asks for it.
const UPGRADE: &str = "GET /ws/chat?tenantId=demo HTTP/1.1\r\nHost: localhost\r\n\
    Origin: http://localhost:3000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Starts the role, uses it until it ends, and checks how it ended.
async fn assert_ends(fault: Fault, role: Option<&str>, more: Variables) {
    let folder = tempfile::tempdir().unwrap();
    let [listen, admin, _] = free_addresses();
    let mut variables = vec![
        ("PARLOR_LISTEN", listen.to_string()),
        ("PARLOR_ADMIN", admin.to_string()),
        (VARIABLE, fault.name().to_owned()),
    ];
    variables.extend(more);
    let log = folder.path().join("log");
    let arguments: Vec<_> = role.into_iter().collect();
    let mut node = command(folder.path(), &arguments, &variables)
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    // They stay open, so that a limit of connections is reached.
    let mut open = Vec::new();
    let (mut panicked, deadline) = (None, Instant::now() + Duration::from_secs(30));
    let status = loop {
        if panicked.is_none() && said(&log).contains("a task panicked") {
            panicked = Some(Instant::now());
        }
        if let Some(status) = node.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "{}: it goes on: {}", fault.name(), said(&log));
        if let Ok(mut stream) = TcpStream::connect(listen).await {
            drop(stream.write_all(UPGRADE.as_bytes()).await);
            open.push(stream);
            let post =
                async { drop(Visitor::new("demo").post(listen, &json!({"text": "hi"})).await) };
            drop(tokio::time::timeout(Duration::from_millis(100), post).await);
        }
        sleep(Duration::from_millis(10)).await;
    };
    let said = said(&log);
    assert_eq!(status.code(), Some(70), "{}: {said}", fault.name());
    let took = panicked.map(|at| at.elapsed()).unwrap_or_default();
    assert!(took < WITHIN, "{}: {took:?}", fault.name());
    // A log whose own thread is gone cannot tell.
    if fault != Fault::PanicInLines {
        let place = format!("planted: {}", fault.name());
        assert!(said.contains("a task panicked") && said.contains(&place), "{said}");
    }
}

fn said(log: &Path) -> String {
    fs::read_to_string(log).unwrap()
}

/// A settings file and the tenants that it names, since development mode has none to look at.
fn with_tenants(folder: &Path) -> Variables {
    let (settings, tenants) = (folder.join("parlor.toml"), folder.join("tenants.toml"));
    fs::write(&tenants, "[[tenant]]\nname = \"demo\"\norigins = [\"http://localhost:3000\"]\n")
        .unwrap();
    let text = format!("[tenants]\nfile = {tenants:?}\nreload_every = \"100ms\"\n");
    fs::write(&settings, text).unwrap();
    vec![("PARLOR_SETTINGS", settings.to_str().unwrap().to_owned())]
}

#[tokio::test]
async fn whichever_task_panics_the_process_ends_with_70() {
    let folder = tempfile::tempdir().unwrap();
    let panics = Fault::ALL.iter().filter(|fault| fault.name().starts_with("panic-in-"));
    for &fault in panics {
        let (role, more) = match fault {
            Fault::PanicInReload => (None, with_tenants(folder.path())),
            Fault::PanicInRefusal => (None, vec![("PARLOR_HTTP__MAX_CONNECTIONS", "1".to_owned())]),
            Fault::PanicInLink => {
                let secret = folder.path().join("secret");
                fs::write(&secret, "a secret of this test, of 32 bytes or more").unwrap();
                let nats = format!("[{:?}]", given("PARLOR_TEST_NATS"));
                let secret = secret.to_str().unwrap().to_owned();
                let more =
                    vec![("PARLOR_SECRETS__CURRENT_FILE", secret), ("PARLOR_NATS__URLS", nats)];
                (Some("ingress"), more)
            }
            _ => (None, vec![]),
        };
        assert_ends(fault, role, more).await;
    }
}
