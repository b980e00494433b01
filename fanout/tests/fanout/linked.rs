//! Several cookies become one visitor: the sockets that are open learn of it.

use http::header;
use parlor_auth::VisitorToken;
use parlor_common::{conversation::ConversationSet, problem::Problem};
use serde_json::{Value, json};

use super::{
    client::{Client, agent, live_visitor, upgrade, visitor, widget},
    world::{TestNode, World},
};

/// Two tabs that were opened at once without a cookie, and the conversation of each.
struct ColdTabs {
    tokens: [VisitorToken; 2],
    conversations: [ConversationSet; 2],
}

impl ColdTabs {
    fn of(world: &World) -> Self {
        let ((first, its), (second, others)) = (world.visitor("shop"), world.visitor("shop"));
        let both = [&first, &second].map(|token| world.cookie_of(token)).join("; ");
        let jar = [(header::COOKIE, both.parse().unwrap())].into_iter().collect();
        // Of two that were made in one millisecond, chance decides.
        let merged = world.tokens.from_cookies(&jar).unwrap().token;
        if merged.visitor() == first.visitor() {
            Self { tokens: [first, second], conversations: [its, others] }
        } else {
            Self { tokens: [second, first], conversations: [others, its] }
        }
    }

    /// A tab that is opened once the browser has the cookies of both.
    async fn third_tab(&self, world: &World, node: &TestNode) -> Client {
        let both = self.tokens.each_ref().map(|token| world.cookie_of(token)).join("; ");
        upgrade("/ws/chat?tenantId=shop").origin().cookie(&both).open(node).await
    }

    fn ids(&self) -> Vec<String> {
        self.conversations.iter().map(|set| set.primary().id.to_string()).collect()
    }
}

fn says(text: &str) -> Value {
    json!({"type": "message", "text": text, "tenantId": "shop", "timestamp": ""})
}

#[tokio::test]
async fn the_sockets_of_two_cold_tabs_show_both_conversations_from_then_on() {
    let world = World::new().await;
    let (one, two) = (world.node().await, world.node().await);
    let tabs = ColdTabs::of(&world);
    let mut first = widget(&world, &one, "shop", &tabs.tokens[0]).await;
    let mut second = widget(&world, &two, "shop", &tabs.tokens[1]).await;
    let mut client = live_visitor(&world, &two, "shop", &tabs.tokens[1]).await;
    let mut dashboard = agent(&world, &two, "shop").await;
    dashboard.subscribe(None).await;

    let third = tabs.third_tab(&world, &one).await;
    let frame = dashboard.next().await;
    let expected = json!({"type": "linked", "visitorId": tabs.tokens[0].visitor().to_string(),
        "conversationIds": tabs.ids()});
    assert_eq!(frame, expected);

    for (conversation, text) in tabs.conversations.iter().zip(["in the first", "in the second"]) {
        world.agent_writes(conversation, text).await;
        for tab in [&mut first, &mut second, &mut client, &mut dashboard] {
            assert_eq!(tab.texts(1).await, [text]);
        }
    }
    drop(third);

    // What a socket of the absorbed visitor writes goes on in the one conversation, by the one.
    second.send(says("from the second tab")).await;
    let frame = dashboard.next().await;
    assert_eq!(frame["conversationId"], tabs.ids()[0]);
    assert_eq!(frame["message"]["author"]["id"], tabs.tokens[0].visitor().to_string());
    assert_eq!(first.texts(1).await, ["from the second tab"]);
    assert_eq!(client.texts(1).await, ["from the second tab"]);
    first.send(says("from the first tab")).await;
    assert_eq!(second.texts(1).await, ["from the first tab"], "its own is not echoed");
    assert!(first.frames_until_pong().await.is_empty());
    assert_eq!(dashboard.texts(1).await, ["from the first tab"], "the link was told once");
}

#[tokio::test]
async fn a_socket_that_opens_while_its_cookies_become_one_learns_of_it() {
    let world = World::new().await;
    let node = world.node().await;
    let tabs = ColdTabs::of(&world);
    let _follows = live_visitor(&world, &node, "shop", &world.visitor("shop").0).await;
    let before = world.agent_writes(&tabs.conversations[1], "before").await;
    let third = tabs.third_tab(&world, &node).await;
    // It knows one cookie alone, and is replayed from before the link.
    let mut late = visitor(&world, &node, "shop", &tabs.tokens[1]).await;
    let since = world.cursors.write(&before.conversation.tenant, before.position.before());
    let (texts, _) = late.subscribe(Some(&since)).await;
    assert_eq!(texts, ["before"]);
    world.agent_writes(&tabs.conversations[0], "in the other").await;
    assert_eq!(late.texts(1).await, ["in the other"]);
    drop(third);
}

#[tokio::test]
async fn a_dashboard_that_was_away_is_told_of_the_link_when_it_resumes() {
    let world = World::new().await;
    let node = world.node().await;
    let tabs = ColdTabs::of(&world);
    let before = world.agent_writes(&tabs.conversations[0], "before").await;
    drop(tabs.third_tab(&world, &node).await);
    let after = world.node().await;
    let mut dashboard = agent(&world, &after, "shop").await;
    dashboard.send(json!({"type": "subscribe", "since": world.cursor(&before)})).await;
    let frame = dashboard.next().await;
    assert_eq!((&frame["type"], &frame["conversationIds"]), (&json!("linked"), &json!(tabs.ids())));
    assert_eq!(dashboard.next().await["type"], "subscribed");
}

#[tokio::test]
async fn the_browser_keeps_its_cookies_until_the_link_is_noted() {
    let world = World::new().await;
    let node = world.node().await;
    let tabs = ColdTabs::of(&world);
    world.door.fail_next(Problem::unavailable("the log is away"), 1);
    let client = tabs.third_tab(&world, &node).await;
    assert!(!client.headers.contains_key("set-cookie"), "{:?}", client.headers);
    let client = tabs.third_tab(&world, &node).await;
    let set: Vec<_> = client.headers.get_all("set-cookie").iter().collect();
    assert_eq!(set.len(), 3, "one for both, and the two expire: {set:?}");
}
