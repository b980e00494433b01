//! The load balancer picks a node by the shard that a tenant lives in: the very lines of
//! `deploy/haproxy/haproxy.cfg`, in a real HAProxy, compute what [`Shards::of`] does.

use std::{fmt::Write as _, net::SocketAddr, num::NonZeroU16};

use parlor_common::{shard::Shards, tenant::TenantId};
use parlor_testbed::{
    balancer::{self, Balancer},
    client::http::Ask,
    wait::until,
};

/// An HAProxy that answers with the shard it computed.
fn configuration(address: SocketAddr) -> String {
    let mut text =
        format!("defaults\n mode http\n timeout client 5s\nfrontend shards\n bind {address}\n");
    let lines = balancer::CONFIGURATION
        .lines()
        .filter(|line| line.trim_start().starts_with("http-request set-var(txn."));
    for line in lines {
        writeln!(text, "{line}").unwrap();
    }
    text + " http-request return status 200 content-type text/plain \
        lf-string \"%[var(txn.shard)]\"\n"
}

/// The shard of a request; empty where it names no tenant.
async fn shard_of(balancer: &Balancer, ask: Ask) -> String {
    ask.send(balancer.address).await.expect(200).text()
}

/// The shard of a request whose address alone may name a tenant.
async fn shard_at(balancer: &Balancer, path: &str) -> String {
    shard_of(balancer, Ask::bare("GET", path)).await
}

#[tokio::test]
async fn the_balancer_and_the_log_agree_on_a_tenants_shard() {
    let folder = tempfile::tempdir().unwrap();
    let balancer =
        Balancer::start(folder.path(), configuration).expect("scripts/test installs HAProxy");
    let ask = Ask::bare("GET", "/");
    until("HAProxy answers", async || ask.try_send(balancer.address).await.is_ok()).await;
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
        let by_header = shard_of(&balancer, Ask::messages().tenant(&name)).await;
        assert_eq!(by_header, shard.to_string(), "{name} in a header");
        for path in [format!("/ws/chat?tenantId={name}"), format!("/ws/agent?a=b&tenant={name}")] {
            assert_eq!(shard_at(&balancer, &path).await, shard.to_string(), "{path}");
        }
    }
    assert_eq!(seen, [true; 16], "the names reach every shard");
    let escaped = shards.of(&TenantId::parse("a.b").unwrap()).number().to_string();
    assert_eq!(shard_at(&balancer, "/ws/chat?tenantId=a%2Eb").await, escaped);
    assert_eq!(shard_at(&balancer, "/").await, "", "without a tenant the nodes take turns");
}
