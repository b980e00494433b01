//! Signals between sockets of one node: who types, who is there, who looks at what.

use std::time::Duration;

use parlor_auth::{Role, VisitorToken};
use parlor_common::conversation::ConversationSet;
use parlor_fanout::SignalSettings;
use serde_json::{Value, json};

use super::{
    client::{Client, live_visitor, of_visitor, upgrade, widget},
    world::{Plan, TestNode, World, tenant},
};

/// Long enough for a test to act within, and to wait for.
const GRACE: Duration = Duration::from_secs(3);

/// The shipped settings, but for shorter waits.
fn quick(world: &World) -> SignalSettings {
    SignalSettings { grace: GRACE, roll_call: Duration::from_secs(1), ..world.plan().signals }
}

async fn node(world: &World) -> TestNode {
    let mut plan = world.plan();
    plan.signals = quick(world);
    world.node_with(plan).await
}

async fn agent(world: &World, node: &TestNode, of: &str, id: &str, name: &str) -> Client {
    let mut client = upgrade(format!("/ws/agent?tenantId={of}")).parlor1().open(node).await;
    let ttl = Duration::from_secs(3_600);
    let token = world.agents.mint_development(&tenant(of), id, Some(name), Role::Agent, ttl);
    client.hello(Some(&token.unwrap().0)).await;
    client.subscribe(None).await;
    client
}

fn id_of(conversations: &ConversationSet) -> String {
    conversations.primary().id.to_string()
}

async fn looks(agent: &mut Client, open: Option<&str>, visible: &[&str]) {
    agent.send(json!({"type": "look", "open": open, "visible": visible})).await;
    agent.frames_until_pong().await;
}

/// Somebody types, and the server has read it.
async fn types(client: &mut Client, conversation: Option<&str>, on: bool) {
    let mut frame = json!({"type": "typing", "on": on});
    if let Some(id) = conversation {
        frame["conversationId"] = json!(id);
    }
    client.send(frame).await;
    client.frames_until_pong().await;
}

fn visitor_of(token: &VisitorToken) -> String {
    token.author().id
}

#[tokio::test]
async fn an_agent_who_looks_at_a_conversation_sees_its_visitor_type() {
    let world = World::new().await;
    let node = node(&world).await;
    let (token, conversations) = world.visitor("a");
    let id = id_of(&conversations);
    let mut visitor = live_visitor(&world, &node, "a", &token).await;
    let mut open = agent(&world, &node, "a", "ann", "Ann").await;
    let mut visible = agent(&world, &node, "a", "bob", "Bob").await;
    let mut elsewhere = agent(&world, &node, "a", "eve", "Eve").await;
    looks(&mut open, Some(&id), &[]).await;
    looks(&mut visible, None, &[&id]).await;

    types(&mut visitor, None, true).await;
    let expected = json!({
        "type": "typing", "conversationId": id, "by": "user",
        "author": {"id": visitor_of(&token)}, "on": true, "expiresInMs": 6000
    });
    assert_eq!(open.signal_of("typing").await, expected);
    assert_eq!(visible.signal_of("typing").await, expected);
    types(&mut visitor, None, false).await;
    assert_eq!(open.signal_of("typing").await["on"], false);
    let typing = |signals: Vec<Value>| signals.iter().any(|signal| signal["type"] == "typing");
    assert!(!typing(elsewhere.signals_until_pong().await));
    assert!(!typing(visitor.signals_until_pong().await), "it knows that it types");
}

#[tokio::test]
async fn a_visitor_sees_an_agent_type_by_name_alone_and_nobody_else_does() {
    let world = World::new().await;
    let node = node(&world).await;
    let (token, conversations) = world.visitor("a");
    let id = id_of(&conversations);
    let mut tabs = [
        live_visitor(&world, &node, "a", &token).await,
        live_visitor(&world, &node, "a", &token).await,
    ];
    let mut other = live_visitor(&world, &node, "a", &world.visitor("a").0).await;
    let mut of_another_tenant = live_visitor(&world, &node, "b", &token).await;
    let mut old = widget(&world, &node, "a", &token).await;
    let mut ann = agent(&world, &node, "a", "ann", "Ann").await;
    let mut anns_other = agent(&world, &node, "a", "ann", "Ann").await;
    let mut bob = agent(&world, &node, "a", "bob", "Bob").await;
    for agent in [&mut ann, &mut anns_other, &mut bob] {
        looks(agent, Some(&id), &[]).await;
    }

    types(&mut ann, Some(&id), true).await;
    for tab in &mut tabs {
        let expected = json!({
            "type": "typing", "conversationId": id, "by": "agent",
            "author": {"name": "Ann"}, "on": true, "expiresInMs": 6000
        });
        assert_eq!(tab.signal_of("typing").await, expected);
    }
    let told = bob.signal_of("typing").await;
    assert_eq!(told["author"], json!({"id": "ann", "name": "Ann"}));
    for client in [&mut ann, &mut anns_other, &mut other, &mut of_another_tenant] {
        let signals = client.signals_until_pong().await;
        assert!(signals.iter().all(|signal| signal["type"] != "typing"), "{signals:?}");
    }
    assert!(old.signals_until_pong().await.is_empty(), "the widget knows of no signals");
}

#[tokio::test]
async fn more_typing_than_once_a_second_is_dropped_and_counted_and_an_end_never() {
    let world = World::new().await;
    let node = node(&world).await;
    let (token, conversations) = world.visitor("a");
    let id = id_of(&conversations);
    let mut visitor = live_visitor(&world, &node, "a", &token).await;
    let mut ann = agent(&world, &node, "a", "ann", "Ann").await;
    looks(&mut ann, Some(&id), &[]).await;
    for on in [true, true, true, false, false] {
        visitor.send(json!({"type": "typing", "on": on})).await;
    }
    visitor.frames_until_pong().await;
    let signals = ann.signals_until_pong().await;
    let typing = signals.iter().filter(|signal| signal["type"] == "typing");
    let typing: Vec<_> = typing.map(|signal| signal["on"].clone()).collect();
    assert_eq!(typing, [true, false]);
    assert_eq!(node.metric_of("parlor_signals_dropped_total", "typing"), 2.0);
}

#[tokio::test]
async fn typing_ends_with_the_message() {
    let world = World::new().await;
    let node = node(&world).await;
    let (token, conversations) = world.visitor("a");
    let mut visitor = live_visitor(&world, &node, "a", &token).await;
    let mut ann = agent(&world, &node, "a", "ann", "Ann").await;
    looks(&mut ann, Some(&id_of(&conversations)), &[]).await;
    types(&mut visitor, None, true).await;
    visitor.send(json!({"type": "message", "text": "hi"})).await;
    assert_eq!(ann.next_text().await, "hi");
    assert_eq!(ann.signal_of("typing").await["on"], true);
    assert_eq!(ann.signal_of("typing").await["on"], false);
}

#[tokio::test]
async fn frames_without_sense_are_answered_with_an_error() {
    let world = World::new().await;
    let node = node(&world).await;
    let (token, conversations) = world.visitor("a");
    let id = id_of(&conversations);
    let mut visitor = live_visitor(&world, &node, "a", &token).await;
    let mut ann = agent(&world, &node, "a", "ann", "Ann").await;
    visitor.send(json!({"type": "look", "open": id})).await;
    assert_eq!(visitor.next().await["error"]["code"], "bad_request");
    ann.send(json!({"type": "typing", "on": true})).await;
    assert_eq!(ann.next().await["error"]["code"], "bad_request");
    ann.send(json!({"type": "look", "open": "not an id"})).await;
    assert_eq!(ann.next().await["error"]["code"], "bad_request");
    ann.send(json!({"type": "look", "visible": vec![id; 65]})).await;
    assert_eq!(ann.next().await["error"]["code"], "bad_request");
}

#[tokio::test]
async fn who_looks_at_a_conversation_is_told_whether_its_visitor_is_online() {
    let world = World::new().await;
    let node = node(&world).await;
    let (token, conversations) = world.visitor("a");
    let id = id_of(&conversations);
    let mut ann = agent(&world, &node, "a", "ann", "Ann").await;
    looks(&mut ann, None, &[&id]).await;
    let online = |online| json!({"type": "visitor", "conversationId": id, "online": online});
    assert_eq!(ann.next_signal().await, online(false), "nobody has answered");
    let tab = live_visitor(&world, &node, "a", &token).await;
    assert_eq!(ann.next_signal().await, online(true));
    // Also one that speaks the widget's contract is seen.
    let old = of_visitor(&world, "a", &token).open(&node).await;
    tab.leave().await;
    assert!(ann.signals_until_pong().await.is_empty(), "one tab is left");
    old.leave().await;
    assert_eq!(ann.next_signal().await, online(false), "a page that is left is gone at once");

    let broken = live_visitor(&world, &node, "a", &token).await;
    assert_eq!(ann.next_signal().await, online(true));
    drop(broken);
    node.until("the socket is gone", |node| node.visitors.open() == 0).await;
    assert!(ann.signals_until_pong().await.is_empty(), "it may come back");
    assert_eq!(ann.next_signal().await, online(false));
}

#[tokio::test]
async fn agents_see_who_else_has_a_conversation_open() {
    let world = World::new().await;
    let node = node(&world).await;
    let (_, conversations) = world.visitor("a");
    let id = id_of(&conversations);
    let mut ann = agent(&world, &node, "a", "ann", "Ann").await;
    let mut bob = agent(&world, &node, "a", "bob", "Bob").await;
    looks(&mut ann, Some(&id), &[]).await;
    looks(&mut bob, Some(&id), &[]).await;
    let agents = |agents: Value| json!({"type": "agents", "conversationId": id, "agents": agents});
    let (of_ann, of_bob) =
        (json!([{"id": "ann", "name": "Ann"}]), json!([{"id": "bob", "name": "Bob"}]));
    assert_eq!(ann.signal_of("agents").await, agents(of_bob.clone()));
    assert_eq!(bob.signal_of("agents").await, agents(of_ann));
    // Who only sees the row has it not open.
    looks(&mut bob, None, &[&id]).await;
    assert_eq!(ann.signal_of("agents").await, agents(json!([])));
    looks(&mut bob, Some(&id), &[]).await;
    assert_eq!(ann.signal_of("agents").await, agents(of_bob));
    bob.leave().await;
    assert_eq!(ann.signal_of("agents").await, agents(json!([])));
}

#[tokio::test]
async fn a_visitor_is_told_whether_somebody_of_its_team_is_here() {
    let world = World::new().await;
    let node = node(&world).await;
    let here = |here: Value| json!({"type": "here", "here": here});
    let mut visitor = live_visitor(&world, &node, "a", &world.visitor("a").0).await;
    assert_eq!(visitor.next_signal().await, here(Value::Null), "the roll is being called");
    assert_eq!(visitor.next_signal().await, here(json!(false)));
    let _of_another_tenant = agent(&world, &node, "b", "zoe", "Zoe").await;
    let ann = agent(&world, &node, "a", "ann", "Ann").await;
    assert_eq!(visitor.next_signal().await, here(json!(true)));
    let mut second = live_visitor(&world, &node, "a", &world.visitor("a").0).await;
    assert_eq!(second.next_signal().await, here(json!(true)), "what is known is told at once");

    drop(ann);
    node.until("the socket is gone", |node| node.agents.open() == 1).await;
    assert!(visitor.signals_until_pong().await.is_empty(), "she may come back");
    let back = agent(&world, &node, "a", "ann", "Ann").await;
    back.leave().await;
    assert_eq!(visitor.next_signal().await, here(json!(false)));
}

#[tokio::test]
async fn a_flood_of_signals_of_one_tenant_moves_no_message_and_is_shed() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.signals = SignalSettings { tenant_per_second: 20, ..quick(&world) };
    let node = world.node_with(plan).await;
    let mut visitors = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..40 {
        let (token, conversations) = world.visitor("a");
        visitors.push(live_visitor(&world, &node, "a", &token).await);
        ids.push(id_of(&conversations));
    }
    let mut ann = agent(&world, &node, "a", "ann", "Ann").await;
    let visible: Vec<_> = ids.iter().map(String::as_str).collect();
    looks(&mut ann, None, &visible).await;
    for (number, visitor) in visitors.iter_mut().enumerate() {
        for _ in 0..20 {
            visitor.send(json!({"type": "typing", "on": true})).await;
        }
        visitor.send(json!({"type": "message", "text": number.to_string()})).await;
    }
    let texts = ann.texts(visitors.len()).await;
    let mut numbers: Vec<usize> = texts.iter().map(|text| text.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..visitors.len()).collect::<Vec<_>>());
    for visitor in &mut visitors {
        assert_eq!(visitor.texts(1).await.len(), 1, "its own comes back to it");
    }
    assert!(node.metric_of("parlor_signals_dropped_total", "typing") >= 19.0 * 40.0);
    assert_eq!(node.metric("parlor_socket_sheds_total"), 0.0);

    // And another tenant's people see each other type.
    let (token, conversations) = world.visitor("b");
    let mut theirs = live_visitor(&world, &node, "b", &token).await;
    let mut zoe = agent(&world, &node, "b", "zoe", "Zoe").await;
    looks(&mut zoe, Some(&id_of(&conversations)), &[]).await;
    types(&mut theirs, None, true).await;
    assert_eq!(zoe.signal_of("typing").await["on"], true);
}

#[tokio::test]
async fn above_the_bound_of_a_tenant_or_a_node_signals_are_dropped_and_counted() {
    let world = World::new().await;
    // Of one in a second, typing must leave a part to what is shed after it.
    let of_tenant = SignalSettings { tenant_per_second: 1, ..quick(&world) };
    let of_node = SignalSettings { node_per_second: 1, ..quick(&world) };
    for signals in [of_tenant, of_node] {
        let node = world.node_with(Plan { signals, ..world.plan() }).await;
        let (token, conversations) = world.visitor("a");
        let mut visitor = live_visitor(&world, &node, "a", &token).await;
        let mut ann = agent(&world, &node, "a", "ann", "Ann").await;
        looks(&mut ann, Some(&id_of(&conversations)), &[]).await;
        types(&mut visitor, None, true).await;
        visitor.send(json!({"type": "message", "text": "hi"})).await;
        assert_eq!(ann.next_text().await, "hi");
        let signals = ann.signals_until_pong().await;
        assert!(signals.iter().all(|signal| signal["type"] != "typing"), "{signals:?}");
        // The beginning, and the end that the message brought.
        assert_eq!(node.metric_of("parlor_signals_dropped_total", "typing"), 2.0);
    }
}

#[tokio::test]
async fn nodes_of_one_installation_pass_signals_between_their_sockets() {
    let world = World::new().await;
    let (one, other) = (node(&world).await, node(&world).await);
    let (token, conversations) = world.visitor("a");
    let id = id_of(&conversations);
    let mut visitor = live_visitor(&world, &one, "a", &token).await;
    let mut ann = agent(&world, &other, "a", "ann", "Ann").await;
    let mut bob = agent(&world, &one, "a", "bob", "Bob").await;
    while visitor.signal_of("here").await["here"] != true {}
    looks(&mut ann, Some(&id), &[]).await;
    assert_eq!(ann.signal_of("visitor").await["online"], true);
    looks(&mut bob, Some(&id), &[]).await;
    let told = ann.signal_of("agents").await;
    assert_eq!(told["agents"], json!([{"id": "bob", "name": "Bob"}]));
    types(&mut visitor, None, true).await;
    assert_eq!(ann.signal_of("typing").await["author"], json!({"id": visitor_of(&token)}));
    types(&mut ann, Some(&id), true).await;
    assert_eq!(visitor.signal_of("typing").await["author"], json!({"name": "Ann"}));
    bob.leave().await;
    assert_eq!(ann.signal_of("agents").await["agents"], json!([]));
    ann.leave().await;
    while visitor.signal_of("here").await["here"] != false {}
    assert!(one.stop().await && other.stop().await, "every task has ended");
}
