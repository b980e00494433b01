//! Several tabs of one visitor, which lose their sockets at different times: each is shown what it
//! does not have, whatever the others have answered for.

use parlor_auth::VisitorToken;
use parlor_common::{
    event::{Event, SocketIs},
    position::Position,
};

use super::{
    client::{Client, of_visitor, widget},
    world::{TestNode, World},
};

/// A page that comes back, without a GET.
async fn comes_back(world: &World, node: &TestNode, token: &VisitorToken) -> Client {
    of_visitor(world, "shop", token).open(node).await
}

/// How many sockets have answered for this position or a later one.
fn answered(world: &World, up_to: Position) -> usize {
    let marks = world.door.marks().into_iter().filter(|mark| mark.up_to >= up_to);
    let mut sessions: Vec<_> =
        marks.filter_map(|mark| Some(mark.socket?.session.to_string())).collect();
    sessions.sort();
    sessions.dedup();
    sessions.len()
}

/// Two tabs on two nodes, which have been shown one message and have answered for it.
async fn two_tabs(
    world: &World,
    nodes: [&TestNode; 2],
    token: &VisitorToken,
) -> ([Client; 2], Event) {
    let mut tabs = [
        widget(world, nodes[0], "shop", token).await,
        widget(world, nodes[1], "shop", token).await,
    ];
    let event =
        world.agent_writes(&token.conversations(&super::world::tenant("shop")), "one").await;
    for tab in &mut tabs {
        assert_eq!(tab.texts(1).await, ["one"]);
        tab.frames_until_pong().await;
    }
    nodes[0].until("both are noted", |_| answered(world, event.position) == 2).await;
    (tabs, event)
}

#[tokio::test]
async fn a_tab_is_shown_what_the_other_one_answered_for_while_it_was_away() {
    let world = World::new().await;
    let (one, two) = (world.node().await, world.node().await);
    let (token, conversations) = world.visitor("shop");
    let ([first, mut second], _) = two_tabs(&world, [&one, &two], &token).await;
    drop(first);
    let is_lost = || {
        let marks = world.door.marks();
        marks.iter().any(|mark| mark.socket.is_some_and(|socket| socket.is == SocketIs::Lost))
    };
    one.until("its loss is noted", |_| is_lost()).await;
    let meanwhile = world.agent_writes(&conversations, "two").await;
    assert_eq!(second.texts(1).await, ["two"]);
    second.frames_until_pong().await;
    two.until("the second has answered", |_| answered(&world, meanwhile.position) == 1).await;
    // On the node of the other tab, and on one that has seen nothing of it.
    let mut back = comes_back(&world, &two, &token).await;
    assert_eq!(back.texts(1).await, ["two"]);
    back.frames_until_pong().await;
    two.until("it has answered too", |_| answered(&world, meanwhile.position) == 2).await;
    drop(back);
    two.until("it is lost again", |node| node.visitors.open() == 1).await;
    let third = world.node().await;
    let mut again = comes_back(&world, &third, &token).await;
    assert!(again.frames_until_pong().await.is_empty(), "it has everything");
    assert!(second.frames_until_pong().await.is_empty(), "the other one was shown nothing twice");
    world.agent_writes(&conversations, "live").await;
    assert_eq!(again.texts(1).await, ["live"]);
}

/// The first socket stays open on its node, which notes no loss, as a killed one does not.
#[tokio::test]
async fn a_tab_whose_loss_nobody_has_noted_is_shown_what_it_missed_all_the_same() {
    let world = World::new().await;
    let (one, two, three) = (world.node().await, world.node().await, world.node().await);
    let (token, conversations) = world.visitor("shop");
    let ([first, mut second], _) = two_tabs(&world, [&one, &two], &token).await;
    let meanwhile = world.agent_writes(&conversations, "two").await;
    assert_eq!(second.texts(1).await, ["two"]);
    second.frames_until_pong().await;
    two.until("the second has answered", |_| answered(&world, meanwhile.position) == 1).await;
    let mut back = comes_back(&world, &three, &token).await;
    assert_eq!(back.texts(1).await, ["two"]);
    assert!(back.frames_until_pong().await.is_empty());
    drop(first);
}

#[tokio::test]
async fn a_page_whose_tab_was_left_or_reloaded_is_shown_nothing_twice() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut left = widget(&world, &node, "shop", &token).await;
    let first = world.agent_writes(&conversations, "one").await;
    assert_eq!(left.texts(1).await, ["one"]);
    left.frames_until_pong().await;
    node.until("it is noted", |_| answered(&world, first.position) == 1).await;
    left.leave().await;
    node.until("it is left", |node| node.visitors.open() == 0).await;
    let mut other = widget(&world, &node, "shop", &token).await;
    let second = world.agent_writes(&conversations, "two").await;
    assert_eq!(other.texts(1).await, ["two"]);
    other.frames_until_pong().await;
    node.until("it is noted", |_| answered(&world, second.position) == 1).await;
    drop(other);
    node.until("it is lost", |node| node.visitors.open() == 0).await;
    let mut back = comes_back(&world, &node, &token).await;
    assert!(back.frames_until_pong().await.is_empty(), "the tab that was left is not waited for");
}
