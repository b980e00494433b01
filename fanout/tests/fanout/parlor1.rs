//! Protocol 1: hello, subscribe, message.

use std::time::Duration;

use parlor_auth::Tenants;
use parlor_common::{
    clock::Clock,
    problem::{Code, Problem},
};
use serde_json::{Value, json};

use super::{
    client::{Client, agent, live_visitor, upgrade, visitor},
    door::TestDoor,
    world::{ORIGIN, Plan, TestNode, World, socket_settings},
};

async fn silent_visitor(node: &TestNode) -> Client {
    upgrade("/ws/chat?tenantId=shop").origin().parlor1().open(node).await
}

pub fn message(id: &str, text: &str) -> Value {
    json!({"type": "message", "clientMessageId": id, "text": text})
}

#[tokio::test]
async fn the_hello_brings_every_number_a_client_needs() {
    let world = World::new().await;
    let node = world.node().await;
    let mut client = silent_visitor(&node).await;
    let hello = client.hello(None).await;
    assert_eq!(hello["protocol"], 1);
    assert_eq!(hello["pingIntervalMs"], 25_000);
    assert_eq!(hello["maxMessageBytes"], 65_536);
    assert_eq!(hello["session"].as_str().unwrap().len(), 32);
    assert!(hello["serverTime"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_message_is_accepted_and_comes_back_in_stream_order() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, conversations) = world.visitor("shop");
    let mut client = visitor(&world, &node, "shop", &token).await;
    let (replayed, subscribed) = client.subscribe(None).await;
    assert!(replayed.is_empty());
    assert_eq!((&subscribed["recovered"], &subscribed["replayed"]), (&json!(true), &json!(0)));

    client.send(message("m-1", "hé <b>\u{202e}")).await;
    let (first, second) = (client.next().await, client.next().await);
    let (accepted, shown) =
        if first["type"] == "accepted" { (first, second) } else { (second, first) };
    assert_eq!(accepted["clientMessageId"], "m-1");
    assert_eq!(accepted["duplicate"], false);
    assert!(
        accepted.get("cursor").is_none(),
        "a client's position moves only with what the stream brings"
    );
    assert_eq!(shown["type"], "message");
    assert_eq!(shown["conversationId"], conversations.primary().id.to_string());
    let shown = &shown["message"];
    assert_eq!((&shown["text"], &shown["sender"]), (&json!("hé <b>\u{202e}"), &json!("user")));
    assert_eq!((&shown["id"], &shown["timestamp"]), (&accepted["id"], &accepted["timestamp"]));
    assert_eq!(shown["clientMessageId"], "m-1");

    client.send(message("m-1", "another text")).await;
    let repeated = client.next().await;
    assert_eq!((&repeated["duplicate"], &repeated["id"]), (&json!(true), &accepted["id"]));
}

#[tokio::test]
async fn a_message_before_the_subscription_is_accepted_all_the_same() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, _) = world.visitor("shop");
    let mut client = visitor(&world, &node, "shop", &token).await;
    client.send(message("m-1", "early")).await;
    assert_eq!(client.next().await["type"], "accepted");
}

#[tokio::test]
async fn what_ends_a_socket_before_it_is_known() {
    let world = World::new().await;
    let node = world.node().await;
    for (first, code) in [
        (json!({"type": "subscribe"}), 4501),
        (json!({"type": "message", "text": "x"}), 4501),
        (json!({"type": "greeting"}), 4501),
        (json!({"type": "hello", "protocol": 2}), 4506),
        (json!({"type": "hello", "protocol": 1, "token": "vt_forged"}), 4500),
        (json!({"type": "hello", "protocol": 1, "token": ""}), 4500),
    ] {
        let mut client = silent_visitor(&node).await;
        client.send(first.clone()).await;
        assert_eq!(client.close_code().await, code, "{first}");
    }
    let mut client = silent_visitor(&node).await;
    client.send_text("{nonsense").await;
    assert_eq!(client.close_code().await, 4501);
}

#[tokio::test]
async fn a_client_that_says_no_hello_is_closed() {
    let world = World::new().await;
    let mut plan = world.plan();
    plan.sockets.hello_within = Duration::from_millis(100);
    let node = world.node_with(plan).await;
    assert_eq!(silent_visitor(&node).await.close_code().await, 4502);
    let mut greeted = silent_visitor(&node).await;
    greeted.hello(None).await;
    assert_eq!(silent_visitor(&node).await.close_code().await, 4502);
    assert!(greeted.frames_until_pong().await.is_empty(), "who has said hello stays");
}

#[tokio::test]
async fn an_agents_token_decides_and_must_agree() {
    let world = World::new().await;
    let node = world.node().await;
    let hour = Duration::from_secs(3_600);
    let hello = |token: Option<String>| json!({"type": "hello", "protocol": 1, "token": token});
    for (path, token, code) in [
        ("/ws/agent?tenantId=shop", None, 4500),
        ("/ws/agent?tenantId=shop", Some("eyJ.forged.token".to_owned()), 4500),
        ("/ws/agent?tenantId=shop", Some(world.tokens.write(&world.tokens.issue())), 4500),
        ("/ws/agent?tenantId=shop", Some(world.agent_token("other", hour)), 4503),
    ] {
        let mut client = upgrade(path).parlor1().open(&node).await;
        client.send(hello(token)).await;
        assert_eq!(client.close_code().await, code, "{path}");
    }
    let mut without_hint = upgrade("/ws/agent").open(&node).await;
    without_hint.hello(Some(&world.agent_token("other", hour))).await;
}

#[tokio::test]
async fn the_token_in_the_hello_wins_over_the_cookie() {
    let world = World::new().await;
    let node = world.node().await;
    let (cookie, _) = world.visitor("shop");
    let (token, conversations) = world.visitor("shop");
    let upgrade = upgrade("/ws/chat?tenantId=shop").origin().parlor1();
    let mut client = upgrade.cookie(&world.cookie_of(&cookie)).open(&node).await;
    client.hello(Some(&world.tokens.write(&token))).await;
    client.subscribe(None).await;
    world.agent_writes(&conversations, "to the token's visitor").await;
    assert_eq!(client.texts(1).await, ["to the token's visitor"]);
}

#[tokio::test]
async fn without_an_origin_a_visitor_is_known_by_the_hello_alone() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, _) = world.visitor("shop");
    let open = || upgrade("/ws/chat?tenantId=shop").parlor1();
    let refused = open().cookie(&world.cookie_of(&token)).try_open(&node).await.err().unwrap();
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "origin_refused"),
        "a cookie needs an Origin"
    );
    let mut nobody = open().open(&node).await;
    nobody.send(json!({"type": "hello", "protocol": 1})).await;
    assert_eq!(nobody.close_code().await, 4500);
    open().open(&node).await.hello(Some(&world.tokens.write(&token))).await;
}

#[tokio::test]
async fn a_token_that_ends_closes_the_socket() {
    let world = World::new().await;
    let node = world.node().await;
    let mut client = upgrade("/ws/agent?tenantId=shop").parlor1().open(&node).await;
    client.hello(Some(&world.agent_token("shop", Duration::from_secs(2)))).await;
    client.subscribe(None).await;
    assert_eq!(client.close_code().await, 4003);
}

#[tokio::test]
async fn agents_hear_the_whole_tenant_and_write_elsewhere() {
    let world = World::new().await;
    let node = world.node().await;
    let mut client = agent(&world, &node, "shop").await;
    client.subscribe(None).await;
    client.send(message("m-1", "not here")).await;
    let error = client.next().await;
    assert_eq!((&error["type"], &error["clientMessageId"]), (&json!("error"), &json!("m-1")));
    assert_eq!(error["error"]["code"], "forbidden");

    let ((_, one), (_, two), (_, foreign)) =
        (world.visitor("shop"), world.visitor("shop"), world.visitor("other"));
    world.agent_writes(&foreign, "another tenant's").await;
    world.agent_writes(&one, "first").await;
    world.agent_writes(&two, "second").await;
    assert_eq!(client.texts(2).await, ["first", "second"], "the socket lives on");
    assert!(client.frames_until_pong().await.is_empty());
}

#[tokio::test]
async fn a_visitor_is_shown_nothing_of_other_conversations() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, own) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    let other_tenant = token.conversations(&super::world::tenant("other"));
    world.agent_writes(&world.visitor("shop").1, "another visitor's").await;
    world.agent_writes(&other_tenant, "the same visitor's, elsewhere").await;
    world.agent_writes(&own, "own").await;
    assert_eq!(client.texts(1).await, ["own"]);
}

#[tokio::test]
async fn a_frame_that_means_nothing_is_answered_and_too_many_end_the_socket() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, _) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    for (text, code) in [
        ("{nonsense", "bad_json"),
        (r#"{"type":"typing"}"#, "bad_request"),
        (r#"{"type":"message","clientMessageId":"m-7","text":7}"#, "bad_request"),
    ] {
        client.send_text(text).await;
        let error = client.next().await;
        assert_eq!(
            (&error["type"], &error["error"]["code"]),
            (&json!("error"), &json!(code)),
            "{text}"
        );
        assert_eq!(error["error"]["retryable"], false);
        assert!(error["error"]["requestId"].is_string() && error["error"]["message"].is_string());
        if text.contains("m-7") {
            assert_eq!(error["clientMessageId"], "m-7");
        }
    }
    client.send(json!({"type": "hello", "protocol": 1})).await;
    assert_eq!(client.close_code().await, 4501);
}

#[tokio::test]
async fn a_draft_that_cannot_be_a_message_is_answered_with_what_is_wrong() {
    let world = World::new().await;
    let node = world.node().await;
    let (token, _) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    for _ in 0..2 {
        for (id, text, field, code) in [
            ("m-1", "x".repeat(16_385), "text", "too_long"),
            ("m-2", " \n".to_owned(), "text", "empty"),
            ("m-3", "a\0b".to_owned(), "text", "nul"),
            ("m 4", "fine".to_owned(), "clientMessageId", "malformed"),
        ] {
            client.send(message(id, &text)).await;
            let error = client.next().await;
            assert_eq!((&error["type"], &error["clientMessageId"]), (&json!("error"), &json!(id)));
            assert_eq!(error["error"]["details"], json!([{"field": field, "code": code}]));
        }
    }
    client.send(message("m-5", &"x".repeat(16_384))).await;
    assert_eq!(client.texts(1).await[0].len(), 16_384, "none of it counts as nonsense");
}

#[tokio::test]
async fn every_draft_is_answered_in_order_with_one_append_in_flight() {
    let world = World::new().await;
    let door = TestDoor::shut(world.log.clone());
    let node = world.node_with(Plan { door: door.clone(), ..world.plan() }).await;
    let (token, _) = world.visitor("shop");
    let mut client = live_visitor(&world, &node, "shop", &token).await;
    door.fail_next(Problem::new(Code::RateLimited, "too many"), 1);
    for (id, text) in [("m-1", "one"), ("m-2", ""), ("m-3", "three"), ("m-4", "four")] {
        client.send(message(id, text)).await;
    }
    assert!(client.frames_until_pong().await.is_empty(), "nothing overtakes the first");
    assert_eq!(door.calls().len(), 1, "one append in flight");
    door.let_through(3);
    let mut answers = Vec::new();
    while answers.len() < 4 {
        let frame = client.next().await;
        if frame["type"] != "message" {
            answers.push((
                frame["clientMessageId"].clone(),
                frame["type"].clone(),
                frame["error"]["code"].clone(),
            ));
        }
    }
    let answer = |id: &str, kind: &str, code: Value| (json!(id), json!(kind), code);
    assert_eq!(
        answers,
        [
            answer("m-1", "error", json!("rate_limited")),
            answer("m-2", "error", json!("invalid")),
            answer("m-3", "accepted", Value::Null),
            answer("m-4", "accepted", Value::Null),
        ]
    );
}

#[tokio::test]
async fn a_client_that_sends_faster_than_is_accepted_waits_and_loses_nothing() {
    let world = World::new().await;
    let door = TestDoor::shut(world.log.clone());
    let mut plan = Plan { door: door.clone(), ..world.plan() };
    plan.sockets.drafts = 4;
    let node = world.node_with(plan).await;
    let (token, _) = world.visitor("shop");
    let mut client = visitor(&world, &node, "shop", &token).await;
    let count = 50;
    for index in 0..count {
        client
            .send(message(&format!("m-{index}"), &format!("{index} {}", "x".repeat(1_000))))
            .await;
    }
    door.let_through(count);
    for index in 0..count {
        let answer = client.next().await;
        assert_eq!(
            (&answer["type"], &answer["clientMessageId"]),
            (&json!("accepted"), &json!(format!("m-{index}")))
        );
    }
}

#[tokio::test]
async fn what_was_sent_before_the_connection_broke_is_accepted() {
    let world = World::new().await;
    let door = TestDoor::shut(world.log.clone());
    let node = world.node_with(Plan { door: door.clone(), ..world.plan() }).await;
    let (token, conversations) = world.visitor("shop");
    let mut client = visitor(&world, &node, "shop", &token).await;
    client.send(message("m-1", "one")).await;
    client.send(message("m-2", "two")).await;
    assert!(client.frames_until_pong().await.is_empty());
    drop(client);
    let mut reader = agent(&world, &node, "shop").await;
    reader.subscribe(None).await;
    door.let_through(2);
    assert_eq!(reader.texts(2).await, ["one", "two"]);
    let _ = conversations;
}

#[tokio::test]
async fn a_refusal_that_may_succeed_later_says_so() {
    let world = World::new().await;
    let door = TestDoor::open(world.log.clone());
    let node = world.node_with(Plan { door: door.clone(), ..world.plan() }).await;
    let (token, _) = world.visitor("shop");
    let mut client = visitor(&world, &node, "shop", &token).await;
    let limited =
        Problem::new(Code::RateLimited, "too many").retry_after(Duration::from_millis(800));
    door.fail_next(limited.detail("visitor", "rate_limited"), 1);
    client.send(message("m-1", "x")).await;
    let error = client.next().await;
    assert_eq!(error["error"]["retryable"], true);
    assert_eq!(error["error"]["retryAfterMs"], 800);
    client.send(message("m-1", "x")).await;
    assert_eq!(client.next().await["type"], "accepted");
}

#[tokio::test]
async fn the_server_pings_and_ends_who_is_silent() {
    let world = World::new().await;
    let mut sockets = socket_settings();
    sockets.ping_every = Duration::from_millis(50);
    sockets.silence_limit = Duration::from_millis(400);
    let node = world.node_with(Plan { sockets, ..world.plan() }).await;
    let (token, _) = world.visitor("shop");
    // A client that is not polled answers nothing.
    let mute = visitor(&world, &node, "shop", &token).await;
    let mut lively = visitor(&world, &node, "shop", &token).await;
    while lively.pings < 20 {
        assert!(lively.next_message().await.is_ping());
        lively.pings += 1;
    }
    node.until("only the lively one is left", |node| node.visitors.open() == 1).await;
    drop(mute);
}

#[tokio::test]
async fn the_tokens_tenant_must_allow_the_page_and_not_be_suspended() {
    let world = World::new().await;
    let folder = &world.at.folders.log;
    let secret = [b's'; 32];
    std::fs::write(folder.join("secret"), secret).unwrap();
    let mut file = String::new();
    for (name, suspended) in [("shop", false), ("other", false), ("gone", true)] {
        file += &format!(
            "[[tenant]]\nname = \"{name}\"\norigins = [\"https://{name}.example\"]\nsuspended = \
             {suspended}\n\
             [[tenant.agent_key]]\nissuer = \"{name}\"\nkid = \"k\"\nalgorithm = \
             \"HS256\"\nsecret_file = \"secret\"\n"
        );
    }
    std::fs::write(folder.join("tenants.toml"), file).unwrap();
    let tenants = Tenants::from_file(&folder.join("tenants.toml")).unwrap();
    let node = world.node_with(Plan { tenants, ..world.plan() }).await;
    let token = |tenant: &str| {
        let header =
            jsonwebtoken::Header { kid: Some("k".to_owned()), ..jsonwebtoken::Header::default() };
        let claims = json!({
            "iss": tenant, "sub": "ann", "aud": "parlor", "role": "agent",
            "exp": Clock::system().now().as_millis() / 1_000 + 600,
        });
        jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_secret(&secret))
            .unwrap()
    };
    for (tenant, origin, code) in [
        ("other", Some("https://shop.example"), Some(4503)),
        ("other", Some("https://other.example"), None),
        ("other", None, None),
        ("gone", None, Some(4504)),
    ] {
        let mut upgrade = upgrade("/ws/agent").parlor1();
        if let Some(origin) = origin {
            upgrade = upgrade.header(http::header::ORIGIN, origin);
        }
        let mut client = upgrade.open(&node).await;
        client.send(json!({"type": "hello", "protocol": 1, "token": token(tenant)})).await;
        match code {
            Some(code) => assert_eq!(client.close_code().await, code, "{tenant} {origin:?}"),
            None => assert_eq!(client.next().await["type"], "hello", "{tenant} {origin:?}"),
        }
    }
}

#[tokio::test]
async fn a_removed_tenants_sockets_end_and_a_missing_ones_do_not() {
    let world = World::new().await;
    let file = world.at.folders.log.join("tenants.toml");
    let named = |name: &str| format!("[[tenant]]\nname = \"{name}\"\norigins = [\"{ORIGIN}\"]\n");
    std::fs::write(&file, named("shop") + &named("other") + &named("missing")).unwrap();
    let tenants = Tenants::from_file(&file).unwrap();
    let mut plan = Plan { tenants: tenants.clone(), ..world.plan() };
    plan.sockets.ping_every = Duration::from_millis(50);
    let node = world.node_with(plan).await;
    let mut clients = Vec::new();
    for tenant in ["shop", "other", "missing"] {
        let (token, _) = world.visitor(tenant);
        let mut client = visitor(&world, &node, tenant, &token).await;
        client.subscribe(None).await;
        clients.push(client);
    }
    let text = "[[tenant]]\nname = \"shop\"\nremoved = true\n".to_owned() + &named("other");
    std::fs::write(&file, text).unwrap();
    assert_eq!(tenants.reload_if_changed(), Ok(true));
    assert_eq!(clients[0].close_code().await, 4504);
    for client in &mut clients[1..] {
        // The pings from before the reload are read.
        client.frames_until_pong().await;
        for _ in 0..2 {
            assert!(client.next_message().await.is_ping());
        }
    }
}
