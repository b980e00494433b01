//! Drafts that are refused for now: nothing overtakes them.

use std::sync::Arc;

use parlor_common::problem::Problem;
use serde_json::json;

use super::{
    client::{Client, visitor},
    door::TestDoor,
    parlor1::message,
    world::{Plan, TestNode, World},
};

/// A node with this door, and a visitor's client there.
async fn at(world: &World, door: &Arc<TestDoor>) -> (TestNode, Client) {
    let node = world.node_with(Plan { door: door.clone(), ..world.plan() }).await;
    let (token, _) = world.visitor("shop");
    let client = visitor(world, &node, "shop", &token).await;
    (node, client)
}

const THREE: [&str; 3] = ["m-1", "m-2", "m-3"];

/// The client may lose its socket before it hears of the refusal, and sends all of them again.
#[tokio::test]
async fn what_comes_after_a_refusal_waits_until_the_client_has_heard_of_it() {
    let world = World::new().await;
    let door = TestDoor::shut(world.log.clone());
    let node = world.node_with(Plan { door: door.clone(), ..world.plan() }).await;
    let (token, _) = world.visitor("shop");
    let mut client = visitor(&world, &node, "shop", &token).await;
    client.frames_until_pong().await;
    door.fail_next(Problem::unavailable("the log is away"), 1);
    for id in THREE {
        client.send(message(id, id)).await;
    }
    door.let_through(3);
    for id in THREE {
        let refusal = client.next().await;
        assert_eq!(refusal["clientMessageId"], id);
        assert_eq!(refusal["error"]["code"], "unavailable");
    }
    // It never answers the ping, and its socket is lost.
    drop(client);
    node.until("the socket is gone", |node| node.visitors.open() == 0).await;
    assert_eq!(door.calls().len(), 1, "nothing overtakes what was refused");
    let mut client = visitor(&world, &node, "shop", &token).await;
    for id in THREE {
        client.send(message(id, id)).await;
    }
    door.let_through(3);
    for id in THREE {
        let accepted = client.next().await;
        assert_eq!(
            (&accepted["type"], &accepted["clientMessageId"]),
            (&json!("accepted"), &json!(id))
        );
    }
    assert_eq!(door.calls().len(), 4);
}

/// One that sends again at once, before it has answered a ping.
#[tokio::test]
async fn what_was_refused_may_come_again_at_once_in_its_order() {
    let world = World::new().await;
    let door = TestDoor::open(world.log.clone());
    let (_node, mut client) = at(&world, &door).await;
    door.fail_next(Problem::unavailable("the log is away"), 1);
    let all = ["m-1", "m-2", "m-3", "m-2", "m-1", "m-2", "m-3", "m-4"];
    for id in all {
        client.send(message(id, id)).await;
    }
    let mut kinds = Vec::new();
    for id in all {
        let answer = client.next().await;
        assert_eq!(answer["clientMessageId"], id);
        kinds.push(answer["type"].as_str().unwrap().to_owned());
    }
    let (no, yes) = ("error", "accepted");
    assert_eq!(kinds, [no, no, no, no, yes, yes, yes, yes]);
}

#[tokio::test]
async fn a_client_that_has_heard_of_a_refusal_goes_on() {
    let world = World::new().await;
    let door = TestDoor::open(world.log.clone());
    let (_node, mut client) = at(&world, &door).await;
    door.fail_next(Problem::unavailable("the log is away"), 1);
    client.send(message("m-1", "one")).await;
    assert_eq!(client.next().await["error"]["code"], "unavailable");
    client.frames_until_pong().await;
    client.send(message("m-2", "two")).await;
    assert_eq!(client.next().await["type"], "accepted");
}

/// It was sending again when it heard of a refusal: what it sent first is not overtaken.
#[tokio::test]
async fn what_was_refused_before_the_client_had_heard_comes_before_what_is_refused_later() {
    let world = World::new().await;
    let door = TestDoor::open(world.log.clone());
    let (_node, mut client) = at(&world, &door).await;
    let away = || Problem::unavailable("the log is away");
    door.fail_next(away(), 1);
    client.send(message("m-1", "one")).await;
    assert_eq!(client.next().await["error"]["code"], "unavailable");
    client.frames_until_pong().await;
    door.fail_next(away(), 1);
    for id in ["m-2", "m-1", "m-2"] {
        client.send(message(id, id)).await;
    }
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = client.next().await;
        answers.push(format!("{} {}", answer["clientMessageId"], answer["type"]));
    }
    assert_eq!(answers, [r#""m-2" "error""#, r#""m-1" "accepted""#, r#""m-2" "accepted""#]);
}
