//! Everything in one process: a person's first minute, and what it survives.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use parlor_testbed::{
    client::{http, socket::Socket, visitor::Visitor},
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
    let mut widget = Socket::widget(parlor.listen, "demo", "").await;
    let cookie = widget.cookie.clone().expect("a new visitor's cookie is set on the 101");
    let minted = run(folder.path(), &["token", "--tenant", "demo", "--agent", "ann"], &[]);
    let token = minted.stdout.trim();
    let mut agent = Socket::agent(parlor.listen, "demo", token, None).await;
    assert_eq!(agent.next().await["type"], "subscribed");

    widget
        .say(&json!({"type": "message", "text": "hello", "tenantId": "demo", "timestamp": "x"}))
        .await;
    let shown = agent.next().await;
    assert_eq!(shown["message"]["text"], "hello");
    assert_eq!(shown["message"]["sender"], "user");

    let path =
        format!("/api/agent/conversations/{}/messages", shown["conversationId"].as_str().unwrap());
    let bearer = format!("Bearer {token}");
    let reply = json!({"text": "hi there"}).to_string();
    let answer = http::request(parlor.listen, "POST", &path, &[("Authorization", &bearer)], &reply)
        .await
        .unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
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
    let mut widget = Socket::widget(parlor.listen, "demo", "").await;
    let mut visitor = Visitor::new("demo");
    visitor.cookie = widget.cookie.clone();
    widget.say(&json!({"type": "message", "text": "last words"})).await;
    let goodbye = async {
        // After the server's Close the widget still says something, and only then answers it.
        assert!(matches!(widget.closed().await, Some(1001 | 1012)));
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
        assert_eq!(
            http::request(parlor.admin, "GET", path, &[], "").await.unwrap().status,
            200,
            "{path}"
        );
        assert_eq!(
            http::request(parlor.listen, "GET", path, &[], "").await.unwrap().status,
            404,
            "{path}"
        );
    }
    let metrics = http::request(parlor.admin, "GET", "/metrics", &[], "").await.unwrap().body;
    assert!(metrics.contains("parlor_"), "{metrics}");
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn the_pages_are_served_with_a_strict_policy_and_the_token_to_localhost_alone() {
    let folder = here();
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    let page = http::request(parlor.listen, "GET", "/", &[], "").await.unwrap();
    assert_eq!(page.status, 200);
    assert!(page.headers["content-security-policy"].contains("default-src 'none'"));
    let token = "/demo/agent-token?tenantId=demo";
    assert_eq!(http::request(parlor.listen, "GET", token, &[], "").await.unwrap().status, 200);
    let elsewhere = [("Sec-Fetch-Site", "cross-site")];
    assert_eq!(
        http::request(parlor.listen, "GET", token, &elsewhere, "").await.unwrap().status,
        403
    );
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
