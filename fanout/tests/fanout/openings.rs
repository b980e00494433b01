//! The widget's page opens: by a load, whose GET tells what it has, or because it comes back.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use http::HeaderMap;
use parlor_auth::VisitorToken;
use parlor_common::{
    action::Action,
    clock::Clock,
    door::{Door, Submission},
    event::{DeliveredBody, Event, Transport},
    state::Reader,
};
use parlor_http::page_loads::{PageKey, PageLoad, Snapshot};

use super::{
    client::{Upgrade, of_visitor, widget},
    raw::Raw,
    world::{Plan, TestNode, World, tenant},
};

fn page(world: &World, token: &VisitorToken) -> Upgrade {
    of_visitor(world, "shop", token)
}

fn load(node: &TestNode, token: &VisitorToken) -> PageLoad {
    let address = Ipv4Addr::LOCALHOST.into();
    let visitor = Some(token.visitor());
    node.page_loads.begin(PageKey::new(tenant("shop"), visitor, address, &HeaderMap::new()))
}

fn through(event: &Event) -> Snapshot {
    Snapshot { through: event.position, last: Some(event.position) }
}

/// A node that holds a 101 back for so long that only an answer can be in time.
async fn holding(world: &World) -> TestNode {
    let mut plan = world.plan();
    plan.sockets.load_within = Duration::from_secs(5);
    world.node_with(plan).await
}

#[tokio::test]
async fn a_page_that_loads_opens_after_its_get_and_is_sent_what_is_above_the_answer() {
    let world = World::new().await;
    let node = holding(&world).await;
    let (token, conversations) = world.visitor("shop");
    world.agent_writes(&conversations, "in the answer").await;
    let last = world.agent_writes(&conversations, "the last of the answer").await;
    let get = load(&node, &token);
    let open = async {
        let client = page(&world, &token).open(&node).await;
        (client, Instant::now())
    };
    let answer = async {
        for text in ["above 1", "above 2"] {
            world.agent_writes(&conversations, text).await;
        }
        let answered = Instant::now();
        get.answered(through(&last));
        answered
    };
    let ((mut client, opened), answered) = tokio::join!(open, answer);
    assert!(opened > answered, "the GET's answer would wipe what the socket shows before it");
    assert!(opened - answered < Duration::from_secs(4), "it does not wait for longer");
    assert_eq!(client.texts(2).await, ["above 1", "above 2"]);
    world.agent_writes(&conversations, "live").await;
    assert_eq!(client.texts(1).await, ["live"]);
    assert!(client.frames_until_pong().await.is_empty());
}

#[tokio::test]
async fn what_a_get_has_shown_is_delivered_once_the_page_has_answered_a_ping() {
    let world = World::new().await;
    let node = holding(&world).await;
    let (token, conversations) = world.visitor("shop");
    let last = world.agent_writes(&conversations, "in the answer").await;
    load(&node, &token).answered(through(&last));
    let mut client = page(&world, &token).open(&node).await;
    while client.pings == 0 {
        client.frames_until_pong().await;
    }
    client.frames_until_pong().await;
    node.until("it is noted", |_| !world.door.marks().is_empty()).await;
    drop(client);
    // It comes back, without a GET.
    let back = world.node().await;
    let mut client = page(&world, &token).open(&back).await;
    assert!(client.frames_until_pong().await.is_empty(), "it has all of it");
    client.frames_until_pong().await;
    drop(client);
    back.until("the session is over", |node| node.visitors.open() == 0).await;
    let marks = world.door.marks();
    let all_alike = marks.iter().all(|mark| mark.up_to == last.position);
    assert!(all_alike, "nothing more was delivered: {marks:?}");
}

#[tokio::test]
async fn a_page_that_comes_back_is_sent_what_agents_wrote_meanwhile_and_nothing_of_its_own() {
    for ring_events in [1_000, 0] {
        let world = World::new().await;
        let mut plan = world.plan();
        plan.feed.ring_events = ring_events;
        let feed = plan.feed.clone();
        let node = world.node_with(plan).await;
        let (token, conversations) = world.visitor("shop");
        let mut client = widget(&world, &node, "shop", &token).await;
        let one = world.agent_writes(&conversations, "one").await;
        assert_eq!(client.texts(1).await, ["one"]);
        client.frames_until_pong().await;
        let noted =
            |_: &TestNode| world.door.marks().last().is_some_and(|mark| mark.up_to == one.position);
        node.until("it is noted", noted).await;
        drop(client);
        node.until("the session is over", |node| node.visitors.open() == 0).await;

        world.agent_writes(&conversations, "two").await;
        world.door.post(&conversations, token.author(), "its own").await;
        let three = world.agent_writes(&conversations, "three").await;
        // The node that it comes back to is another one.
        let node = world.node_with(Plan { feed, ..world.plan() }).await;
        let mut client = page(&world, &token).open(&node).await;
        assert_eq!(client.texts(2).await, ["two", "three"]);
        let noted = |_: &TestNode| {
            world.door.marks().last().is_some_and(|mark| mark.up_to == three.position)
        };
        client.frames_until_pong().await;
        node.until("the last is noted", noted).await;
        world.agent_writes(&conversations, "live").await;
        assert_eq!(client.texts(1).await, ["live"]);
    }
}

/// The balancer has sent the GET of the page to another node, which notes what it shows.
#[tokio::test]
async fn a_socket_on_another_node_than_its_get_is_shown_nothing_twice() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.sockets.load_within = Duration::from_secs(1);
    let node = world.node_with(plan).await;
    let (token, conversations) = world.visitor("shop");
    let last = world.agent_writes(&conversations, "in the answer").await;
    let get = async {
        let up_to = last.position;
        let submission = Submission {
            conversations: conversations.clone(),
            author: token.author(),
            session: None,
            transport: Transport::Rest,
            arrived: Clock::system().now(),
            action: Action::Mark(DeliveredBody::of(Reader::Visitor, up_to)),
        };
        world.door.accept(submission).await.unwrap();
        world.agent_writes(&conversations, "above").await;
    };
    let (mut client, ()) = tokio::join!(page(&world, &token).open(&node), get);
    assert_eq!(client.texts(1).await, ["above"]);
    assert!(client.frames_until_pong().await.is_empty());
}

#[tokio::test]
async fn what_was_sent_and_never_answered_is_sent_again() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let cookie = world.tokens.set_cookie(&token);
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    // A page whose network is cut: it reads and answers nothing.
    let silent = Raw::open_as(&node, "/ws/chat?tenantId=shop", &cookie).await;
    world.agent_writes(&conversations, "never seen").await;
    drop(silent);
    let mut client = page(&world, &token).open(&node).await;
    assert_eq!(client.texts(1).await, ["never seen"]);
}
