//! The suite on JetStream, and what only servers that are killed, stopped or wrongly configured can
//! show.
//!
//! Every server is a real one. A test that does something to a server starts one of its own.

mod cluster;
mod dead_letters;
mod expected;
mod killed;
mod nodes;
mod pages;
mod provisioning;
mod refusals;
mod restored;
mod silent;
mod single;
mod stall;
mod tools;
mod trimmed;

use std::num::NonZeroU16;

use parlor_common::{drain::Drain, position::Position, random::Random, shard::Shard};
use parlor_log::{
    LogError, Metrics, PERSISTER,
    jetstream::{
        JetStreamLog, JetStreamMetrics, JetStreamSettings, Plan, Provision, Renew, Report,
        provision,
    },
};

use parlor_testbed::network::nats::NatsProxy;

use crate::suite::{Bounds, tools::SECOND_GROUP};

/// The plan that is shipped, within a test's bounds.
fn plan(bounds: Bounds) -> Plan {
    let mut plan = Plan::parse(include_str!("../../nats/streams.json")).unwrap();
    plan.chat.max_bytes = bounds.max_bytes;
    plan.dead_letters.max_bytes = 1 << 20;
    let persister = plan.groups[PERSISTER].clone();
    plan.groups.insert(SECOND_GROUP.to_owned(), persister);
    for group in plan.groups.values_mut() {
        group.ack_wait = bounds.ack_wait;
    }
    plan
}

/// The settings of a log on these servers.
fn settings(urls: Vec<String>, replicas: u8) -> JetStreamSettings {
    JetStreamSettings {
        urls,
        replicas,
        shards: NonZeroU16::new(2).unwrap(),
        ..JetStreamSettings::default()
    }
}

async fn connect(settings: &JetStreamSettings) -> Result<JetStreamLog, LogError> {
    connect_by(settings, Random::system()).await
}

async fn connect_by(settings: &JetStreamSettings, by: Random) -> Result<JetStreamLog, LogError> {
    parlor_testbed::planted::begin();
    let (jetstream, log) = (JetStreamMetrics::unregistered(), Metrics::unregistered());
    JetStreamLog::connect(settings.clone(), by, &Drain::new(), jetstream, log).await
}

/// The same log, which is told by the leaders that every message was stored in the last century.
async fn aged(settings: &JetStreamSettings) -> (NatsProxy, JetStreamLog) {
    let proxy = NatsProxy::before(&settings.urls[0]).await;
    proxy.change(r#""time":"20"#, r#""time":"19"#);
    let behind = JetStreamSettings { urls: vec![proxy.url()], ..settings.clone() };
    let log = connect(&behind).await.unwrap();
    (proxy, log)
}

/// Provisions; the store has seen nothing.
async fn provision_new(
    settings: &JetStreamSettings,
    plan: &Plan,
    monitors: &[String],
) -> Result<Report, LogError> {
    provision_seen(settings, plan, monitors, Renew::Nothing, None).await
}

/// Provisions; the store has seen this position of every shard.
async fn provision_seen(
    settings: &JetStreamSettings,
    plan: &Plan,
    monitors: &[String],
    renew: Renew,
    seen: Option<Position>,
) -> Result<Report, LogError> {
    let (random, drain, metrics) =
        (Random::system(), Drain::new(), JetStreamMetrics::unregistered());
    let what = Provision {
        settings,
        plan,
        monitors,
        renew,
        random: &random,
        drain: &drain,
        metrics: &metrics,
    };
    provision(what, |_: Shard| seen).await
}
