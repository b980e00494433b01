//! Everything in one process: a person's first minute, and what it survives.

use std::path::Path;

use serde_json::{Value, json};
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
    for (agent, status) in [("ann", 200), ("a%20b", 400), ("", 400)] {
        let path = format!("/demo/agent-token?tenantId=demo&agent={agent}");
        let host = format!("localhost:{}", parlor.listen.port());
        Ask::bare("GET", &path).header("Host", host).send(parlor.listen).await.expect(status);
    }
    assert!(parlor.stop().await.success());
}

/// What is in a folder, as a backup of it has it.
fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// An agent's token, and where it is after what was said so far.
async fn agent_cursor(folder: &TempDir, parlor: &Parlor, since: Option<&str>) -> Value {
    let minted = run(folder.path(), &["token", "--tenant", "demo", "--agent", "ann"], &[]);
    let mut agent = Socket::agent(parlor.listen, "demo", minted.stdout.trim(), since).await;
    loop {
        let frame = agent.next().await;
        if frame["type"] == "subscribed" {
            return frame;
        }
    }
}

/// Log and store were put back together, so that neither misses anything. What was said after the
/// backup is lost; that a client has seen it must not make it believe that it has what comes now.
#[tokio::test]
async fn after_a_restore_no_cursor_of_before_is_recovered_nor_one_of_an_earlier_restore() {
    let folder = here();
    let (data, backup) = (folder.path().join("parlor-data"), folder.path().join("backup"));
    let say = async |parlor: &Parlor, text: &str| {
        let mut visitor = Visitor::new("demo");
        assert_eq!(visitor.post(parlor.listen, &json!({"text": text})).await.unwrap().status, 201);
    };
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    say(&parlor, "in the backup").await;
    assert!(parlor.stop().await.success());
    copy_folder(&data, &backup);
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    let kept = agent_cursor(&folder, &parlor, None).await;
    let kept = agent_cursor(&folder, &parlor, kept["cursor"].as_str()).await;
    assert_eq!(kept["recovered"], true, "a start is no restore");
    say(&parlor, "lost").await;
    let mut cursors = vec![agent_cursor(&folder, &parlor, None).await["cursor"].clone()];
    assert!(parlor.stop().await.success());

    for by_hand in [false, true, false] {
        std::fs::remove_dir_all(&data).unwrap();
        copy_folder(&backup, &data);
        if by_hand {
            // As where a file system went back to a snapshot, and the files are no copies.
            let restored = run(folder.path(), &["restored"], &[]);
            assert_eq!(restored.status, Some(0), "{restored:?}");
            assert!(restored.stdout.contains("goes on in epoch"), "{restored:?}");
        }
        let parlor = Parlor::start(folder.path(), None, &[]).await;
        for text in ["one", "two", "three"] {
            say(&parlor, text).await;
        }
        for cursor in &cursors {
            let subscribed = agent_cursor(&folder, &parlor, cursor.as_str()).await;
            assert_eq!(subscribed["recovered"], false, "{subscribed}");
        }
        cursors.push(agent_cursor(&folder, &parlor, None).await["cursor"].clone());
        assert!(parlor.stop().await.success());
    }
}
