//! The log or the database gone from under running tiers: what was accepted stays, and service
//! returns by itself.

use std::time::{Duration, Instant};

use parlor_common::{conversation::ConversationKey, id::ConversationId, tenant::TenantId};
use serde_json::{Value, json};

use parlor_testbed::{
    client::{http::Answer, socket::Socket, visitor::Visitor},
    network::{Network, Proxy},
    wait::until,
};

use crate::installation::{Installation, Servers};

fn conversation_of(answer: &Answer) -> ConversationKey {
    let id = answer.json()["message"]["conversationId"].as_str().unwrap().to_owned();
    ConversationKey {
        tenant: TenantId::parse("demo").unwrap(),
        id: ConversationId::parse(&id).unwrap(),
    }
}

fn text(number: usize) -> Value {
    json!({"text": format!("message {number}")})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_nats_a_send_is_refused_in_time_and_service_returns_by_itself() {
    let mut servers = Servers::given();
    let proxy = Proxy::before(servers.nats.trim_start_matches("nats://")).await;
    servers.nats = format!("nats://{}", proxy.address);
    let tiers = Installation::start(&servers).await;
    let (first, second) = (tiers.ingress[0].listen, tiers.ingress[1].listen);
    let mut visitor = Visitor::new("demo");
    assert_eq!(visitor.post(first, &text(0)).await.unwrap().status, 201);
    let token = tiers.token("demo");
    let mut agent = Socket::agent(tiers.fanout.listen, "demo", &token, None).await;
    let subscribed = agent.next().await;
    assert_eq!(subscribed["type"], "subscribed");

    proxy.turn(Network::Broken);
    let asked = Instant::now();
    let refused = visitor.post(first, &text(1)).await.unwrap().expect(503);
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert_eq!(refused.json()["error"]["retryable"], true);
    assert!(refused.header("retry-after").is_some());
    until("the nodes say that they are not ready", async || {
        !tiers.ingress[0].is_ready().await && !tiers.fanout.is_ready().await
    })
    .await;
    // No socket is silent for longer than 20 s without being told. More than that is this machine.
    let told = agent.next().await;
    assert_eq!((&told["type"], &told["code"]), (&json!("reconnect"), &json!(4000)));
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    assert_eq!(agent.close_code().await, 4000);

    proxy.turn(Network::Whole);
    until("a send is accepted again", async || {
        visitor.post(first, &text(2)).await.unwrap().status == 201
    })
    .await;
    until("the nodes are ready again", async || {
        tiers.ingress[0].is_ready().await && tiers.fanout.is_ready().await
    })
    .await;
    let texts = visitor.texts(second).await.unwrap();
    assert_eq!((&*texts[0], texts.last().map(String::as_str)), ("message 0", Some("message 2")));
    // What was refused may have been accepted all the same: then the agent is shown it, in its
    // place.
    let since = subscribed["cursor"].as_str();
    let mut agent = Socket::agent(tiers.fanout.listen, "demo", &token, since).await;
    for expected in &texts[1..] {
        assert_eq!(agent.next_text().await, *expected, "the agent missed nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_database_sends_and_live_delivery_do_not_notice_and_history_is_whole() {
    let mut servers = Servers::given();
    let proxy = Proxy::before(&servers.cql).await;
    servers.cql = proxy.address.to_string();
    let tiers = Installation::start(&servers).await;
    let (first, second) = (tiers.ingress[0].listen, tiers.ingress[1].listen);
    let mut visitor = Visitor::new("demo");
    let before = visitor.post(first, &text(0)).await.unwrap().expect(201);
    let conversation = conversation_of(&before);
    until("the first is stored", async || tiers.rows(&conversation).await.len() == 1).await;
    let token = tiers.token("demo");
    let mut agent = Socket::agent(tiers.fanout.listen, "demo", &token, None).await;
    assert_eq!(agent.next().await["type"], "subscribed");

    proxy.turn(Network::Broken);
    for number in 1..20 {
        assert_eq!(visitor.post(first, &text(number)).await.unwrap().status, 201);
        assert_eq!(agent.next_text().await, format!("message {number}"));
    }
    let all: Vec<_> = (0..20).map(|number| format!("message {number}")).collect();
    assert_eq!(visitor.texts(second).await.unwrap(), all);
    until("the persister says that it is not ready", async || !tiers.persister.is_ready().await)
        .await;
    assert_eq!(tiers.rows(&conversation).await.len(), 1);

    proxy.turn(Network::Whole);
    until("the backlog is stored, each row once", async || {
        tiers.rows(&conversation).await.len() == 20
    })
    .await;
    until("the persister is ready again", async || tiers.persister.is_ready().await).await;
    assert_eq!(visitor.texts(second).await.unwrap(), all);
}
