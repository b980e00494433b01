//! Ingress, fanout and persister as processes of their own, on a real NATS server and a real CQL
//! database.

use parlor_common::{
    conversation::ConversationKey,
    id::{ConversationId, EventId},
    tenant::TenantId,
};
use serde_json::json;

use parlor_testbed::{
    client::{socket::Socket, visitor::Visitor},
    nodes::run,
    wait::until,
};

use crate::installation::{Installation, Servers, fresh_name, provision, variables};

/// A message sent by POST to one ingress reaches a widget's socket on the other and an agent on a
/// fanout, is in the next GET on any ingress, and once in the database.
async fn pass_a_message(tiers: &Installation, visitor: &mut Visitor, earlier: &mut Vec<String>) {
    let token = tiers.token(&visitor.tenant);
    let mut agent = Socket::agent(tiers.fanout.listen, &visitor.tenant, &token, None).await;
    assert_eq!(agent.next().await["type"], "subscribed");
    let cookie = visitor.cookie.clone().expect("the visitor has written before");
    let mut widget = Socket::widget(tiers.ingress[1].listen, &visitor.tenant, Some(&cookie)).await;
    widget.answers_its_first_ping().await;

    let text = format!("message {}", earlier.len());
    let posted = visitor.post(tiers.ingress[0].listen, &json!({"text": text})).await;
    let posted = posted.unwrap().expect(201);
    earlier.push(text.clone());
    for node in &tiers.ingress {
        assert_eq!(visitor.texts(node.listen).await.unwrap(), *earlier);
    }
    assert_eq!(widget.next_text().await, text);
    assert_eq!(agent.next_text().await, text);

    let posted = posted.json();
    let conversation = ConversationKey {
        tenant: TenantId::parse(&visitor.tenant).unwrap(),
        id: ConversationId::parse(posted["message"]["conversationId"].as_str().unwrap()).unwrap(),
    };
    let id = EventId::parse(posted["message"]["id"].as_str().unwrap()).unwrap();
    until("the database has every message once", async || {
        let rows = tiers.rows(&conversation).await;
        rows.len() == earlier.len() && rows.iter().filter(|row| **row == id).count() == 1
    })
    .await;
}

#[tokio::test]
async fn a_message_passes_through_all_tiers_also_after_each_was_killed() {
    let mut tiers = Installation::start(&Servers::given()).await;
    let mut visitor = Visitor::new("demo");
    let mut earlier = vec!["first".to_owned()];
    let first = visitor.post(tiers.ingress[0].listen, &json!({"text": "first"})).await;
    first.unwrap().expect(201);
    pass_a_message(&tiers, &mut visitor, &mut earlier).await;
    for index in 0..tiers.ingress.len() {
        tiers.ingress[index].kill_and_start_again().await;
        pass_a_message(&tiers, &mut visitor, &mut earlier).await;
    }
    tiers.fanout.kill_and_start_again().await;
    pass_a_message(&tiers, &mut visitor, &mut earlier).await;
    tiers.persister.kill_and_start_again().await;
    pass_a_message(&tiers, &mut visitor, &mut earlier).await;
}

#[tokio::test]
async fn a_stop_of_each_tier_ends_in_order() {
    let tiers = Installation::start(&Servers::given()).await;
    for node in tiers.ingress.into_iter().chain([tiers.fanout, tiers.persister]) {
        assert!(node.stop().await.success());
    }
}

#[tokio::test]
async fn provisioning_twice_changes_nothing_and_a_role_without_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let variables = variables(folder.path(), &fresh_name(), &Servers::given());
    let unprovisioned = run(folder.path(), &["persister"], &variables);
    assert_eq!(unprovisioned.status, Some(69), "{unprovisioned:?}");
    assert!(unprovisioned.stderr.contains("parlor provision"), "{unprovisioned:?}");
    for _ in 0..2 {
        let provisioned = provision(folder.path(), &variables);
        assert_eq!(provisioned.status, Some(0), "{provisioned:?}");
    }
}
