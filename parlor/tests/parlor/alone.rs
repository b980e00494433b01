//! Everything in one process: a person's first minute, and what it survives.

use serde_json::json;
use tempfile::TempDir;

use parlor_testbed::{
    client::{http::Ask, socket::Socket, visitor::Visitor},
    nodes::{Parlor, run},
    wait::until,
};

fn here() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_kill() {
    let folder = here();
    let mut parlor = Parlor::start(folder.path(), None, &[]).await;
    let mut visitor = Visitor::new("demo");
    for text in ["one", "two", "two"] {
        assert_eq!(
            visitor
                .post(parlor.listen, &json!({"text": text, "tenantId": "demo"}))
                .await
                .unwrap()
                .status,
            201
        );
    }
    parlor.kill_and_start_again().await;
    assert_eq!(visitor.texts(parlor.listen).await.unwrap(), ["one", "two", "two"]);
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn a_store_that_is_lost_is_made_whole_from_the_log() {
    let folder = here();
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    let mut visitor = Visitor::new("demo");
    for text in ["one", "two"] {
        assert_eq!(visitor.post(parlor.listen, &json!({"text": text})).await.unwrap().status, 201);
    }
    assert!(parlor.stop().await.success());
    for file in ["store.db", "store.db-wal", "store.db-shm"] {
        drop(std::fs::remove_file(folder.path().join("parlor-data").join(file)));
    }
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    assert_eq!(visitor.texts(parlor.listen).await.unwrap(), ["one", "two"]);
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn it_says_what_mode_it_is_in_and_where_its_data_is() {
    let folder = here();
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    // Lines are written by a thread of their own, a moment after what they tell of.
    for line in ["development mode", "parlor-data", &parlor.listen.to_string()] {
        until(line, async || parlor.said().contains(line)).await;
    }
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn a_widget_and_an_agent_talk() {
    let folder = here();
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    let mut widget = Socket::widget(parlor.listen, "demo", None).await;
    let cookie = widget.cookie().expect("a new visitor's cookie is set on the 101");
    let minted = run(folder.path(), &["token", "--tenant", "demo", "--agent", "ann"], &[]);
    let token = minted.stdout.trim();
    let mut agent = Socket::agent(parlor.listen, "demo", token, None).await;
    assert_eq!(agent.next().await["type"], "subscribed");

    let hello = json!({"type": "message", "text": "hello", "tenantId": "demo", "timestamp": "x"});
    widget.send(hello).await;
    let shown = agent.next().await;
    assert_eq!(shown["message"]["text"], "hello");
    assert_eq!(shown["message"]["sender"], "user");

    let path =
        format!("/api/agent/conversations/{}/messages", shown["conversationId"].as_str().unwrap());
    let reply = Ask::bare("POST", &path).bearer(token).json(&json!({"text": "hi there"}));
    reply.send(parlor.listen).await.expect(201);
    assert_eq!(widget.next_text().await, "hi there", "and not an echo of its own");

    let mut visitor = Visitor::new("demo");
    visitor.cookie = Some(cookie);
    assert_eq!(visitor.texts(parlor.listen).await.unwrap(), ["hello", "hi there"]);
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn a_stop_says_goodbye_to_a_widget_and_stores_what_it_still_sends() {
    let folder = here();
    let mut parlor = Parlor::start(folder.path(), None, &[]).await;
    let mut widget = Socket::widget(parlor.listen, "demo", None).await;
    let mut visitor = Visitor::new("demo");
    visitor.cookie = widget.cookie();
    widget.send(json!({"type": "message", "text": "last words"})).await;
    let goodbye = async {
        // After the server's Close the widget still says something, and only then answers it.
        assert!(matches!(widget.close_code().await, 1001 | 1012));
    };
    tokio::join!(parlor.restart(), goodbye);
    assert_eq!(visitor.texts(parlor.listen).await.unwrap(), ["last words"]);
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn operators_paths_are_on_the_admin_port_alone() {
    let folder = here();
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    for path in ["/live", "/ready", "/metrics"] {
        let ask = Ask::bare("GET", path);
        assert_eq!(ask.send(parlor.admin).await.status, 200, "{path}");
        assert_eq!(ask.send(parlor.listen).await.status, 404, "{path}");
    }
    let metrics = Ask::bare("GET", "/metrics").send(parlor.admin).await.text();
    assert!(metrics.contains("parlor_"), "{metrics}");
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn the_pages_are_served_with_a_strict_policy_and_the_token_to_localhost_alone() {
    let folder = here();
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    let page = Ask::bare("GET", "/").send(parlor.listen).await.expect(200);
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'"));
    let host = format!("localhost:{}", parlor.listen.port());
    let token = Ask::bare("GET", "/demo/agent-token?tenantId=demo").header("Host", host);
    token.send(parlor.listen).await.expect(200);
    token.header("Sec-Fetch-Site", "cross-site").send(parlor.listen).await.expect(403);
    assert!(parlor.stop().await.success());
}
