//! What a visitor does with the own conversation besides writing.

use parlor_auth::Role;
use serde_json::{Value, json};

use crate::{client::Ask, node::Node};

fn own(method: &str, path: &str, cookie: &str) -> Ask {
    Ask::of_page(method, &format!("/api/chat/{path}")).cookie(cookie)
}

/// A visitor who has written, and the conversation as an agent is shown it.
async fn visitor(node: &Node) -> (String, String) {
    let answer = Ask::say("hello").send(node).await.expect(201);
    let id = answer.json()["message"]["conversationId"].as_str().unwrap().to_owned();
    (answer.cookie().unwrap(), format!("/api/agent/conversations/{id}"))
}

async fn state(node: &Node, address: &str) -> Value {
    let ask = Ask::bare("GET", address).bearer(&node.agent("a", Role::Agent));
    ask.send(node).await.expect(200).json()["conversation"].clone()
}

#[tokio::test]
async fn before_the_first_message_there_is_nothing_to_change() {
    let node = Node::start().await;
    let cookie = Ask::session().send(&node).await.expect(200).cookie().unwrap();
    let end = node.end().await;
    for (method, path, body) in [
        ("PUT", "profile", json!({ "name": "Vera" })),
        ("PUT", "mark", json!({ "read": node.cursor("a").await })),
        ("POST", "close", json!({})),
        ("POST", "rating", json!({ "score": 5 })),
    ] {
        for ask in [own(method, path, &cookie), Ask::of_page(method, &format!("/api/chat/{path}"))]
        {
            let answer = ask.json(&body).send(&node).await.expect(404);
            assert_eq!(answer.problem(), "not_found", "{path}");
        }
    }
    assert_eq!(node.end().await, end, "and nothing is written");
}

#[tokio::test]
async fn a_visitor_says_who_it_is() {
    let node = Node::start().await;
    let (cookie, address) = visitor(&node).await;
    let profile = json!({ "name": "Vera", "email": "v@example.com", "locale": "pt-BR" });
    let said = own("PUT", "profile", &cookie).json(&profile).send(&node).await.expect(200);
    assert_eq!(said.json(), json!({ "ok": true }));
    let shown = state(&node, &address).await["visitor"].clone();
    for field in ["name", "email", "locale"] {
        assert_eq!(shown[field], profile[field]);
    }
    let wrong = own("PUT", "profile", &cookie).json(&json!({ "email": "x" }));
    assert_eq!(wrong.send(&node).await.expect(422).json()["error"]["details"][0]["field"], "email");
}

#[tokio::test]
async fn a_conversation_is_rated_once_for_each_time_that_it_was_closed() {
    let node = Node::start().await;
    let (cookie, address) = visitor(&node).await;
    let rate = |score: u8| {
        own("POST", "rating", &cookie).json(&json!({ "score": score, "comment": "<b>fine" }))
    };
    rate(5).send(&node).await.expect(404);
    let close = own("POST", "close", &cookie);
    assert_eq!(close.send(&node).await.expect(200).json(), json!({ "status": "closed" }));
    let end = node.end().await;
    close.send(&node).await.expect(200);
    assert_eq!(node.end().await, end, "closed is closed");
    assert_eq!(state(&node, &address).await["status"], "closed");
    assert_eq!(rate(4).send(&node).await.expect(201).json()["rating"]["score"], 4);
    let again = rate(1).send(&node).await.expect(200).json();
    assert_eq!((&again["duplicate"], &again["rating"]["score"]), (&json!(true), &json!(4)));
    assert_eq!(state(&node, &address).await["rating"], 4);

    Ask::say("one more thing").cookie(&cookie).send(&node).await.expect(201);
    assert_eq!(state(&node, &address).await["status"], "open");
    rate(2).send(&node).await.expect(404);
    close.send(&node).await.expect(200);
    rate(2).send(&node).await.expect(201);
    assert_eq!(state(&node, &address).await["rating"], 2);
    let wrong = own("POST", "rating", &cookie).json(&json!({ "score": 6 }));
    wrong.send(&node).await.expect(422);
}

#[tokio::test]
async fn a_visitors_mark_is_shown_to_agents() {
    let node = Node::start().await;
    let (cookie, address) = visitor(&node).await;
    let page = Ask::messages().cookie(&cookie).send(&node).await.expect(200).json();
    let cursor = page["messages"][0]["cursor"].clone();
    let mark = own("PUT", "mark", &cookie).json(&json!({ "read": cursor }));
    assert_eq!(mark.send(&node).await.expect(200).json(), json!({ "read": cursor }));
    let end = node.end().await;
    mark.send(&node).await.expect(200);
    assert_eq!(node.end().await, end, "what is marked is not marked again");
    assert_eq!(state(&node, &address).await["read"]["visitor"], cursor);
}

#[tokio::test]
async fn a_visitor_does_nothing_in_anothers_conversation() {
    let node = Node::start().await;
    let (_, address) = visitor(&node).await;
    let (other, _) = visitor(&node).await;
    own("POST", "close", &other).send(&node).await.expect(200);
    let profile = own("PUT", "profile", &other).json(&json!({ "name": "Mallory" }));
    profile.send(&node).await.expect(200);
    let untouched = state(&node, &address).await;
    assert_eq!((&untouched["status"], untouched["visitor"].get("name")), (&json!("open"), None));
    // From a page that is not the tenant's nothing is done.
    let foreign = own("POST", "close", &other).header("Origin", "https://evil.example");
    foreign.send(&node).await.expect(403);
}
