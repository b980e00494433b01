//! A tenant that is suspended while its sockets are open.

use std::time::Duration;

use parlor_auth::Tenants;

use super::{
    client::{live_visitor, of_visitor, visitor},
    world::{ORIGIN, Plan, World},
};

#[tokio::test]
async fn its_sockets_end_at_the_next_ping_those_that_never_subscribed_as_well() {
    let world = World::new().await;
    let file = world.at.folders.log.join("tenants.toml");
    let write = |suspended: bool| {
        let text = format!(
            "[[tenant]]\nname = \"shop\"\norigins = [\"{ORIGIN}\"]\nsuspended = {suspended}\n\
             [[tenant]]\nname = \"other\"\norigins = [\"{ORIGIN}\"]\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    write(false);
    let tenants = Tenants::from_file(&file).unwrap();
    let mut plan = Plan { tenants: tenants.clone(), ..world.plan() };
    plan.sockets.ping_every = Duration::from_millis(200);
    plan.sockets.hello_within = Duration::from_millis(200);
    let node = world.node_with(plan).await;
    let (token, _) = world.visitor("shop");
    let (neighbour, _) = world.visitor("other");
    let mut greeted = visitor(&world, &node, "shop", &token).await;
    let mut live = live_visitor(&world, &node, "shop", &token).await;
    let mut page = of_visitor(&world, "shop", &token).open(&node).await;
    let mut other = live_visitor(&world, &node, "other", &neighbour).await;
    write(true);
    assert!(tenants.reload_if_changed().unwrap());
    // One that says nothing at all is not known to be anybody's, and has no longer than any other.
    let mut mute = of_visitor(&world, "other", &neighbour).parlor1().open(&node).await;
    assert_eq!(greeted.close_code().await, 4504);
    assert_eq!(live.close_code().await, 4504);
    assert_eq!(page.close_code().await, 4504);
    assert_eq!(mute.close_code().await, 4502);
    assert!(other.frames_until_pong().await.is_empty(), "its neighbours are not touched");
}
