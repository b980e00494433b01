//! Agents: the inbox, a tenant's conversations, and nothing of another tenant's.

use std::time::Duration;

use parlor_auth::Role;
use serde_json::{Value, json};

use crate::{client::Ask, node::Node};

const INBOX: &str = "/api/agent/conversations";

fn inbox(token: &str, query: &str) -> Ask {
    Ask::bare("GET", &format!("{INBOX}{query}")).bearer(token)
}

fn conversation(method: &str, token: &str, id: &Value) -> Ask {
    Ask::bare(method, &format!("{INBOX}/{}/messages", id.as_str().unwrap())).bearer(token)
}

async fn visitor_says(node: &Node, tenant: &str, text: &str) -> (String, Value) {
    let answer = Ask::say(text).tenant(tenant).send(node).await.expect(201);
    (answer.cookie().unwrap(), answer.json()["message"].clone())
}

#[tokio::test]
async fn an_agent_reads_and_answers_a_conversation() {
    let node = Node::start().await;
    let (cookie, message) = visitor_says(&node, "a", "hello").await;
    let id = &message["conversationId"];
    let agent = node.agent("a", Role::Agent);
    assert_eq!(conversation("GET", &agent, id).send(&node).await.expect(200).texts(), ["hello"]);
    let draft =
        conversation("POST", &agent, id).json(&json!({ "text": "hi", "clientMessageId": "r1" }));
    let answer = draft.send(&node).await.expect(201).json();
    assert_eq!(answer["duplicate"], false);
    assert_eq!(answer["message"]["sender"], "agent");
    assert_eq!(answer["message"]["author"], json!({ "id": "ann", "name": "Ann" }));
    assert_eq!(answer["message"]["conversationId"], *id);
    assert_eq!(draft.send(&node).await.expect(200).json()["message"], answer["message"]);
    let bot = node.agent("a", Role::Bot);
    let by_bot =
        conversation("POST", &bot, id).json(&json!({ "text": "beep", "clientMessageId": "r1" }));
    assert_eq!(by_bot.send(&node).await.expect(201).json()["message"]["sender"], "bot");
    assert_eq!(Ask::messages().cookie(&cookie).send(&node).await.texts(), ["hello", "hi", "beep"]);
}

#[tokio::test]
async fn what_is_unknown_and_what_is_another_tenants_are_the_same_404() {
    let node = Node::start().await;
    let (_, message) = visitor_says(&node, "b", "secret").await;
    let agent = node.agent("a", Role::Admin);
    let foreign = message["conversationId"].clone();
    let none = [
        json!("0".repeat(32)),
        json!("zz"),
        json!(foreign.as_str().unwrap().to_uppercase()),
        json!("%ff"),
    ];
    let strip = |mut body: Value| {
        body["error"]["requestId"].take();
        body
    };
    let expected =
        strip(conversation("GET", &agent, &foreign).send(&node).await.expect(404).json());
    for id in none.iter().chain([&foreign]) {
        for ask in [
            conversation("GET", &agent, id),
            conversation("POST", &agent, id).json(&json!({ "text": "x" })),
        ] {
            let answer = ask.send(&node).await.expect(404);
            assert_eq!(answer.problem(), "not_found");
            assert_eq!(strip(answer.json()), expected, "{id}");
        }
    }
    node.persist().await;
    let node = node.restarted(|_| {}).await;
    conversation("GET", &agent, &foreign).send(&node).await.expect(404);
    assert_eq!(inbox(&agent, "").send(&node).await.expect(200).json()["conversations"], json!([]));
    // A cursor of the other tenant's is none.
    let cursor = message["cursor"].as_str().unwrap();
    assert_eq!(
        inbox(&agent, &format!("?after={cursor}")).send(&node).await.expect(400).problem(),
        "bad_cursor"
    );
}

/// An agent's page loads the inbox once: what is not stored yet must be in it.
#[tokio::test]
async fn the_inbox_has_what_was_accepted_and_is_not_stored_yet() {
    let node = Node::start().await;
    let agent = node.agent("a", Role::Agent);
    let texts = async |query: &str| {
        let body = inbox(&agent, query).send(&node).await.expect(200).json();
        let items = body["conversations"].as_array().unwrap().clone();
        let text = |item: &Value| item["lastMessage"]["text"].as_str().unwrap().to_owned();
        let next = body["next"].as_str().map(str::to_owned);
        (items.iter().map(text).collect::<Vec<_>>(), items, next)
    };
    let mut cookies = Vec::new();
    for text in ["one", "two", "three"] {
        cookies.push(visitor_says(&node, "a", text).await.0);
    }
    assert_eq!(texts("").await.0, ["three", "two", "one"]);
    node.persist().await;
    Ask::say("one again").cookie(&cookies[0]).send(&node).await.expect(201);
    visitor_says(&node, "a", "four").await;
    visitor_says(&node, "b", "of another tenant").await;
    let (all, items, _) = texts("").await;
    assert_eq!(all, ["four", "one again", "three", "two"], "each once");
    assert!(items.iter().all(|item| item["visitor"]["id"].is_string()), "{items:?}");
    let (first, _, next) = texts("?limit=3").await;
    assert_eq!(first, ["four", "one again", "three"]);
    let (rest, _, next) = texts(&format!("?limit=3&after={}", next.unwrap())).await;
    assert_eq!((rest, next), (vec!["two".to_owned()], None));
}

#[tokio::test]
async fn the_inbox_goes_by_last_activity_page_by_page() {
    let node = Node::start().await;
    let mut cookies = Vec::new();
    for text in ["one", "two", "three"] {
        cookies.push(visitor_says(&node, "a", text).await.0);
        node.clock.advance(Duration::from_millis(10));
    }
    let again = Ask::say("one again").cookie(&cookies[0]).send(&node).await.expect(201).json();
    visitor_says(&node, "b", "of another tenant").await;
    node.persist().await;
    let agent = node.agent("a", Role::Agent);
    let body = inbox(&agent, "").send(&node).await.expect(200).json();
    let previews = |body: &Value| {
        let conversations = body["conversations"].as_array().unwrap().iter();
        conversations
            .map(|item| item["lastMessage"]["text"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(previews(&body), ["one again", "three", "two"]);
    assert_eq!(body["hasMore"], false);
    assert_eq!(body["next"], Value::Null);
    let first = &body["conversations"][0];
    assert_eq!(first["id"], again["message"]["conversationId"]);
    assert_eq!(first["lastActivity"], again["message"]["timestamp"]);
    assert_eq!(first["lastMessage"]["timestamp"], again["message"]["timestamp"]);
    assert_eq!(first["lastMessage"]["sender"], "user");
    assert_eq!(first["visitor"]["id"], again["message"]["author"]["id"]);
    assert_eq!(first["status"], "open");

    let page = inbox(&agent, "?limit=2&status=open").send(&node).await.expect(200).json();
    assert_eq!(previews(&page), ["one again", "three"]);
    assert_eq!(page["hasMore"], true);
    let next = page["next"].as_str().unwrap();
    let rest =
        inbox(&agent, &format!("?limit=2&after={next}")).send(&node).await.expect(200).json();
    assert_eq!(previews(&rest), ["two"]);
    assert_eq!(rest["hasMore"], false);

    assert_eq!(
        inbox(&agent, "?status=closed").send(&node).await.expect(200).json()["conversations"],
        json!([])
    );
    for query in ["?status=all", "?limit=0", "?limit=101"] {
        assert_eq!(inbox(&agent, query).send(&node).await.expect(400).problem(), "bad_request");
    }
    assert_eq!(inbox(&agent, "?after=x").send(&node).await.expect(400).problem(), "bad_cursor");
}

#[tokio::test]
async fn only_a_token_of_an_agent_opens_the_tenant_that_it_names() {
    let node = Node::start().await;
    let agent = node.agent("a", Role::Agent);
    let visitor = node.visitors.write(&node.visitors.issue());
    let mut forged = agent.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    for ask in [
        Ask::bare("GET", INBOX),
        inbox(&visitor, ""),
        inbox("pk_key", ""),
        inbox("abc", ""),
        inbox(&forged, ""),
        Ask::bare("GET", INBOX).header("Authorization", format!("Basic {agent}")),
    ] {
        let answer = ask.send(&node).await.expect(401);
        assert_eq!(answer.problem(), "unauthorized");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    inbox(&agent, "").tenant("a").send(&node).await.expect(200);
    let answer = inbox(&agent, "").tenant("b").send(&node).await.expect(403);
    assert_eq!(answer.problem(), "forbidden");
    // A cookie is nothing here.
    let (cookie, message) = visitor_says(&node, "a", "hello").await;
    conversation("GET", "x", &message["conversationId"])
        .cookie(&cookie)
        .send(&node)
        .await
        .expect(401);
    node.clock.advance(Duration::from_secs(700));
    inbox(&agent, "").send(&node).await.expect(401);
}

#[tokio::test]
async fn an_agents_page_has_the_parameters_of_a_visitors() {
    let node = Node::start().await;
    let (cookie, message) = visitor_says(&node, "a", "1").await;
    for text in ["2", "3"] {
        Ask::say(text).cookie(&cookie).send(&node).await.expect(201);
    }
    let agent = node.agent("a", Role::Agent);
    let page = |query: &str| {
        let id = message["conversationId"].as_str().unwrap();
        Ask::bare("GET", &format!("{INBOX}/{id}/messages?{query}")).bearer(&agent)
    };
    let newest = page("limit=2").send(&node).await.expect(200);
    assert_eq!(newest.texts(), ["2", "3"]);
    assert_eq!(newest.json()["hasMore"], true);
    let first = message["cursor"].as_str().unwrap();
    assert_eq!(page(&format!("after={first}")).send(&node).await.texts(), ["2", "3"]);
    assert!(page(&format!("before={first}")).send(&node).await.expect(200).texts().is_empty());
    assert_eq!(page("after=x").send(&node).await.expect(400).problem(), "bad_cursor");
    assert_eq!(page("limit=0").send(&node).await.expect(400).problem(), "bad_request");
}
