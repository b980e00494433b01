//! What signals must do: the trait's obligations as tests that any implementation runs.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use bytes::Bytes;
use parlor_common::{
    clock::{Clock, Timestamp},
    id::ConversationId,
    shard::{Shard, Shards},
    tenant::TenantId,
};
use parlor_signals::{
    Address, Class, Heard, Listener, MAX_BODY_BYTES, Metrics, Signal, Signals, WORTH_FOR,
};
use tokio::time::timeout;

/// Longer than anything may take that is due.
const SOON: Duration = Duration::from_secs(20);

/// How many there are in the tests.
pub(crate) const SHARDS: Shards = Shards::new(NonZeroU16::new(16).unwrap());

/// What nodes pass their signals over.
pub(crate) trait Harness: Sized {
    /// One that no other test uses.
    async fn new() -> Self;

    /// One more node, which has this clock.
    async fn node(&self, clock: Clock) -> Node;
}

/// The signals of one node, and what they tell its operator.
pub(crate) struct Node {
    pub(crate) signals: Arc<dyn Signals>,
    pub(crate) metrics: Metrics,
}

/// Makes a test of each obligation.
macro_rules! whole_suite {
    ($harness:ty) => {
        $crate::suite::obligations! { $harness:
            every_listener_of_the_shard_hears_what_is_published_and_in_order
            other_shards_hear_nothing
            the_address_is_heard_as_it_was_published
            what_is_too_long_is_dropped_and_counted
            what_is_older_than_it_is_worth_is_dropped_at_receipt
            nobody_waits_for_a_slow_listener_and_what_does_not_fit_is_counted
        }
    };
}

macro_rules! obligations {
    ($harness:ty: $($obligation:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $obligation() {
            $crate::suite::$obligation::<$harness>().await;
        })*
    };
}

pub(crate) use {obligations, whole_suite};

pub(crate) fn signal(tenant: &str, class: Class, body: &str) -> Signal {
    let tenant = TenantId::parse(tenant).unwrap();
    let conversation = Some(ConversationId::from_bytes([1; 16]));
    let body = Bytes::copy_from_slice(body.as_bytes());
    Signal { address: Address { tenant, conversation }, class, body }
}

/// What is heard next.
pub(crate) async fn next(listener: &mut Box<dyn Listener>) -> Heard {
    timeout(SOON, listener.next()).await.expect("something to be heard in 20 s")
}

/// A listener of this tenant's shard that hears.
pub(crate) async fn hears(node: &Node, tenant: &str) -> Box<dyn Listener> {
    let mut listener = node.signals.listen(shard(tenant));
    assert_eq!(next(&mut listener).await, Heard::Hears);
    listener
}

fn shard(tenant: &str) -> Shard {
    SHARDS.of(&TenantId::parse(tenant).unwrap())
}

/// Until what this node listens to is known to the server, others' signals may be lost: it says
/// something to itself until it hears that.
async fn settled(node: &Node, tenant: &str) -> Box<dyn Listener> {
    let mut listener = hears(node, tenant).await;
    let fence = signal(tenant, Class::Roster, "fence");
    node.signals.publish(fence.clone());
    assert_eq!(next(&mut listener).await, Heard::Signal(fence));
    listener
}

pub(crate) async fn every_listener_of_the_shard_hears_what_is_published_and_in_order<H: Harness>() {
    let world = H::new().await;
    let (one, other) = (world.node(Clock::system()).await, world.node(Clock::system()).await);
    let mut listeners = [settled(&other, "a").await, settled(&other, "a").await];
    // The second has said its own to the first.
    assert!(matches!(next(&mut listeners[0]).await, Heard::Signal(_)));
    for number in 0..100 {
        one.signals.publish(signal("a", Class::Typing, &number.to_string()));
    }
    for listener in &mut listeners {
        for number in 0..100 {
            let said = signal("a", Class::Typing, &number.to_string());
            assert_eq!(next(listener).await, Heard::Signal(said));
        }
    }
}

pub(crate) async fn other_shards_hear_nothing<H: Harness>() {
    let world = H::new().await;
    let node = world.node(Clock::system()).await;
    assert_ne!(shard("a"), shard("b"));
    let mut listener = hears(&node, "a").await;
    node.signals.publish(signal("b", Class::Typing, "theirs"));
    node.signals.publish(signal("a", Class::Typing, "ours"));
    assert_eq!(next(&mut listener).await, Heard::Signal(signal("a", Class::Typing, "ours")));
}

pub(crate) async fn the_address_is_heard_as_it_was_published<H: Harness>() {
    let world = H::new().await;
    let node = world.node(Clock::system()).await;
    let of_the_tenant = |mut signal: Signal| {
        signal.address.conversation = None;
        signal
    };
    for tenant in ["a", "shop.example.com", "a-b_c"] {
        let mut listener = hears(&node, tenant).await;
        for class in Class::ALL {
            for said in [signal(tenant, class, ""), of_the_tenant(signal(tenant, class, "{}"))] {
                node.signals.publish(said.clone());
                assert_eq!(next(&mut listener).await, Heard::Signal(said));
            }
        }
    }
}

pub(crate) async fn what_is_too_long_is_dropped_and_counted<H: Harness>() {
    let world = H::new().await;
    let node = world.node(Clock::system()).await;
    let mut listener = hears(&node, "a").await;
    let longest = signal("a", Class::Preview, &"x".repeat(MAX_BODY_BYTES));
    node.signals.publish(signal("a", Class::Preview, &"x".repeat(MAX_BODY_BYTES + 1)));
    node.signals.publish(longest.clone());
    assert_eq!(next(&mut listener).await, Heard::Signal(longest));
    assert_eq!(node.metrics.count_of_dropped(Class::Preview), 1);
    assert_eq!(node.metrics.count_of_dropped(Class::Roster), 0);
}

pub(crate) async fn what_is_older_than_it_is_worth_is_dropped_at_receipt<H: Harness>() {
    let world = H::new().await;
    let at = |millis| Clock::new(move || Timestamp::from_millis(1_800_000_000_000 + millis));
    let worth = i64::try_from(WORTH_FOR.as_millis()).unwrap();
    let receiver = world.node(at(worth)).await;
    let mut listener = settled(&receiver, "a").await;
    for (millis, body) in [(-1, "late"), (0, "in time"), (worth + 60_000, "ahead")] {
        let sender = world.node(at(millis)).await;
        let said = signal("a", Class::Visitor, body);
        let mut own = hears(&sender, "a").await;
        sender.signals.publish(said.clone());
        // Where it hears itself, everybody has been passed it.
        assert_eq!(next(&mut own).await, Heard::Signal(said.clone()));
        if millis >= 0 {
            assert_eq!(next(&mut listener).await, Heard::Signal(said));
        }
    }
    assert_eq!(receiver.metrics.count_of_dropped(Class::Visitor), 1);
}

pub(crate) async fn nobody_waits_for_a_slow_listener_and_what_does_not_fit_is_counted<
    H: Harness,
>() {
    let world = H::new().await;
    let node = world.node(Clock::system()).await;
    let slow = settled(&node, "a").await;
    for _ in 0..200_000 {
        node.signals.publish(signal("a", Class::Typing, "flood"));
    }
    assert!(node.metrics.count_of_dropped(Class::Typing) > 0);
    drop(slow);
    let mut listener = hears(&node, "a").await;
    let said = signal("a", Class::Roster, "afterwards");
    loop {
        node.signals.publish(said.clone());
        match next(&mut listener).await {
            Heard::Signal(heard) if heard == said => break,
            Heard::Signal(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
