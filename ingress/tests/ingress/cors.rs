//! Who may read an answer: the matrix of origins on preflight, GET, POST and errors.

use std::path::PathBuf;

use parlor_auth::{Role, Tenants};

use crate::{
    client::{Answer, Ask},
    node::Node,
};

const SHOP: &str = "https://shop.example";
const OTHER: &str = "https://other.example:8443";
const FOREIGN: [&str; 12] = [
    "https://evil.example",
    "http://shop.example",
    "https://shop.example:444",
    "https://a.shop.example",
    "https://evilshop.example",
    "https://shop.example.evil.net",
    "https://shop.example@evil.net",
    "https://shop.example/",
    "https://shop.example, https://shop.example",
    "shop.example",
    "null",
    "*",
];

async fn two_tenants() -> (Node, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("tenants.toml");
    let text = format!(
        "[[tenant]]\nname = \"shop\"\norigins = [\"{SHOP}\"]\n\
         [[tenant]]\nname = \"other\"\norigins = [\"{OTHER}\"]\npublishable_key = \
         \"pk_other\"\npublishable_key_required = true\n\
         [[tenant]]\nname = \"gone\"\norigins = [\"{SHOP}\"]\nsuspended = true\n"
    );
    std::fs::write(&file, text).unwrap();
    let tenants = Tenants::from_file(&file).unwrap();
    (Node::with(|setup| setup.tenants = tenants).await, folder)
}

fn preflight(origin: &str) -> Ask {
    Ask::bare("OPTIONS", "/api/chat/messages")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type,x-tenant-id")
}

fn get(origin: &str) -> Ask {
    Ask::bare("GET", "/api/chat/messages").tenant("shop").header("Origin", origin)
}

fn post(origin: &str) -> Ask {
    Ask::bare("POST", "/api/chat/messages")
        .tenant("shop")
        .header("Origin", origin)
        .body(r#"{"text":"a"}"#)
}

fn session(origin: &str) -> Ask {
    Ask::bare("POST", "/api/chat/session").tenant("shop").header("Origin", origin)
}

#[track_caller]
fn assert_allows(answer: &Answer, origin: Option<&str>) {
    assert_eq!(answer.header("access-control-allow-origin"), origin);
    assert_eq!(answer.header("access-control-allow-credentials"), origin.map(|_| "true"));
    assert_eq!(answer.header("vary"), Some("Origin"));
}

#[tokio::test]
async fn a_preflight_is_answered_for_the_origins_of_any_tenant_and_for_no_other() {
    let (node, _folder) = two_tenants().await;
    for (path, methods) in [
        ("/api/chat/messages", "GET, POST, OPTIONS"),
        ("/api/chat/messages/", "GET, POST, OPTIONS"),
        ("/api/chat/session", "POST, OPTIONS"),
        ("/api/agent/conversations", "GET, OPTIONS"),
        ("/api/agent/conversations/x/messages", "GET, POST, OPTIONS"),
        ("/nothing", "OPTIONS"),
    ] {
        for origin in [SHOP, OTHER] {
            let ask = Ask::bare("OPTIONS", path)
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "GET");
            let answer = ask.send(&node).await.expect(204);
            assert_allows(&answer, Some(origin));
            assert_eq!(answer.header("access-control-allow-methods"), Some(methods), "{path}");
            assert_eq!(answer.header("allow"), Some(methods), "{path}");
            let headers: Vec<_> =
                answer.header("access-control-allow-headers").unwrap().split(", ").collect();
            for header in
                ["content-type", "x-tenant-id", "authorization", "idempotency-key", "x-request-id"]
            {
                assert!(headers.contains(&header), "{header}");
            }
            assert!(answer.header("access-control-max-age").unwrap().parse::<u32>().unwrap() > 0);
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
    for origin in FOREIGN {
        let answer = preflight(origin).send(&node).await.expect(204);
        assert_allows(&answer, None);
        assert_eq!(answer.header("access-control-allow-methods"), None, "{origin}");
    }
    assert_allows(&preflight(SHOP).without("Origin").send(&node).await.expect(204), None);
}

#[tokio::test]
async fn a_tenants_own_origin_reads_every_answer() {
    let (node, _folder) = two_tenants().await;
    for (ask, status) in [
        (get(SHOP), 200),
        (post(SHOP), 201),
        (post(SHOP).body("{"), 400),
        (post(SHOP).body(r#"{"text":""}"#), 422),
        (get(SHOP).bearer("vt_no"), 401),
        (get(SHOP).without("X-Tenant-ID"), 400),
        (get(SHOP).tenant("no-such-tenant"), 404),
        (get(SHOP).tenant("gone"), 403),
        (Ask::bare("PUT", "/api/chat/messages").header("Origin", SHOP), 405),
        (Ask::bare("GET", "/nothing").header("Origin", SHOP), 404),
        (Ask::bare("GET", "/api/agent/conversations").header("Origin", SHOP), 401),
    ] {
        let answer = ask.send(&node).await.expect(status);
        assert_allows(&answer, Some(SHOP));
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some("Retry-After, X-Request-Id")
        );
    }
    let spelled = "https://Shop.Example:443";
    assert_allows(&get(spelled).send(&node).await.expect(200), Some(spelled));
}

#[tokio::test]
async fn another_origin_is_refused_and_gets_no_allow_header() {
    let (node, _folder) = two_tenants().await;
    for origin in FOREIGN.into_iter().chain([OTHER]) {
        for ask in [
            get(origin),
            post(origin),
            session(origin),
            session(origin).body(r#"{"credential":"token"}"#),
            session(origin).body("{"),
            get(origin).bearer(&node.visitors.write(&node.visitors.issue())),
        ] {
            let answer = ask.send(&node).await.expect(403);
            assert_eq!(answer.problem(), "origin_refused", "{origin}");
            assert_allows(&answer, None);
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
}

#[tokio::test]
async fn two_origins_are_none() {
    let (node, _folder) = two_tenants().await;
    let line = format!("Origin: {SHOP}");
    for ask in [get(SHOP).line(&line), post(SHOP).line(&line)] {
        let answer = ask.send(&node).await.expect(403);
        assert_allows(&answer, None);
    }
    assert_allows(&preflight(SHOP).line(&line).send(&node).await.expect(204), None);
}

#[tokio::test]
async fn without_an_origin_a_get_is_same_origin_and_a_cookies_post_is_refused() {
    let (node, _folder) = two_tenants().await;
    assert_allows(&get(SHOP).without("Origin").send(&node).await.expect(200), None);
    assert_eq!(
        post(SHOP).without("Origin").send(&node).await.expect(403).problem(),
        "origin_refused"
    );
    let cookie = post(SHOP).send(&node).await.cookie().unwrap();
    post(SHOP).without("Origin").cookie(&cookie).send(&node).await.expect(403);
    // A server or an app sends no Origin, and no page can make a browser send its token.
    let token = node.visitors.write(&node.visitors.issue());
    post(SHOP).without("Origin").bearer(&token).send(&node).await.expect(201);
}

#[tokio::test]
async fn a_publishable_key_is_wanted_only_where_the_tenant_says_so() {
    let (node, _folder) = two_tenants().await;
    let other = |ask: Ask| ask.tenant("other").header("Origin", OTHER);
    for wrong in [
        other(get(OTHER)),
        other(get(OTHER)).bearer("pk_othe"),
        other(post(OTHER)).bearer("pk_other2"),
    ] {
        let answer = wrong.send(&node).await.expect(401);
        assert_eq!(answer.problem(), "unauthorized");
        assert_allows(&answer, Some(OTHER));
    }
    other(get(OTHER)).bearer("pk_other").send(&node).await.expect(200);
    other(post(OTHER)).bearer("pk_other").send(&node).await.expect(201);
    get(SHOP).bearer("pk_whatever").send(&node).await.expect(200);
}

#[tokio::test]
async fn an_agents_page_is_of_the_tenants_origins_and_an_agents_server_of_none() {
    let node = Node::start().await;
    let inbox =
        || Ask::bare("GET", "/api/agent/conversations").bearer(&node.agent("a", Role::Agent));
    assert_allows(&inbox().send(&node).await.expect(200), None);
    let page = "http://localhost:5173";
    assert_allows(&inbox().header("Origin", page).send(&node).await.expect(200), Some(page));
    let answer = inbox().header("Origin", SHOP).send(&node).await.expect(403);
    assert_eq!(answer.problem(), "origin_refused");
    assert_allows(&answer, None);
}
