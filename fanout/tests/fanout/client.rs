//! Clients of a world's nodes.

use std::time::Duration;

use parlor_auth::VisitorToken;
pub use parlor_testbed::client::socket::{Socket as Client, Upgrade, upgrade};

use super::world::{TestNode, World};

/// An upgrade of the page of a visitor known by a cookie.
pub fn of_visitor(world: &World, tenant: &str, token: &VisitorToken) -> Upgrade {
    let cookie = world.cookie_of(token);
    upgrade(format!("/ws/chat?tenantId={tenant}")).origin().cookie(&cookie)
}

/// A visitor of protocol 1, known by a cookie, who has said hello.
pub async fn visitor(world: &World, node: &TestNode, tenant: &str, token: &VisitorToken) -> Client {
    let mut client = of_visitor(world, tenant, token).parlor1().open(node).await;
    client.hello(None).await;
    client
}

/// A visitor of protocol 1 who follows what comes from now on.
pub async fn live_visitor(
    world: &World,
    node: &TestNode,
    tenant: &str,
    token: &VisitorToken,
) -> Client {
    let mut client = visitor(world, node, tenant, token).await;
    client.subscribe(None).await;
    client
}

/// An agent who has said hello.
pub async fn agent(world: &World, node: &TestNode, tenant: &str) -> Client {
    let mut client = upgrade(format!("/ws/agent?tenantId={tenant}")).parlor1().open(node).await;
    client.hello(Some(&world.agent_token(tenant, Duration::from_secs(3_600)))).await;
    client
}

/// The widget: its socket has answered the first ping.
pub async fn widget(world: &World, node: &TestNode, tenant: &str, token: &VisitorToken) -> Client {
    let mut client = of_visitor(world, tenant, token).open(node).await;
    client.answers_its_first_ping().await;
    client
}
