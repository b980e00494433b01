//! The desk: what a tenant's agents share.

use parlor_auth::Role;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Ask},
    node::Node,
};

async fn put(node: &Node, role: Role, thing: &str, value: &Value) -> Answer {
    let ask = Ask::bare("PUT", &format!("/api/agent/desk/{thing}"));
    ask.bearer(&node.agent("a", role)).json(&json!({ "value": value })).send(node).await
}

async fn desk(node: &Node) -> Value {
    let ask = Ask::bare("GET", "/api/agent/desk").bearer(&node.agent("a", Role::Agent));
    ask.send(node).await.expect(200).json()["desk"].clone()
}

#[tokio::test]
async fn what_is_put_on_the_desk_is_there_until_it_is_taken_away() {
    let node = Node::start().await;
    assert_eq!(desk(&node).await, json!({}));
    let hello = json!({ "text": "Hello, <b>how</b> can I help?" });
    let other = json!({ "text": "Hi" });
    for value in [&hello, &other, &hello] {
        let answer = put(&node, Role::Agent, "reply/hello%20you", value).await.expect(200).json();
        assert_eq!(answer, json!({ "item": "reply", "key": "hello you", "value": value }));
    }
    put(&node, Role::Admin, "team/sales", &json!({})).await.expect(200);
    for _ in 0..2 {
        let expected = json!({ "reply": { "hello you": hello }, "team": { "sales": {} } });
        assert_eq!(desk(&node).await, expected, "the last one stays, though it came before");
        node.persist().await;
    }
    let delete = Ask::bare("DELETE", "/api/agent/desk/reply/hello%20you");
    let delete = delete.bearer(&node.agent("a", Role::Agent));
    assert_eq!(delete.send(&node).await.expect(200).json()["value"], json!(null));
    assert_eq!(desk(&node).await, json!({ "team": { "sales": {} } }));
    // It is a conversation that nobody finds.
    let inbox = Ask::bare("GET", "/api/agent/conversations").bearer(&node.agent("a", Role::Agent));
    assert_eq!(inbox.send(&node).await.expect(200).json()["conversations"], json!([]));
}

#[tokio::test]
async fn who_may_change_what_is_on_the_desk() {
    let node = Node::start().await;
    let thing = json!({ "color": "#123456" });
    for (role, name, status) in [
        (Role::Agent, "widget/look", 403),
        (Role::Agent, "team/sales", 403),
        (Role::Agent, "label/vip", 403),
        (Role::Agent, "agent/ben", 403),
        (Role::Agent, "agent/ann", 200),
        (Role::Agent, "mood/good", 404),
        (Role::Bot, "reply/hello", 403),
        (Role::Admin, "widget/look", 200),
        (Role::Admin, "agent/ben", 200),
    ] {
        put(&node, role, name, &thing).await.expect(status);
    }
    let me = Ask::bare("PUT", "/api/agent/me").bearer(&node.agent("a", Role::Agent));
    let away = json!({ "name": "Ann B.", "availability": "away" });
    me.clone().json(&away).send(&node).await.expect(200);
    assert_eq!(desk(&node).await["agent"]["ann"], away);
    me.json(&json!({ "availability": "asleep" })).send(&node).await.expect(422);
    for (value, field) in [
        (json!("text"), "value"),
        (json!(null), "value"),
        (json!({ "text": "x".repeat(2_048) }), "value"),
    ] {
        let answer = put(&node, Role::Admin, "reply/long", &value).await.expect(422);
        assert_eq!(answer.json()["error"]["details"][0]["field"], field);
    }
    let other = Ask::bare("GET", "/api/agent/desk").bearer(&node.agent("b", Role::Agent));
    assert_eq!(other.send(&node).await.expect(200).json()["desk"], json!({}), "another tenant's");
}

#[tokio::test]
async fn a_full_desk_takes_no_more_and_what_is_on_it_can_be_changed_and_taken_away() {
    let node = Node::start().await;
    let thing = json!({ "text": "x" });
    for number in 0..300 {
        put(&node, Role::Agent, &format!("reply/{number}"), &thing).await.expect(200);
    }
    let refused = put(&node, Role::Agent, "reply/more", &thing).await.expect(422);
    assert_eq!(refused.json()["error"]["details"][0]["code"], "too_many");
    put(&node, Role::Agent, "reply/7", &json!({ "text": "changed" })).await.expect(200);
    let delete = Ask::bare("DELETE", "/api/agent/desk/reply/7");
    delete.bearer(&node.agent("a", Role::Agent)).send(&node).await.expect(200);
    put(&node, Role::Agent, "reply/more", &thing).await.expect(200);
}
