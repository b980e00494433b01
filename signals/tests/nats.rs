//! The suite over a real NATS server, and what only a server that is gone can show.

use std::sync::Arc;

use parlor_common::{clock::Clock, drain::Drain};
use parlor_signals::{Class, Heard, Metrics, NatsSignals, NatsSignalsSettings};
use parlor_testbed::servers::own::Server;

use crate::suite::{Harness, Node, SHARDS, hears, next, signal, whole_suite};

struct Nats {
    server: Server,
    drain: Drain,
}

impl Harness for Nats {
    async fn new() -> Self {
        Self { server: Server::start().await, drain: Drain::new() }
    }

    async fn node(&self, clock: Clock) -> Node {
        self.node_in("", clock).await
    }
}

impl Nats {
    async fn node_in(&self, namespace: &str, clock: Clock) -> Node {
        let settings = NatsSignalsSettings {
            urls: vec![self.server.url()],
            namespace: namespace.to_owned(),
            ..NatsSignalsSettings::default()
        };
        let metrics = Metrics::unregistered();
        let signals = NatsSignals::connect(&settings, SHARDS, clock, &self.drain, metrics.clone());
        Node { signals: Arc::new(signals.await.unwrap()), metrics }
    }
}

whole_suite!(crate::nats::Nats);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_is_told_that_it_is_deaf_and_when_it_hears_again() {
    let mut nats = Nats::new().await;
    let node = nats.node(Clock::system()).await;
    let mut listener = hears(&node, "a").await;
    nats.server.kill();
    assert_eq!(next(&mut listener).await, Heard::Deaf);
    // Nobody waits for servers that are away, and what does not fit is shed.
    for _ in 0..10_000 {
        node.signals.publish(signal("a", Class::Typing, "lost"));
    }
    nats.server.run().await;
    assert!(node.metrics.count_of_dropped(Class::Typing) > 0);
    assert_eq!(next(&mut listener).await, Heard::Hears);
    let said = signal("a", Class::Roster, "here again");
    node.signals.publish(said.clone());
    assert_eq!(next(&mut listener).await, Heard::Signal(said), "the first comes through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_are_away_at_the_start_do_not_keep_a_node_from_starting() {
    let mut nats = Nats::new().await;
    nats.server.kill();
    let node = nats.node(Clock::system()).await;
    let shard = SHARDS.of(&signal("a", Class::Typing, "").address.tenant);
    let mut listener = node.signals.listen(shard);
    nats.server.run().await;
    assert_eq!(next(&mut listener).await, Heard::Hears);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installations_in_other_namespaces_hear_nothing_of_each_other() {
    let nats = Nats::new().await;
    let (one, other) =
        (nats.node_in("one", Clock::system()).await, nats.node_in("other", Clock::system()).await);
    let (mut ours, mut theirs) = (hears(&one, "a").await, hears(&other, "a").await);
    let said = signal("a", Class::Typing, "theirs");
    other.signals.publish(said.clone());
    // Where they hear it, the server has passed it to everybody.
    assert_eq!(next(&mut theirs).await, Heard::Signal(said));
    one.signals.publish(signal("a", Class::Typing, "ours"));
    assert_eq!(next(&mut ours).await, Heard::Signal(signal("a", Class::Typing, "ours")));
}
