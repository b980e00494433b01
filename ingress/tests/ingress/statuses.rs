//! The status and the error's code of what is wrong with a request, and that nothing worse comes of
//! nonsense.

use serde_json::json;

use crate::{
    client::{Ask, ORIGIN},
    node::Node,
};

const MESSAGES: &str = "/api/chat/messages";

#[tokio::test]
async fn a_request_that_is_wrong_is_told_what_is_wrong() {
    let node = Node::start().await;
    let post = |body: &str| Ask::of_page("POST", MESSAGES).body(body);
    let get = |query: &str| Ask::of_page("GET", &format!("{MESSAGES}?{query}"));
    let deep = format!(r#"{{"text":"a","deep":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let long = json!({ "text": "x".repeat(16_385) }).to_string();
    let table = [
        ("no tenant", Ask::messages().without("X-Tenant-ID"), 400, "tenant_missing"),
        ("an empty tenant", Ask::messages().tenant("  "), 400, "tenant_missing"),
        ("é as Latin-1", Ask::messages().header("X-Tenant-ID", b"caf\xe9"), 400, "tenant_invalid"),
        ("é as UTF-8", Ask::messages().tenant("café"), 400, "tenant_invalid"),
        ("a wildcard", Ask::messages().tenant("a.*"), 400, "tenant_invalid"),
        ("a slash", Ask::messages().tenant("a/b"), 400, "tenant_invalid"),
        ("broken JSON", post("{\"text\":"), 400, "bad_json"),
        ("no JSON at all", Ask::of_page("POST", MESSAGES), 400, "bad_json"),
        ("an array", post("[]"), 400, "bad_json"),
        (
            "bytes that are no UTF-8",
            Ask::of_page("POST", MESSAGES).body(b"{\"text\":\"\xff\"}"),
            400,
            "bad_json",
        ),
        ("a lone surrogate", post(r#"{"text":"\ud800"}"#), 400, "bad_json"),
        ("too deep", post(&deep), 422, "invalid"),
        ("no text", post("{}"), 422, "invalid"),
        ("a text that is none", post(r#"{"text":{"a":1}}"#), 422, "invalid"),
        ("an empty text", post(r#"{"text":""}"#), 422, "invalid"),
        ("white space", post(r#"{"text":" \n\t\u2003 "}"#), 422, "invalid"),
        ("a NUL", post(r#"{"text":"a\u0000b"}"#), 422, "invalid"),
        ("a text that is too long", post(&long), 422, "invalid"),
        ("an id that is none", Ask::draft("a", "not an id"), 422, "invalid"),
        ("two ids", Ask::draft("a", "m1").header("Idempotency-Key", "m2"), 422, "invalid"),
        ("a limit of 0", get("limit=0"), 400, "bad_request"),
        ("a limit of 101", get("limit=101"), 400, "bad_request"),
        ("a limit that is none", get("limit=ten"), 400, "bad_request"),
        ("a cursor that is none", get("after=abc"), 400, "bad_cursor"),
        ("an empty cursor", get("before="), 400, "bad_cursor"),
        (
            "another scheme",
            Ask::messages().header("Authorization", "Basic YTpi"),
            401,
            "unauthorized",
        ),
        ("a forged visitor token", Ask::messages().bearer("vt_AAAA"), 401, "unauthorized"),
        ("another path", Ask::of_page("GET", "/api/chat/message"), 404, "not_found"),
        ("the root", Ask::of_page("GET", "/"), 404, "not_found"),
        ("operators' paths", Ask::of_page("GET", "/metrics"), 404, "not_found"),
        ("no agent", Ask::of_page("GET", "/api/agent/conversations"), 401, "unauthorized"),
    ];
    for (what, ask, status, code) in table {
        let answer = ask.send(&node).await;
        assert_eq!((answer.status, answer.problem()), (status, code.to_owned()), "{what}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN), "{what}");
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{what}");
    }
    let answer = post(r#"{"text":5}"#).send(&node).await;
    assert_eq!(
        answer.json()["error"]["details"],
        json!([{ "field": "text", "code": "wrong_type" }])
    );
}

#[tokio::test]
async fn before_and_after_exclude_each_other() {
    let node = Node::start().await;
    let cursor = Ask::messages().send(&node).await.json()["cursor"].as_str().unwrap().to_owned();
    let ask = Ask::of_page("GET", &format!("{MESSAGES}?before={cursor}&after={cursor}"));
    assert_eq!(ask.send(&node).await.expect(400).problem(), "bad_request");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let node = Node::start().await;
    let conversation = format!("/api/agent/conversations/{}/messages", "0".repeat(32));
    for (path, methods, wrong) in [
        (MESSAGES, "GET, POST, OPTIONS", &["PUT", "DELETE", "PATCH", "TRACE", "BREW"][..]),
        ("/api/chat/session", "POST, OPTIONS", &["GET", "PUT"]),
        ("/api/agent/conversations", "GET, OPTIONS", &["POST", "DELETE"]),
        (conversation.as_str(), "GET, POST, OPTIONS", &["PUT", "DELETE"]),
    ] {
        for method in wrong {
            let answer = Ask::of_page(method, path).send(&node).await.expect(405);
            assert_eq!(answer.problem(), "method_not_allowed");
            assert_eq!(answer.header("allow"), Some(methods), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_slash_more_changes_nothing() {
    let node = Node::start().await;
    for path in ["/api/chat/messages/", "//api/chat/messages", "//api/chat/messages/"] {
        Ask::of_page("GET", path).send(&node).await.expect(200);
        Ask::of_page("POST", path).body(r#"{"text":"a"}"#).send(&node).await.expect(201);
    }
    Ask::of_page("POST", "/api/chat/session/").send(&node).await.expect(200);
    Ask::of_page("GET", "/api/agent/conversations/").send(&node).await.expect(401);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_unread() {
    let node = Node::start().await;
    // None of the announced body is ever sent.
    let ask = Ask::of_page("POST", MESSAGES)
        .header("Content-Type", "application/json")
        .header("Content-Length", "65537");
    assert_eq!(ask.send(&node).await.expect(413).problem(), "too_large");
    // As much as fits is read: here the text is too long.
    let whole = format!("{{\"text\":\"{}\"}}", "x".repeat(65_536 - 11));
    assert_eq!(whole.len(), 65_536);
    assert_eq!(
        Ask::of_page("POST", MESSAGES).body(whole).send(&node).await.expect(422).problem(),
        "invalid"
    );
}

#[tokio::test]
async fn a_text_is_stored_and_returned_as_it_came() {
    let node = Node::start().await;
    let longest = "é".repeat(8192);
    let mut cookie = None;
    let odd = [
        "  padded \n",
        "<b onload=alert(1)>&amp;</b>",
        "👩‍👩‍👧‍👦 \u{202e}rtl",
        "\u{feff}\u{1}\u{7f}",
        longest.as_str(),
    ];
    for text in odd {
        let ask = cookie
            .as_ref()
            .map_or_else(|| Ask::say(text), |cookie: &String| Ask::say(text).cookie(cookie));
        let answer = ask.send(&node).await.expect(201);
        assert_eq!(answer.json()["message"]["text"], text);
        cookie = cookie.or_else(|| answer.cookie());
    }
    assert_eq!(Ask::messages().cookie(&cookie.unwrap()).send(&node).await.texts(), odd);
}

#[tokio::test]
async fn nonsense_gets_a_4xx_and_the_node_lives_on() {
    let node = Node::start().await;
    let bodies: [&[u8]; 12] = [
        b"",
        b"\0",
        b"null",
        b"true",
        b"-",
        b"1e999",
        b"\"",
        b"{\"text\"}",
        b"{\"text\":\"a\"}{}",
        b"{\"\":\"\"}",
        b"\xef\xbb\xbf{\"text\":\"a\"}",
        b"{\"text\":\"\\u0000\"}",
    ];
    let queries = [
        "?",
        "?&&",
        "?=",
        "?%",
        "?before=%00",
        "?limit=%31%00",
        "?after=%f0%9f",
        "?before=a&before=b",
        "?limit=9e9",
    ];
    let paths = [
        MESSAGES,
        "/api/chat/session",
        "/api/agent/conversations",
        "/api/agent/conversations/%00/messages",
        "/api/agent/conversations/%ff/messages",
        "/api/agent/conversations/../messages",
        "/api/agent/conversations//messages",
        "/%2e%2e/api",
        "/api/chat/messages/%2f",
        "/api/chat/messages;a=b",
    ];
    for path in paths {
        for query in queries {
            for method in ["GET", "POST", "HEAD", "PROPFIND"] {
                let answer =
                    Ask::of_page(method, &format!("{path}{query}")).body(*b"{").send(&node).await;
                assert!(answer.status < 500, "{method} {path}{query}: {}", answer.status);
            }
        }
    }
    for body in bodies {
        let answer = Ask::of_page("POST", MESSAGES).body(body).send(&node).await;
        assert!((400..500).contains(&answer.status), "{body:?}: {}", answer.status);
        let answer = Ask::of_page("POST", "/api/chat/session").body(body).send(&node).await;
        assert!(answer.status < 500, "{body:?}: {}", answer.status);
    }
    for line in [
        "Cookie: =;;=;__Host-parlor_v_=;\x7f",
        "Cookie: __Host-parlor_v_0=vt_",
        "Authorization: Bearer",
        "Authorization: ",
        "X-Tenant-ID: b",
        "Origin: null",
        "Idempotency-Key: \"x\"",
        "X-Request-Id: {}",
    ] {
        let answer = Ask::say("a").line(line).send(&node).await;
        assert!(answer.status < 500, "{line}");
    }
    Ask::say("still here").send(&node).await.expect(201);
}
