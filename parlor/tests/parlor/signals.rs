//! Signals between tiers: visitors' sockets are on ingress nodes, agents' on fanout nodes.

use serde_json::json;

use parlor_testbed::client::{
    socket::{Socket, upgrade},
    visitor::Visitor,
};

use crate::installation::{Installation, Servers};

#[tokio::test]
async fn visitors_and_agents_on_different_nodes_see_each_other_type_come_and_go() {
    let mut tiers = Installation::start(&Servers::given()).await;
    let [at, elsewhere] = [tiers.ingress[0].listen, tiers.ingress[1].listen];
    let mut person = Visitor::new("demo");
    let posted = person.post(at, &json!({"text": "hello"})).await.unwrap().expect(201).json();
    let id = posted["message"]["conversationId"].as_str().unwrap();
    let cookie = person.cookie.unwrap();
    let path = "/ws/chat?tenantId=demo";
    let mut visitor = upgrade(path).origin().cookie(&cookie).parlor1().open(at).await;
    visitor.hello(None).await;
    visitor.subscribe(None).await;
    let here = async |visitor: &mut Socket, here| {
        while visitor.signal_of("here").await["here"] != json!(here) {}
    };
    here(&mut visitor, false).await;

    let token = tiers.token("demo");
    let mut ann = Socket::agent(tiers.fanout.listen, "demo", &token, None).await;
    assert_eq!(ann.next().await["type"], "subscribed");
    here(&mut visitor, true).await;
    ann.send(json!({"type": "look", "open": id, "visible": []})).await;
    assert_eq!(ann.signal_of("visitor").await["online"], true);
    visitor.send(json!({"type": "typing", "on": true})).await;
    let typing = ann.signal_of("typing").await;
    assert_eq!((&typing["by"], &typing["conversationId"]), (&json!("user"), &json!(id)));
    ann.send(json!({"type": "typing", "conversationId": id, "on": true})).await;
    let typing = visitor.signal_of("typing").await;
    assert_eq!((&typing["by"], typing["author"].get("id")), (&json!("agent"), None));

    // A visitor is online until the last node was left.
    let mut second = upgrade(path).origin().cookie(&cookie).parlor1().open(elsewhere).await;
    second.hello(None).await;
    second.subscribe(None).await;
    here(&mut second, true).await;
    visitor.leave().await;
    second.leave().await;
    while ann.signal_of("visitor").await["online"] != false {}

    // Who was at a node that was killed fades.
    let mut last = upgrade(path).origin().cookie(&cookie).parlor1().open(at).await;
    last.hello(None).await;
    last.subscribe(None).await;
    here(&mut last, true).await;
    tiers.fanout.kill_and_start_again().await;
    here(&mut last, false).await;
}
