//! The load balancer picks a node by the shard that a tenant lives in: the very lines of
//! `deploy/haproxy/haproxy.cfg`, in a real HAProxy, compute what [`Shards::of`] does.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    num::NonZeroU16,
    path::Path,
    process::{Child, Command, Stdio},
};

use parlor_common::{shard::Shards, tenant::TenantId};

use crate::{http::request, installation::until, process::free_address};

const CONFIGURATION: &str = include_str!("../../../deploy/haproxy/haproxy.cfg");

/// An HAProxy that answers with the shard it computed; killed when dropped.
struct Balancer {
    child: Child,
    address: SocketAddr,
}

// === impl Balancer ===

impl Balancer {
    async fn start(folder: &Path) -> Self {
        let address = free_address();
        let mut text =
            format!("defaults\n mode http\n timeout client 5s\nfrontend shards\n bind {address}\n");
        let lines = CONFIGURATION
            .lines()
            .filter(|line| line.trim_start().starts_with("http-request set-var(txn."));
        for line in lines {
            writeln!(text, "{line}").unwrap();
        }
        text += " http-request return status 200 content-type text/plain lf-string \"%[var(txn.shard)]\"\n";
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        // Debian puts it where only root's PATH looks.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        let child = Command::new("haproxy")
            .arg("-f")
            .arg(file)
            .env("PATH", path)
            .stdin(Stdio::null())
            .spawn();
        let balancer = Self { child: child.expect("scripts/test installs haproxy"), address };
        until("haproxy answers", async || request(address, "GET", "/", &[], "").await.is_ok())
            .await;
        balancer
    }

    /// The shard of a request; empty where it names no tenant.
    async fn shard(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let answer = request(self.address, "GET", path, headers, "").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test]
async fn the_balancer_and_the_log_agree_on_a_tenants_shard() {
    let folder = tempfile::tempdir().unwrap();
    let balancer = Balancer::start(folder.path()).await;
    let shards = Shards::new(NonZeroU16::new(16).unwrap());
    let longest = "a".repeat(64);
    let mut names: Vec<String> =
        ["demo", "DEMO", "Example.COM", "a.b-c_d", "0", "123456789", &longest]
            .map(str::to_owned)
            .into();
    names.extend((0..200).map(|number| format!("Tenant-{number}.example")));
    let mut seen = [false; 16];
    for name in names {
        let shard = shards.of(&TenantId::parse(&name).unwrap()).number();
        seen[usize::from(shard)] = true;
        let by_header = balancer.shard("/api/chat/messages", &[("X-Tenant-ID", &name)]).await;
        assert_eq!(by_header, shard.to_string(), "{name} in a header");
        for path in [format!("/ws/chat?tenantId={name}"), format!("/ws/agent?a=b&tenant={name}")] {
            assert_eq!(balancer.shard(&path, &[]).await, shard.to_string(), "{path}");
        }
    }
    assert_eq!(seen, [true; 16], "the names reach every shard");
    let escaped = shards.of(&TenantId::parse("a.b").unwrap()).number().to_string();
    assert_eq!(balancer.shard("/ws/chat?tenantId=a%2Eb", &[]).await, escaped);
    assert_eq!(balancer.shard("/", &[]).await, "", "without a tenant the nodes take turns");
}
