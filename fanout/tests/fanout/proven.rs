//! Sockets of visitors whom their tenant has proven.

use std::time::Duration;

use parlor_auth::{Proven, VisitorToken};
use parlor_common::{
    action::Action,
    clock::{Clock, Timestamp},
    door::{Door, Submission},
    event::Transport,
    id::VisitorId,
};

use super::{
    client::{Client, upgrade},
    world::{TestNode, World, tenant},
};

/// A visitor whom `shop` has proven until then.
fn proven_until(world: &World, ends: Timestamp) -> VisitorToken {
    let tenant = tenant("shop");
    let visitor = VisitorId::proven(&tenant, "vera");
    world.tokens.prove(&Proven { tenant, visitor, ends, claims: serde_json::Map::new() })
}

/// The same, for so long.
fn proven(world: &World, ttl: Duration) -> VisitorToken {
    proven_until(world, Clock::system().now().plus(ttl))
}

const HOUR: Duration = Duration::from_secs(3_600);

/// A socket known by this token, in its hello.
async fn by(world: &World, node: &TestNode, token: &VisitorToken) -> Client {
    let mut client = upgrade("/ws/chat?tenantId=shop").origin().parlor1().open(node).await;
    client.hello(Some(&world.tokens.write(token))).await;
    client
}

/// Notes that one visitor is others too, as ingress does.
async fn link(world: &World, token: &VisitorToken) {
    let submission = Submission {
        conversations: token.conversations(&tenant("shop")),
        author: token.author(),
        session: None,
        transport: Transport::Rest,
        arrived: Clock::system().now(),
        action: Action::Link(token.link()),
    };
    world.door.accept(submission).await.unwrap();
}

#[tokio::test]
async fn a_proven_visitors_socket_ends_with_the_proof() {
    let world = World::new().await;
    let node = world.node().await;
    let mut client = by(&world, &node, &proven(&world, Duration::from_secs(2))).await;
    client.subscribe(None).await;
    assert_eq!(client.close_code().await, 4003);
}

#[tokio::test]
async fn a_proof_is_for_its_tenant_alone_and_not_after_its_end() {
    let world = World::new().await;
    let node = world.node().await;
    let ended = proven_until(&world, Clock::system().now().minus(HOUR));
    for (address, token) in [("other", proven(&world, HOUR)), ("shop", ended)] {
        let path = format!("/ws/chat?tenantId={address}");
        let mut client = upgrade(path).origin().parlor1().open(&node).await;
        let token = world.tokens.write(&token);
        client.send(serde_json::json!({"type": "hello", "protocol": 1, "token": token})).await;
        assert_eq!(client.close_code().await, 4500, "{address}");
    }
}

#[tokio::test]
async fn both_follow_what_was_the_anonymous_visitors_and_one_what_is_the_proven_ones() {
    let world = World::new().await;
    let (one, two) = (world.node().await, world.node().await);
    let (anonymous, theirs) = world.visitor("shop");
    let vera = proven(&world, HOUR);
    let own = vera.conversations(&tenant("shop"));
    let mut elsewhere = by(&world, &two, &vera).await;
    elsewhere.subscribe(None).await;
    let mut before = by(&world, &one, &anonymous).await;
    before.subscribe(None).await;
    let first = world.agent_writes(&theirs, "to somebody").await;
    assert_eq!(before.texts(1).await, ["to somebody"]);

    link(&world, &vera.absorbing([&anonymous])).await;
    world.agent_writes(&theirs, "in what was anonymous").await;
    assert_eq!(before.texts(1).await, ["in what was anonymous"]);
    assert_eq!(elsewhere.texts(1).await, ["in what was anonymous"], "its sockets learn of it");
    world.agent_writes(&own, "to Vera").await;
    assert_eq!(elsewhere.texts(1).await, ["to Vera"]);

    // The next user of the browser, who has the anonymous token, is replayed from before the link.
    let mut next = by(&world, &one, &anonymous).await;
    let since = world.cursors.write(&tenant("shop"), first.position.before());
    let (texts, _) = next.subscribe(Some(&since)).await;
    assert_eq!(texts, ["to somebody", "in what was anonymous"]);
    world.agent_writes(&own, "to Vera again").await;
    assert_eq!(elsewhere.texts(1).await, ["to Vera again"]);
    for client in [&mut before, &mut next] {
        assert!(client.frames_until_pong().await.is_empty());
    }
}

#[tokio::test]
async fn a_proven_visitor_writes_as_nobody_else_whatever_its_absorbed_ones_become() {
    let world = World::new().await;
    let node = world.node().await;
    let (anonymous, theirs) = world.visitor("shop");
    let (stranger, of_stranger) = world.visitor("shop");
    let vera = proven(&world, HOUR).absorbing([&anonymous]);
    let mut client = by(&world, &node, &vera).await;
    client.subscribe(None).await;
    let mut strangers = by(&world, &node, &stranger).await;
    strangers.subscribe(None).await;
    // Whoever has the anonymous token shows it beside an older one.
    link(&world, &stranger.absorbing([&anonymous])).await;
    world.agent_writes(&theirs, "in the absorbed one").await;
    assert_eq!(client.texts(1).await, ["in the absorbed one"]);
    assert_eq!(strangers.texts(1).await, ["in the absorbed one"]);
    world.agent_writes(&of_stranger, "to the stranger").await;
    assert_eq!(strangers.texts(1).await, ["to the stranger"]);
    assert!(client.frames_until_pong().await.is_empty());
    let draft = serde_json::json!({"type": "message", "text": "mine", "clientMessageId": "m1"});
    client.send(draft).await;
    assert_eq!(client.texts(1).await, ["mine"]);
    assert!(strangers.frames_until_pong().await.is_empty());
}
