//! How long a leader's death stops appends and tails, beside what the election itself takes: a
//! measurement, whose figures are in `docs/TIERS.md`.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use parlor_common::{
    conversation::ConversationKey, id::ConversationId, position::Position, shard::Shard,
    tenant::TenantId,
};
use parlor_log::{EventLog, Start, Tail, jetstream::JetStreamSettings};
use parlor_testbed::servers::{own::Cluster, raw::Raw};
use tokio::time::{Instant, sleep};

use super::{connect, plan, provision_new, settings};
use crate::suite::{
    Bounds,
    tools::{id, record, try_append, until, within},
};

const SHARDS: u16 = 8;
const KILLS: usize = 5;
/// Between two appends to a shard.
const APART: Duration = Duration::from_millis(200);
/// Between two probes of a stream.
const PROBE_EVERY: Duration = Duration::from_millis(50);

/// What one stream's leader's death came to, from the kill on.
struct Stall {
    /// Until a bare publish by another server was acknowledged.
    election: Duration,
    /// Until every append that had begun by then was acknowledged.
    appends: Duration,
    /// Until the tail had brought all of those.
    tail: Duration,
}

fn key_of(log: &Arc<dyn EventLog>, shard: Shard) -> ConversationKey {
    let tenant = (0..)
        .map(|number| TenantId::parse(&format!("tenant-{number}")).unwrap())
        .find(|tenant| log.shards().of(tenant) == shard)
        .unwrap();
    ConversationKey { tenant, id: ConversationId::from_bytes([1; 16]) }
}

/// Waits until the stream takes a publish by this server.
async fn elected(url: &str, shard: Shard) -> Instant {
    let subject = format!("chat.{shard}.probe.07070707070707070707070707070707");
    while !Raw::is_taken(url, &subject).await {
        sleep(PROBE_EVERY).await;
    }
    Instant::now()
}

/// Appends all the while, each without waiting for the last, until the election is over; returns
/// when all were acknowledged, and the highest of their positions.
async fn appends(
    log: &Arc<dyn EventLog>,
    key: &ConversationKey,
    over: &tokio::sync::Notify,
) -> (Instant, Position) {
    let (mut appending, mut last) = (FuturesUnordered::new(), Position::ZERO);
    let (mut ticks, mut going) = (tokio::time::interval(APART), true);
    loop {
        tokio::select! {
            _ = ticks.tick(), if going => appending.push(append_until_taken(log, key)),
            () = over.notified(), if going => going = false,
            Some(position) = appending.next() => last = last.max(position),
            else => return (Instant::now(), last),
        }
    }
}

async fn append_until_taken(log: &Arc<dyn EventLog>, key: &ConversationKey) -> Position {
    let (id, record) = (id(), record("during"));
    loop {
        if let Ok(appended) = try_append(log, key, &id, record.clone()).await {
            return appended.position;
        }
    }
}

async fn another(log: &Arc<dyn EventLog>, shard: Shard, reached: Position) -> Box<dyn Tail> {
    loop {
        if let Ok(tail) = log.tail(shard, Start::After(reached)).await {
            return tail;
        }
        sleep(PROBE_EVERY).await;
    }
}

async fn stall_of(
    log: &Arc<dyn EventLog>,
    mut tail: Box<dyn Tail>,
    shard: Shard,
    survivor: &str,
    killed: Instant,
) -> Stall {
    let (key, over) = (key_of(log, shard), tokio::sync::Notify::new());
    let election = async {
        let at = elected(survivor, shard).await;
        over.notify_one();
        at
    };
    let (told, mut last) = tokio::sync::oneshot::channel();
    let appends = async {
        let (at, last) = appends(log, &key, &over).await;
        told.send(last).unwrap();
        at
    };
    let following = async {
        let (mut reached, mut wanted) = (tail.after(), None);
        while wanted.is_none_or(|wanted| reached < wanted) {
            tokio::select! {
                entry = tail.next() => match entry {
                    Ok(entry) => reached = entry.position,
                    // As a feed does.
                    Err(_) => tail = another(log, shard, reached).await,
                },
                last = &mut last, if wanted.is_none() => wanted = Some(last.unwrap()),
            }
        }
        Instant::now()
    };
    let (election, appends, tail) =
        within("the stream", async { tokio::join!(election, appends, following) }).await;
    Stall { election: election - killed, appends: appends - killed, tail: tail - killed }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of minutes, to be read: --ignored --nocapture"]
async fn the_stall_after_a_leaders_death() {
    let mut cluster = Cluster::start().await;
    let settings = JetStreamSettings {
        shards: NonZeroU16::new(SHARDS).unwrap(),
        ..settings(cluster.urls(), 3)
    };
    provision_new(&settings, &plan(Bounds::default()), &cluster.monitors()).await.unwrap();
    let log: Arc<dyn EventLog> = Arc::new(connect(&settings).await.unwrap());
    for kill in 0..KILLS {
        let victim = kill % cluster.servers.len();
        let name = cluster.servers[victim].name().to_owned();
        let survivor = cluster.servers[(victim + 1) % 3].url();
        let mut led = Vec::new();
        let mut raw = Raw::connect(&survivor).await;
        for shard in log.shards().all() {
            let info = raw.api(&format!("STREAM.INFO.CHAT_{shard}_1"), "").await;
            if info["cluster"]["leader"] == name.as_str() {
                led.push((shard, within("a tail", log.tail(shard, Start::End)).await.unwrap()));
            }
        }
        let killed = Instant::now();
        cluster.servers[victim].kill();
        let meta = async {
            while !Raw::is_healthy(&survivor).await {
                sleep(PROBE_EVERY).await;
            }
            killed.elapsed()
        };
        let stalls = led.into_iter().map(|(shard, tail)| {
            let (log, survivor) = (log.clone(), survivor.clone());
            async move { (shard, stall_of(&log, tail, shard, &survivor, killed).await) }
        });
        let stalls = futures_util::future::join_all(stalls);
        let (meta, stalls) = tokio::join!(meta, stalls);
        println!("kill {kill}: the cluster has a leader after {:.2} s", meta.as_secs_f64());
        for (shard, stall) in stalls {
            println!(
                "kill {kill} shard {shard}: election {:.2} s, appends {:+.2} s, tail {:+.2} s",
                stall.election.as_secs_f64(),
                stall.appends.as_secs_f64() - stall.election.as_secs_f64(),
                stall.tail.as_secs_f64() - stall.election.as_secs_f64(),
            );
        }
        cluster.servers[victim].run().await;
        let shards = log.shards();
        until("every stream has its replicas again", async || {
            let states = shards.all().map(|shard| log.state(shard));
            futures_util::future::join_all(states).await.iter().all(Result::is_ok)
        })
        .await;
        sleep(Duration::from_secs(5)).await;
    }
}
