//! Many who come back at once are one read for a conversation, and not one for each socket.

use std::sync::Arc;

use parlor_auth::VisitorToken;
use parlor_common::event::Event;
use parlor_testbed::faulty::log::FaultyLog;

use super::{
    client::{Client, of_visitor, visitor},
    world::{Plan, TestNode, World},
};

/// Pages of the widget and clients of protocol 1, of each of a few visitors.
const VISITORS: usize = 2;
const PAGES: usize = 80;
const CLIENTS: usize = 20;
const SOCKETS: f64 = (VISITORS * (PAGES + CLIENTS)) as f64;

/// The most reads of the database for each socket that comes back.
const READS_PER_RESUME: f64 = 0.05;

fn recovered(node: &TestNode) -> f64 {
    node.metric_of("parlor_resume_outcomes_total", "recovered")
}

fn store_reads(node: &TestNode) -> f64 {
    node.metric("parlor_history_store_reads_total")
}

/// All of them open at once: pages that come back, and clients that resume after `last`.
async fn storm(
    world: &World,
    node: &TestNode,
    visitors: &[VisitorToken],
    last: Option<&[Event]>,
) -> Vec<Client> {
    let mut opening = Vec::new();
    for (index, token) in visitors.iter().enumerate() {
        let since = last.map(|last| world.cursor(&last[index]));
        for number in 0..PAGES + CLIENTS {
            let since = since.clone();
            opening.push(async move {
                if number < PAGES {
                    return of_visitor(world, "shop", token).open(node).await;
                }
                let mut client = visitor(world, node, "shop", token).await;
                client.subscribe(since.as_deref()).await;
                client
            });
        }
    }
    futures_util::future::join_all(opening).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_drop_at_once_come_back_without_a_read_for_each() {
    let world = World::new().await;
    let node = world.node().await;
    let visitors: Vec<_> = (0..VISITORS).map(|_| world.visitor("shop")).collect();
    let tokens: Vec<_> = visitors.iter().map(|(token, _)| token.clone()).collect();
    let mut last = Vec::new();
    for (_, conversations) in &visitors {
        last.push(world.agent_writes(conversations, "before").await);
    }
    let sockets = storm(&world, &node, &tokens, Some(&last)).await;
    drop(sockets);
    node.until("all have dropped", |node| node.visitors.open() == 0).await;

    // They come back to where they were, and to a node that none of them has been to.
    let other = world.node().await;
    for (_, conversations) in &visitors {
        world.agent_writes(conversations, "meanwhile").await;
    }
    for node in [&node, &other] {
        let before = (store_reads(node), recovered(node));
        let mut back = storm(&world, node, &tokens, Some(&last)).await;
        // A page may still be reading what it missed when its socket is open.
        let all = |node: &TestNode| recovered(node) - before.1 >= SOCKETS;
        node.until("all have what they missed, and nobody has a gap", all).await;
        let cost = (store_reads(node) - before.0) / SOCKETS;
        println!("reads of the store for a resume: {cost}");
        assert!(cost <= READS_PER_RESUME, "{cost}");
        for (index, socket) in back.iter_mut().enumerate() {
            // A client of protocol 1 has read it before it was told that it is live.
            if index % (PAGES + CLIENTS) < PAGES {
                while socket.next_text().await != "meanwhile" {}
            }
        }
        drop(back);
        node.until("all have dropped", |node| node.visitors.open() == 0).await;
    }
}

#[tokio::test]
async fn a_mark_that_was_made_on_another_node_is_not_forgotten_by_one_that_knew_an_older_one() {
    let world = World::new().await;
    let log = Arc::new(FaultyLog::over(world.log.clone()));
    let one = world.node_with(Plan { log: log.clone(), ..world.plan() }).await;
    let other = world.node().await;
    let (token, conversations) = world.visitor("shop");
    // The first node knows the conversation from here on.
    drop(of_visitor(&world, "shop", &token).open(&one).await);
    one.until("it has gone", |node| node.visitors.open() == 0).await;
    let read = store_reads(&one);
    for (text, behind) in [("first", false), ("second", true), ("third", false)] {
        // Its feed does not tell it of the mark.
        if behind {
            log.mute_tails();
        } else {
            log.unmute_tails();
        }
        let written = world.agent_writes(&conversations, text).await;
        let mut page = of_visitor(&world, "shop", &token).open(&other).await;
        assert_eq!(page.texts(1).await, [text]);
        page.frames_until_pong().await;
        let noted =
            |_: &TestNode| world.door.marks().last().is_some_and(|m| m.up_to == written.position);
        other.until("it is noted", noted).await;
        drop(page);
        other.until("it has gone", |node| node.visitors.open() == 0).await;
        // What was noted before it asks is never shown again, however near before.
        let mut page = of_visitor(&world, "shop", &token).open(&one).await;
        assert!(page.frames_until_pong().await.is_empty(), "after {text}");
        drop(page);
        one.until("it has gone", |node| node.visitors.open() == 0).await;
    }
    assert_eq!(store_reads(&one), read, "it knows what the store had, and the log tells the rest");
}
