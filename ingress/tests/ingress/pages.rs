//! Reading: what was accepted is always there, page by page, whatever has been stored.

use std::{net::Ipv4Addr, time::Duration};

use http::HeaderMap;
use parlor_http::page_loads::{PageKey, PageOpening, Snapshot};

use crate::{
    client::Ask,
    node::{Node, tenant},
};

fn page(cookie: &str, query: &str) -> Ask {
    Ask::of_page("GET", &format!("/api/chat/messages?{query}")).cookie(cookie)
}

/// Says `1` to `count`; returns the visitor.
async fn talk(node: &Node, count: usize) -> String {
    let first = Ask::say("1").send(node).await.expect(201);
    let cookie = first.cookie().unwrap();
    for text in 2..=count {
        Ask::say(&text.to_string()).cookie(&cookie).send(node).await.expect(201);
    }
    cookie
}

#[tokio::test]
async fn what_was_accepted_is_in_the_next_page_while_nothing_is_stored() {
    let node = Node::start().await;
    let mut cookie = String::new();
    for text in ["one", "two", "two", "three"] {
        let answer = Ask::say(text).cookie(&cookie).send(&node).await.expect(201);
        cookie = answer.cookie().unwrap_or(cookie);
        let body = Ask::messages().cookie(&cookie).send(&node).await.expect(200).json();
        assert_eq!(body["messages"].as_array().unwrap().last().unwrap(), &answer.json()["message"]);
        assert_eq!(body.get("incomplete"), None);
    }
    assert_eq!(
        Ask::messages().cookie(&cookie).send(&node).await.texts(),
        ["one", "two", "two", "three"]
    );
}

#[tokio::test]
async fn pages_go_both_ways_without_a_hole_or_a_repeat() {
    let node = Node::start().await;
    let cookie = talk(&node, 7).await;
    node.persist().await;
    let node = node.restarted(|_| {}).await;
    for text in 8..=12 {
        Ask::say(&text.to_string()).cookie(&cookie).send(&node).await.expect(201);
    }
    let all: Vec<String> = (1..=12).map(|text| text.to_string()).collect();

    let (mut backward, mut query) = (Vec::new(), "limit=5".to_owned());
    loop {
        let answer = page(&cookie, &query).send(&node).await.expect(200);
        backward.splice(0..0, answer.texts());
        if answer.json()["hasMore"] == false {
            break;
        }
        assert_eq!(answer.texts().len(), 5);
        query =
            format!("limit=5&before={}", answer.json()["messages"][0]["cursor"].as_str().unwrap());
    }
    assert_eq!(backward, all);

    let first = page(&cookie, "").send(&node).await.json()["messages"][0]["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let (mut forward, mut cursor) = (vec!["1".to_owned()], first);
    loop {
        let answer =
            page(&cookie, &format!("limit=5&after={cursor}")).send(&node).await.expect(200);
        forward.extend(answer.texts());
        cursor = answer.json()["cursor"].as_str().unwrap().to_owned();
        if answer.json()["hasMore"] == false {
            break;
        }
    }
    assert_eq!(forward, all);
    // The last cursor is the position of the snapshot: only what comes later comes after it.
    assert!(page(&cookie, &format!("after={cursor}")).send(&node).await.texts().is_empty());
    Ask::say("13").cookie(&cookie).send(&node).await.expect(201);
    assert_eq!(page(&cookie, &format!("after={cursor}")).send(&node).await.texts(), ["13"]);
}

#[tokio::test]
async fn without_parameters_the_page_is_the_newest_50_oldest_first() {
    let node = Node::start().await;
    let cookie = talk(&node, 52).await;
    let answer = Ask::messages().cookie(&cookie).send(&node).await.expect(200);
    let newest: Vec<String> = (3..=52).map(|text| text.to_string()).collect();
    assert_eq!(answer.texts(), newest);
    assert_eq!(answer.json()["hasMore"], true);
    assert_eq!(page(&cookie, "limit=100").send(&node).await.texts().len(), 52);
    assert_eq!(page(&cookie, "limit=52&unknown=1").send(&node).await.json()["hasMore"], false);
}

#[tokio::test]
async fn history_survives_a_restart_stored_or_not() {
    let node = Node::start().await;
    let cookie = talk(&node, 3).await;
    let node = node.restarted(|_| {}).await;
    assert_eq!(Ask::messages().cookie(&cookie).send(&node).await.texts(), ["1", "2", "3"]);
    node.persist().await;
    let node = node.restarted(|_| {}).await;
    assert_eq!(Ask::messages().cookie(&cookie).send(&node).await.texts(), ["1", "2", "3"]);
}

#[tokio::test]
async fn the_socket_of_a_page_is_told_what_its_get_has_shown() {
    let node = Node::start().await;
    let token = node.visitors.issue();
    let cookie = node.visitors.set_cookie(&token);
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    Ask::say("hello").cookie(&cookie).send(&node).await.expect(201);
    let said = node.end().await;
    let address = Ipv4Addr::LOCALHOST.into();
    let key = PageKey::new(tenant("a"), Some(token.visitor()), address, &HeaderMap::new());
    let opening = || node.page_loads.opening(&key, Duration::from_millis(100), Duration::ZERO);

    let answer = Ask::messages().cookie(&cookie).send(&node).await.expect(200);
    let shown = Snapshot { through: said, last: Some(said) };
    assert_eq!(opening().await, PageOpening::Loads(Some(shown)));
    assert_eq!(opening().await, PageOpening::ComesBack, "a GET is one socket's");

    let after = format!("after={}", answer.json()["cursor"].as_str().unwrap());
    page(&cookie, &after).send(&node).await.expect(200);
    assert_eq!(opening().await, PageOpening::ComesBack, "it is not the page that opens");
    page(&cookie, "limit=none").send(&node).await.expect(400);
    assert_eq!(opening().await, PageOpening::ComesBack, "nothing was read");
}
