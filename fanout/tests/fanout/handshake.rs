//! Everything is checked before the 101.

use std::time::Duration;

use http::{StatusCode, header};
use parlor_auth::{LimitSettings, Rate, Tenants};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    client::{agent, upgrade, visitor},
    raw::Raw,
    world::{ORIGIN, TestNode, World},
};

/// The status and the head of the answer to a plain request.
async fn plain(node: &TestNode, request_line: &str) -> String {
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let request = format!("{request_line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_plain_get_of_a_sockets_address_is_told_to_upgrade() {
    let world = World::new().await;
    let node = world.node().await;
    for path in ["/ws/chat?tenantId=shop", "/ws/chat/", "/ws/agent", "/ws/agent/"] {
        let answer = plain(&node, &format!("GET {path}")).await;
        assert!(answer.starts_with("HTTP/1.1 426 "), "{path}: {answer}");
        assert!(
            answer.contains("upgrade_required") && answer.contains("upgrade: websocket"),
            "{answer}"
        );
    }
    assert!(plain(&node, "POST /ws/chat").await.starts_with("HTTP/1.1 405 "));
    assert!(
        plain(&node, "GET /").await.ends_with("demo"),
        "what else is served at the base is not touched"
    );
}

#[tokio::test]
async fn upgrades_elsewhere_are_the_routers() {
    let world = World::new().await;
    let node = world.node().await;
    assert_eq!(
        upgrade("/elsewhere").origin().try_open(&node).await.err().unwrap().status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        upgrade("/").origin().try_open(&node).await.err().unwrap().status,
        StatusCode::OK,
        "the demo's page"
    );
}

#[tokio::test]
async fn every_address_of_the_widget_is_upgraded() {
    let world = World::new().await;
    let node = world.node().await;
    for path in [
        "/ws/chat?tenantId=my-shop.example.com",
        "/ws/chat/?tenantId=shop",
        "/?tenantId=shop",
        "/?tenant=shop",
        "//ws/chat?tenantId=shop",
        "/ws/chat?tenantId=%20SHOP%20&x=y",
        "/ws/chat?tenantId=my%2Dshop%2eexample",
    ] {
        assert!(upgrade(path).origin().try_open(&node).await.is_ok(), "{path}");
    }
}

#[tokio::test]
async fn what_is_no_tenant_is_refused_by_status() {
    let world = World::new().await;
    let node = world.node().await;
    for (path, code) in [
        ("/ws/chat", "tenant_missing"),
        ("/ws/chat?tenantId=", "tenant_missing"),
        ("/ws/chat?tenantId=%C3%A9", "tenant_invalid"),
        ("/ws/chat?tenantId=%E9", "tenant_invalid"),
        ("/ws/chat?tenantId=a%2Fb", "tenant_invalid"),
        ("/ws/agent?tenantId=a%20b", "tenant_invalid"),
    ] {
        let refusal = upgrade(path).origin().try_open(&node).await.err().unwrap();
        assert_eq!((refusal.status, refusal.code()), (StatusCode::BAD_REQUEST, code), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_tenant_is_not_found_and_a_suspended_one_forbidden() {
    let world = World::new().await;
    let file = world.at.folders.log.join("tenants.toml");
    let text = "[[tenant]]\nname = \"shop\"\norigins = [\"https://shop.example\"]\n\
                [[tenant]]\nname = \"gone\"\norigins = [\"https://shop.example\"]\nsuspended = \
                true\n";
    std::fs::write(&file, text).unwrap();
    let node = world
        .node_with(super::world::Plan {
            tenants: Tenants::from_file(&file).unwrap(),
            ..world.plan()
        })
        .await;
    let open = |tenant: &str| {
        upgrade(format!("/ws/chat?tenantId={tenant}"))
            .header(header::ORIGIN, "https://shop.example")
    };
    assert!(open("shop").try_open(&node).await.is_ok());
    let refusal = open("nobody").try_open(&node).await.err().unwrap();
    assert_eq!((refusal.status, refusal.code()), (StatusCode::NOT_FOUND, "tenant_unknown"));
    assert_eq!(open("gone").try_open(&node).await.err().unwrap().status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let world = World::new().await;
    let node = world.node().await;
    let foreign = "https://evil.example";
    for path in ["/ws/chat?tenantId=shop", "/ws/agent?tenantId=shop", "/ws/agent"] {
        for origin in [foreign, "null", "http://localhost.evil.example"] {
            let refusal = upgrade(path)
                .parlor1()
                .header(header::ORIGIN, origin)
                .try_open(&node)
                .await
                .err()
                .unwrap();
            assert_eq!(
                (refusal.status, refusal.code()),
                (StatusCode::FORBIDDEN, "origin_refused"),
                "{path} {origin}"
            );
        }
        assert!(
            upgrade(path).parlor1().header(header::ORIGIN, ORIGIN).try_open(&node).await.is_ok(),
            "{path}"
        );
    }
    let cookie_only = upgrade("/ws/chat?tenantId=shop").try_open(&node).await.err().unwrap();
    assert_eq!(
        cookie_only.status,
        StatusCode::FORBIDDEN,
        "the widget is known by a cookie, which needs an Origin"
    );
    assert!(upgrade("/ws/agent").try_open(&node).await.is_ok(), "an agent is known by the hello");
}

#[tokio::test]
async fn subprotocols_are_answered_or_refused() {
    let world = World::new().await;
    let node = world.node().await;
    let with = |path: &str, protocols: &str| {
        upgrade(path).origin().header(header::SEC_WEBSOCKET_PROTOCOL, protocols)
    };
    for path in ["/ws/chat?tenantId=shop", "/ws/agent"] {
        let client = with(path, "chat.7, parlor.1").open(&node).await;
        assert_eq!(client.headers[header::SEC_WEBSOCKET_PROTOCOL], "parlor.1");
        let refusal = with(path, "parlor.2, chat").try_open(&node).await.err().unwrap();
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{path}");
        let client = upgrade(path).origin().open(&node).await;
        assert!(!client.headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL));
    }
}

#[tokio::test]
async fn a_visitor_without_a_cookie_gets_one_on_the_101_and_keeps_it() {
    let world = World::new().await;
    let node = world.node().await;
    for parlor1 in [false, true] {
        let ask = || {
            let upgrade = upgrade("/ws/chat?tenantId=shop").origin();
            if parlor1 { upgrade.parlor1() } else { upgrade }
        };
        let (first, second) = (ask().open(&node).await, ask().open(&node).await);
        let set = |client: &super::client::Client| {
            client.headers[header::SET_COOKIE].to_str().unwrap().to_owned()
        };
        let (first, second) = (set(&first), set(&second));
        assert!(first.starts_with("__Host-parlor_v_") && first.contains("HttpOnly"), "{first}");
        assert_ne!(first.split('=').next(), second.split('=').next(), "each has a fresh name");
        let pair = first.split(';').next().unwrap();
        let known = ask().header(header::COOKIE, pair).open(&node).await;
        assert!(!known.headers.contains_key(header::SET_COOKIE));
        let forged = ask().header(header::COOKIE, &format!("{pair}A")).open(&node).await;
        assert!(forged.headers.contains_key(header::SET_COOKIE));
    }
}

#[tokio::test]
async fn a_node_with_as_many_sockets_as_it_may_says_busy() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.sockets.max = 1;
    let node = world.node_with(plan).await;
    let first = upgrade("/ws/chat?tenantId=shop").origin().open(&node).await;
    let refusal = upgrade("/ws/chat?tenantId=shop").origin().try_open(&node).await.err().unwrap();
    assert_eq!((refusal.status, refusal.code()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
    assert_eq!(refusal.headers[header::RETRY_AFTER], "2");
    drop(first);
    node.until("the place is given back", |node| node.visitors.open() == 0).await;
    assert!(upgrade("/ws/chat?tenantId=shop").origin().try_open(&node).await.is_ok());
}

#[tokio::test]
async fn upgrades_of_an_address_are_limited() {
    let world = World::new().await;
    let limits = LimitSettings { address_upgrades: Rate::new(1, 2), ..LimitSettings::default() };
    let node = world.node_with(super::world::Plan { limits, ..world.plan() }).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let outcome = upgrade("/ws/chat?tenantId=shop").origin().try_open(&node).await;
        statuses.push(outcome.map_or_else(|refusal| refusal.status.as_u16(), |_| 101));
    }
    assert_eq!(statuses[..2], [101, 101]);
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[tokio::test]
async fn a_node_that_stops_takes_no_more_sockets() {
    let world = World::new().await;
    let node = world.node().await;
    node.drain.begin();
    let refusal = upgrade("/ws/chat?tenantId=shop").origin().try_open(&node).await.err().unwrap();
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused() {
    let world = World::new().await;
    let node = world.node().await;
    let good = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    for (headers, status) in [
        (good.to_owned(), "101"),
        (good.replace("13", "8"), "426"),
        (good.replace("AAAAAAAAAAAAAAAAAAAAAA==", "AAAA"), "400"),
        (good.replace("sec-websocket-key", "x-key"), "400"),
        (good.replace("connection: upgrade", "connection: keep-alive"), "400"),
    ] {
        let head = Raw::handshake(
            &node,
            &format!(
                "GET /ws/chat?tenantId=shop HTTP/1.1\r\nhost: x\r\norigin: \
                {ORIGIN}\r\n{headers}\r\n"
            ),
        )
        .await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{headers}{head}");
    }
}

#[tokio::test]
async fn a_frame_that_comes_with_the_upgrade_is_not_lost() {
    let world = World::new().await;
    let node = world.node().await;
    let mut raw = Raw::open_with(&node, "/ws/chat?tenantId=shop", Some("parlor.1"), |request| {
        let hello = json!({"type": "hello", "protocol": 1}).to_string();
        request.extend(super::raw::frame(0x81, hello.as_bytes()));
    })
    .await;
    let (opcode, payload) = raw.next().await.unwrap();
    assert_eq!(opcode, 0x81);
    assert!(String::from_utf8(payload).unwrap().contains(r#""type":"hello""#));
}

#[tokio::test]
async fn visitors_and_agents_are_served_by_one_listener() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, _) = world.visitor("shop");
    let _visitor = visitor(&world, &node, "shop", &token).await;
    let _agent = agent(&world, &node, "shop").await;
    assert_eq!((node.visitors.open(), node.agents.open()), (1, 1));
    assert!(tokio::time::timeout(Duration::from_secs(10), node.stop()).await.unwrap());
}
