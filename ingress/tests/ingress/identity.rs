//! Who a visitor is: cookies, tokens, sessions; tenants and visitors apart from each other.

use std::{collections::BTreeMap, time::Duration};

use parlor_auth::{Rate, Role};
use parlor_common::{
    clock::Timestamp,
    event::{Event, LinkedBody},
    id::ConversationId,
};
use parlor_log::{EventLog, Filter};
use serde_json::Value;

use crate::{
    client::{Answer, Ask},
    node::{Node, tenant},
};

/// A browser's cookies.
#[derive(Default)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    /// As a browser does with `Set-Cookie`, the attributes but `Max-Age=0` not counted.
    fn take(&mut self, answer: &Answer) {
        for set in answer.headers("set-cookie") {
            let (pair, attributes) = set.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let expires = attributes.split("; ").any(|attribute| attribute == "Max-Age=0");
            for attribute in ["Path=/", "HttpOnly", "SameSite=None", "Secure", "Partitioned"] {
                assert!(attributes.split("; ").any(|found| found == attribute), "{set}");
            }
            match expires {
                true => self.0.remove(name),
                false => self.0.insert(name.to_owned(), value.to_owned()),
            };
        }
    }

    fn line(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

/// A browser of which two tabs have written at once, before it had a cookie; the conversation of
/// the older one.
async fn two_cold_tabs(node: &Node) -> (Jar, Value) {
    let mut jar = Jar::default();
    let first = Ask::say("first tab").send(node).await.expect(201);
    node.clock.advance(Duration::from_millis(5));
    let second = Ask::say("second tab").send(node).await.expect(201);
    jar.take(&second);
    jar.take(&first);
    assert_eq!(jar.0.len(), 2);
    let conversation = |answer: &Answer| answer.json()["message"]["conversationId"].clone();
    assert_ne!(conversation(&first), conversation(&second));
    (jar, conversation(&first))
}

#[tokio::test]
async fn two_cold_tabs_end_in_one_visitor_with_one_cookie_and_one_history() {
    let node = Node::start().await;
    let (mut jar, conversation) = two_cold_tabs(&node).await;
    // A GET shows both, and changes no cookie.
    let page = Ask::messages().cookie(&jar.line()).send(&node).await.expect(200);
    assert_eq!(page.texts(), ["first tab", "second tab"]);
    assert_eq!(page.headers("set-cookie").count(), 0);
    // A POST goes to the older one's conversation, and leaves one cookie.
    let third = Ask::say("third").cookie(&jar.line()).send(&node).await.expect(201);
    assert_eq!(third.json()["message"]["conversationId"], conversation);
    let before = jar.0.clone();
    jar.take(&third);
    assert_eq!(jar.0.len(), 1);
    assert!(jar.0.keys().all(|name| !before.contains_key(name)), "the name is fresh");
    let page = Ask::messages().cookie(&jar.line()).send(&node).await.expect(200);
    assert_eq!(page.texts(), ["first tab", "second tab", "third"]);
    let fourth = Ask::say("fourth").cookie(&jar.line()).send(&node).await.expect(201);
    assert_eq!(fourth.headers("set-cookie").count(), 0, "one cookie is not set again");
    // With another tenant, too, they are one visitor.
    let other = Ask::say("elsewhere").tenant("b").cookie(&jar.line()).send(&node).await.expect(201);
    let page = Ask::messages().tenant("b").cookie(&jar.line()).send(&node).await.expect(200);
    assert_eq!(page.texts(), ["elsewhere"]);
    assert_eq!(other.headers("set-cookie").count(), 0);
}

/// The links that the log has, by their conversation.
async fn links(node: &Node) -> Vec<(ConversationId, LinkedBody)> {
    let start = node.end().await.epoch().start();
    let page = node.at.log.read(&Filter::Tenant(tenant("a")), start, 1000).await.unwrap();
    let linked = page.entries.into_iter().filter_map(|entry| {
        let event = Event::decode(entry.conversation, entry.position, entry.record).unwrap();
        Some((event.conversation.id, event.record.body.linked()?.clone()))
    });
    linked.collect()
}

#[tokio::test]
async fn that_cookies_became_one_visitors_is_noted_once_in_each_conversation() {
    let node = Node::start().await;
    let (mut jar, conversation) = two_cold_tabs(&node).await;
    Ask::messages().cookie(&jar.line()).send(&node).await.expect(200);
    assert_eq!(links(&node).await, [], "a GET cannot set the cookie that would go with it");
    jar.take(&Ask::say("third").cookie(&jar.line()).send(&node).await.expect(201));
    Ask::say("fourth").cookie(&jar.line()).send(&node).await.expect(201);
    let links = links(&node).await;
    let [(absorbed, link), (primary, same)] = &links[..] else { panic!("{links:?}") };
    assert_eq!(link, same);
    assert_eq!(primary.to_string(), conversation.as_str().unwrap());
    let of = |visitor| ConversationId::derive(&tenant("a"), visitor);
    assert_eq!((of(link.visitor), of(link.absorbed[0])), (*primary, *absorbed));
    assert_eq!(link.absorbed.len(), 1);
    // Neither the visitor's page nor the agents' shows it, stored or not.
    for _ in 0..2 {
        let page = Ask::messages().cookie(&jar.line()).send(&node).await.expect(200);
        assert_eq!(page.texts(), ["first tab", "second tab", "third", "fourth"]);
        let path = format!("/api/agent/conversations/{primary}/messages");
        let page = Ask::bare("GET", &path).bearer(&node.agent("a", Role::Agent));
        assert_eq!(page.send(&node).await.expect(200).texts(), ["first tab", "third", "fourth"]);
        node.persist().await;
    }
}

#[tokio::test]
async fn cookies_stay_as_they_are_until_it_is_noted_that_they_are_one_visitors() {
    let node = Node::with(|setup| setup.limits.visitor_messages = Rate::new(1, 2)).await;
    let (mut jar, _) = two_cold_tabs(&node).await;
    let third = Ask::say("third").cookie(&jar.line()).send(&node).await.expect(429);
    assert_eq!(third.headers("set-cookie").count(), 0, "the visitor's rate was used up");
    node.clock.advance(Duration::from_secs(10));
    jar.take(&Ask::session().cookie(&jar.line()).send(&node).await.expect(200));
    assert_eq!(jar.0.len(), 1);
}

/// Where it comes from tells what belongs to one page load, and never who somebody is.
#[tokio::test]
async fn without_cookies_every_post_is_a_visitor_of_its_own_and_a_get_leaves_no_record() {
    let node = Node::start().await;
    let before = node.end().await;
    assert_eq!(Ask::messages().send(&node).await.expect(200).texts(), [""; 0]);
    assert_eq!(node.end().await, before);
    let conversation = async |text| {
        let answer = Ask::say(text).header("User-Agent", "the same").send(&node).await.expect(201);
        answer.json()["message"]["conversationId"].clone()
    };
    assert_ne!(conversation("one").await, conversation("two").await);
    let get = Ask::messages().header("User-Agent", "the same");
    assert_eq!(get.send(&node).await.expect(200).texts(), [""; 0]);
}

#[tokio::test]
async fn the_merged_visitor_outlives_the_log_and_a_restart() {
    let node = Node::start().await;
    let (mut jar, _) = two_cold_tabs(&node).await;
    jar.take(&Ask::say("third").cookie(&jar.line()).send(&node).await.expect(201));
    node.persist().await;
    let node = node.restarted(|_| {}).await;
    let page = Ask::messages().cookie(&jar.line()).send(&node).await.expect(200);
    assert_eq!(page.texts(), ["first tab", "second tab", "third"]);
}

#[tokio::test]
async fn both_tabs_answers_may_merge_at_once() {
    let node = Node::start().await;
    let (mut jar, conversation) = two_cold_tabs(&node).await;
    let line = jar.line();
    let (left, right) = (Ask::say("left").cookie(&line), Ask::say("right").cookie(&line));
    let (left, right) = tokio::join!(left.send(&node), right.send(&node));
    for answer in [&left, &right] {
        assert_eq!(answer.json()["message"]["conversationId"], conversation);
        jar.take(answer);
    }
    assert_eq!(jar.0.len(), 2, "each has set one, and they are alike");
    let last = Ask::say("last").cookie(&jar.line()).send(&node).await.expect(201);
    jar.take(&last);
    assert_eq!((jar.0.len(), &last.json()["message"]["conversationId"]), (1, &conversation));
    let page = Ask::messages().cookie(&jar.line()).send(&node).await.expect(200);
    assert_eq!(page.texts().len(), 5);
}

#[tokio::test]
async fn an_id_that_one_tab_sent_is_the_same_message_for_the_merged_visitor() {
    let node = Node::start().await;
    let mut jar = Jar::default();
    jar.take(&Ask::say("older").send(&node).await.expect(201));
    node.clock.advance(Duration::from_millis(5));
    let sent = Ask::draft("once", "m-1").send(&node).await.expect(201);
    jar.take(&sent);
    let again = Ask::draft("once", "m-1").cookie(&jar.line()).send(&node).await.expect(200);
    assert_eq!(again.json()["duplicate"], true);
    assert_eq!(again.json()["message"], sent.json()["message"]);
}

#[tokio::test]
async fn a_session_merges_cookies_and_a_token_beside_them_leaves_them_alone() {
    let node = Node::start().await;
    let (mut jar, conversation) = two_cold_tabs(&node).await;
    let token = node.visitors.write(&node.visitors.issue());
    let by_token = Ask::say("by token").bearer(&token).cookie(&jar.line());
    assert_eq!(by_token.send(&node).await.expect(201).headers("set-cookie").count(), 0);
    let session = Ask::session().cookie(&jar.line()).send(&node).await.expect(200);
    assert_eq!(session.json()["conversationId"], conversation);
    jar.take(&session);
    assert_eq!(jar.0.len(), 1);
}

#[tokio::test]
async fn a_page_view_creates_no_record_and_sets_no_cookie() {
    let node = Node::start().await;
    let answer = Ask::messages().send(&node).await.expect(200);
    assert_eq!(answer.json()["messages"], serde_json::json!([]));
    assert_eq!(answer.json()["hasMore"], false);
    assert!(answer.json()["cursor"].is_string());
    assert_eq!(answer.json().get("incomplete"), None);
    assert_eq!(answer.header("set-cookie"), None);
    Ask::messages()
        .cookie("__Host-parlor_v_0011223344556677=vt_forged")
        .send(&node)
        .await
        .expect(200);
    assert_eq!(node.metric("parlor_log_appends_total", None), 0.0);
}

#[tokio::test]
async fn the_first_post_makes_a_visitor_who_is_known_again_by_the_cookie() {
    let node = Node::start().await;
    let first = Ask::say("one").send(&node).await.expect(201);
    let set = first.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-parlor_v_"), "{set}");
    for attribute in
        ["Path=/", "HttpOnly", "Max-Age=86400", "SameSite=None", "Secure", "Partitioned"]
    {
        assert!(set.split("; ").any(|found| found == attribute), "{set}");
    }
    let cookie = first.cookie().unwrap();
    let second = Ask::say("two").cookie(&cookie).send(&node).await.expect(201);
    assert_eq!(second.header("set-cookie"), None, "a valid cookie is not set again");
    assert_eq!(
        first.json()["message"]["conversationId"],
        second.json()["message"]["conversationId"]
    );
    let page = Ask::messages().cookie(&cookie).send(&node).await.expect(200);
    assert_eq!(page.texts(), ["one", "two"]);
    assert_eq!(page.header("set-cookie"), None);
}

#[tokio::test]
async fn a_message_has_the_shape_of_the_protocol() {
    let node = Node::start().await;
    let body = Ask::draft("hello", "m-1").send(&node).await.expect(201).json();
    let message = &body["message"];
    assert_eq!(body["duplicate"], false);
    assert_eq!(message["text"], "hello");
    assert_eq!(message["sender"], "user");
    assert_eq!(message["clientMessageId"], "m-1");
    assert_eq!(message["timestamp"], node.clock.now().to_string());
    assert!(Timestamp::parse(message["timestamp"].as_str().unwrap()).is_some());
    assert!(ConversationId::parse(message["conversationId"].as_str().unwrap()).is_ok());
    for field in ["id", "cursor"] {
        assert!(message[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    assert!(message["author"]["id"].is_string());
}

#[tokio::test]
async fn a_forged_or_foreign_cookie_counts_as_none() {
    let node = Node::start().await;
    let cookie = Ask::say("mine").send(&node).await.cookie().unwrap();
    let mut forged = cookie.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    assert!(Ask::messages().cookie(&forged).send(&node).await.expect(200).texts().is_empty());
    let answer = Ask::say("another").cookie(&forged).send(&node).await.expect(201);
    assert!(answer.cookie().is_some(), "a new visitor");
    assert_eq!(Ask::messages().cookie(&cookie).send(&node).await.texts(), ["mine"]);
}

#[tokio::test]
async fn a_visitor_token_is_an_identity_without_cookies() {
    let node = Node::start().await;
    let session =
        Ask::session().without("Origin").json(&serde_json::json!({ "credential": "token" }));
    let answer = session.send(&node).await.expect(200);
    assert_eq!(answer.header("set-cookie"), None);
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("vt_"));
    let said = Ask::say("by an app").without("Origin").bearer(&token).send(&node).await.expect(201);
    assert_eq!(said.header("set-cookie"), None);
    assert_eq!(said.json()["message"]["conversationId"], answer.json()["conversationId"]);
    assert_eq!(
        Ask::messages().without("Origin").bearer(&token).send(&node).await.texts(),
        ["by an app"]
    );
    let again = session.bearer(&token).send(&node).await.expect(200);
    assert_eq!(again.json()["sessionId"], answer.json()["sessionId"]);
    // A token counts before a cookie.
    let cookie = Ask::say("by cookie").send(&node).await.cookie().unwrap();
    assert_eq!(
        Ask::messages().bearer(&token).cookie(&cookie).send(&node).await.texts(),
        ["by an app"]
    );
}

#[tokio::test]
async fn a_cookie_is_never_handed_to_a_page_as_a_token() {
    let node = Node::start().await;
    let said = Ask::say("to tenant a").send(&node).await;
    let cookie = said.cookie().unwrap();
    let session = Ask::session()
        .tenant("b")
        .cookie(&cookie)
        .json(&serde_json::json!({ "credential": "token" }));
    let token = session.send(&node).await.expect(200).json()["token"].as_str().unwrap().to_owned();
    assert!(Ask::messages().bearer(&token).send(&node).await.texts().is_empty());
}

#[tokio::test]
async fn a_session_says_who_where_and_from_when() {
    let node = Node::start().await;
    let first = Ask::session().body(r#"{"tenantId":"b"}"#).send(&node).await.expect(200);
    let cookie = first.cookie().expect("the session sets the cookie");
    let body = first.json();
    assert_eq!(body["protocol"], 1);
    assert_eq!(body["socketUrl"], "ws://chat.test:8080/ws/chat?tenantId=a");
    assert_eq!(body["serverTime"], node.clock.now().to_string());
    assert_eq!(body.get("token"), None);
    let again = Ask::session().cookie(&cookie).send(&node).await.expect(200);
    assert_eq!(again.header("set-cookie"), None);
    for field in ["sessionId", "conversationId"] {
        assert!(body[field].is_string());
        assert_eq!(body[field], again.json()[field], "{field}");
    }
    let said = Ask::say("hello").cookie(&cookie).send(&node).await.expect(201).json();
    assert_eq!(said["message"]["conversationId"], body["conversationId"]);
    // What comes after the cursor is what came after the session; the next session is past it.
    let after = |cursor: &serde_json::Value| {
        Ask::of_page("GET", &format!("/api/chat/messages?after={}", cursor.as_str().unwrap()))
            .cookie(&cookie)
    };
    assert_eq!(after(&body["cursor"]).send(&node).await.texts(), ["hello"]);
    let later = Ask::session().cookie(&cookie).send(&node).await.json();
    assert!(after(&later["cursor"]).send(&node).await.texts().is_empty());
    let secure = Ask::session()
        .cookie(&cookie)
        .header("X-Forwarded-Proto", "https")
        .send(&node)
        .await
        .json();
    assert_eq!(secure["socketUrl"], "wss://chat.test:8080/ws/chat?tenantId=a");
}

#[tokio::test]
async fn tenants_and_visitors_are_apart_from_each_other() {
    let node = Node::start().await;
    let cookie = Ask::say("for a").send(&node).await.cookie().unwrap();
    assert!(Ask::messages().tenant("b").cookie(&cookie).send(&node).await.texts().is_empty());
    let other = Ask::say("for b").tenant("b").cookie(&cookie).send(&node).await.expect(201);
    assert_eq!(other.header("set-cookie"), None, "one cookie serves every tenant");
    assert_eq!(Ask::messages().cookie(&cookie).send(&node).await.texts(), ["for a"]);
    assert_eq!(Ask::messages().tenant(" B ").cookie(&cookie).send(&node).await.texts(), ["for b"]);
    let stranger = Ask::say("a stranger's").send(&node).await.cookie().unwrap();
    assert_eq!(Ask::messages().cookie(&stranger).send(&node).await.texts(), ["a stranger's"]);
}

#[tokio::test]
async fn the_bodys_tenant_decides_nothing() {
    let node = Node::start().await;
    let ask = Ask::of_page("POST", "/api/chat/messages").body(r#"{"text":"hello","tenantId":"b"}"#);
    let cookie = ask.send(&node).await.expect(201).cookie().unwrap();
    assert_eq!(Ask::messages().cookie(&cookie).send(&node).await.texts(), ["hello"]);
    assert!(Ask::messages().tenant("b").cookie(&cookie).send(&node).await.texts().is_empty());
}

#[tokio::test]
async fn a_cursor_is_its_tenants_alone() {
    let node = Node::start().await;
    let answer = Ask::say("hello").send(&node).await;
    let (cookie, cursor) =
        (answer.cookie().unwrap(), answer.json()["message"]["cursor"].as_str().unwrap().to_owned());
    for parameter in ["before", "after"] {
        let ask = Ask::of_page("GET", &format!("/api/chat/messages?{parameter}={cursor}"))
            .cookie(&cookie);
        ask.send(&node).await.expect(200);
        assert_eq!(ask.tenant("b").send(&node).await.expect(400).problem(), "bad_cursor");
    }
}

#[tokio::test]
async fn a_cursor_ahead_of_the_end_is_refused() {
    let node = Node::start().await;
    let cookie = Ask::say("hello").send(&node).await.cookie().unwrap();
    let end = node.end().await;
    for (ahead, status) in [(0, 200), (1, 400), (1000, 400)] {
        let position = parlor_common::position::Position::from_u64(end.as_u64() + ahead).unwrap();
        let cursor = node.cursors.write(&tenant("a"), position);
        for parameter in ["before", "after"] {
            let ask = Ask::of_page("GET", &format!("/api/chat/messages?{parameter}={cursor}"));
            ask.cookie(&cookie).send(&node).await.expect(status);
        }
    }
}
