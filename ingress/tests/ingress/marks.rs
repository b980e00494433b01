//! Delivered marks through the door: who may make one, that it is kept once, and that no page shows
//! it.

use std::{sync::Arc, time::Duration};

use parlor_auth::{Rate, VisitorToken};
use parlor_common::{
    action::Action,
    author::{Author, AuthorKind},
    door::{Receipt, Submission},
    event::{Body, DeliveredBody, Event, ReadBody, Transport},
    id::SessionId,
    position::Position,
    problem::{Code, Problem},
    state::Reader,
};
use parlor_log::{EventLog, Filter};
use parlor_testbed::faulty::log::{AppendFault, FaultyLog};
use serde_json::Value;

use crate::{
    client::Ask,
    node::{Node, tenant},
};

/// A visitor of tenant `a`, who has said something.
struct Visitor {
    token: VisitorToken,
    said: Position,
}

impl Visitor {
    async fn on(node: &Node) -> Self {
        let token = node.visitors.issue();
        let visitor = Self { token, said: Position::ZERO };
        visitor.ask(node, Ask::say("hello")).send(node).await.expect(201);
        Self { said: node.end().await, ..visitor }
    }

    fn ask(&self, node: &Node, ask: Ask) -> Ask {
        ask.bearer(&node.visitors.write(&self.token))
    }

    /// Marks this visitor's conversation.
    async fn mark(
        &self,
        node: &Node,
        author: Author,
        reader: Reader,
        up_to: Position,
    ) -> Result<Receipt, Problem> {
        let submission = Submission {
            conversations: self.token.conversations(&tenant("a")),
            author,
            session: Some(SessionId::from_bytes([1; 16])),
            transport: Transport::Socket,
            arrived: node.clock.now(),
            action: Action::Mark(DeliveredBody::of(reader, up_to)),
        };
        node.door.accept(submission).await
    }

    async fn marks_own(&self, node: &Node) -> Receipt {
        self.mark(node, self.token.author(), Reader::Visitor, self.said).await.unwrap()
    }
}

fn author(kind: AuthorKind) -> Author {
    Author { kind, id: "ann".to_owned(), name: None }
}

/// The marks that the log has.
async fn marks_in_log(node: &Node) -> Vec<DeliveredBody> {
    let start = node.end().await.epoch().start();
    let page = node.at.log.read(&Filter::Tenant(tenant("a")), start, 1000).await.unwrap();
    let bodies = page.entries.into_iter().map(|entry| {
        Event::decode(entry.conversation, entry.position, entry.record).unwrap().record.body
    });
    bodies
        .filter_map(|body| match body {
            Body::Delivered(delivered) => Some(delivered),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_reader_marks_what_its_own_kind_has_received() {
    let node = Node::start().await;
    let visitor = Visitor::on(&node).await;
    let up_to = visitor.said;
    visitor.marks_own(&node).await;
    visitor.mark(&node, author(AuthorKind::Agent), Reader::Agent, up_to).await.unwrap();
    let mark = |reader| DeliveredBody::of(reader, up_to);
    assert_eq!(marks_in_log(&node).await, [mark(Reader::Visitor), mark(Reader::Agent)]);
}

#[tokio::test]
async fn nobody_marks_for_another_kind_of_reader() {
    let node = Node::start().await;
    let visitor = Visitor::on(&node).await;
    for (author, reader) in [
        (visitor.token.author(), Reader::Agent),
        (author(AuthorKind::Agent), Reader::Visitor),
        (author(AuthorKind::Bot), Reader::Agent),
        (author(AuthorKind::Bot), Reader::Visitor),
    ] {
        let problem = visitor.mark(&node, author, reader, visitor.said).await.unwrap_err();
        assert_eq!(problem.code, Code::Forbidden);
    }
    assert_eq!(marks_in_log(&node).await, []);
}

#[tokio::test]
async fn the_same_mark_again_is_the_same_event_and_a_higher_one_another() {
    let node = Node::start().await;
    let visitor = Visitor::on(&node).await;
    let first = visitor.marks_own(&node).await;
    let again = visitor.marks_own(&node).await;
    assert_eq!((first.duplicate, again.duplicate), (false, true));
    assert_eq!(first.event.record.id, again.event.record.id);
    assert_eq!(first.event.position, again.event.position);
    assert_eq!(first.event.record.body, again.event.record.body);
    visitor.ask(&node, Ask::say("more")).send(&node).await.expect(201);
    let visitor = Visitor { said: node.end().await, ..visitor };
    let higher = visitor.marks_own(&node).await;
    assert_ne!(higher.event.record.id, first.event.record.id);
    assert_eq!(marks_in_log(&node).await.len(), 2);
    assert_eq!(node.metric("parlor_door_actions_total", Some("mark")), 3.0);
}

#[tokio::test]
async fn a_mark_needs_no_rate_and_uses_none_up() {
    let node = Node::with(|setup| {
        setup.limits.visitor_messages = Rate::new(1, 2);
        setup.limits.tenant_messages = Rate::new(1, 2);
    })
    .await;
    let visitor = Visitor::on(&node).await;
    for _ in 0..5 {
        visitor.marks_own(&node).await;
    }
    visitor.ask(&node, Ask::say("the second")).send(&node).await.expect(201);
    visitor.ask(&node, Ask::say("the third")).send(&node).await.expect(429);
    visitor.marks_own(&node).await;
}

/// A visitor known by a cookie, to whom an agent has answered.
async fn answered(node: &Node) -> (String, Position) {
    let said = Ask::say("hello").send(node).await.expect(201);
    let conversation = said.json()["message"]["conversationId"].as_str().unwrap().to_owned();
    answer(node, &conversation).await;
    (said.cookie().unwrap(), node.end().await)
}

async fn answer(node: &Node, conversation: &str) {
    let path = format!("/api/agent/conversations/{conversation}/messages");
    let agent = node.agent("a", parlor_auth::Role::Agent);
    Ask::bare("POST", &path).bearer(&agent).body(r#"{"text":"hi"}"#).send(node).await.expect(201);
}

#[tokio::test]
async fn what_the_widgets_get_shows_of_an_agents_is_delivered_before_it_is_answered() {
    let node = Node::start().await;
    let (cookie, last) = answered(&node).await;
    let get = Ask::messages().cookie(&cookie);
    assert_eq!(get.send(&node).await.expect(200).texts(), ["hello", "hi"]);
    let mark = DeliveredBody::of(Reader::Visitor, last);
    assert_eq!(marks_in_log(&node).await, [mark]);
    // The next one shows nothing more, and neither does what the visitor itself writes.
    get.send(&node).await.expect(200);
    Ask::say("thanks").cookie(&cookie).send(&node).await.expect(201);
    get.send(&node).await.expect(200);
    node.persist().await;
    let node = node.restarted(|_| {}).await;
    get.send(&node).await.expect(200);
    assert_eq!(marks_in_log(&node).await, [mark]);
}

#[tokio::test]
async fn only_the_widgets_whole_page_tells_what_it_has() {
    let node = Node::start().await;
    let (cookie, _) = answered(&node).await;
    let part = Ask::of_page("GET", "/api/chat/messages?limit=1").cookie(&cookie);
    part.send(&node).await.expect(200);
    let visitor = Visitor::on(&node).await;
    let said = visitor.ask(&node, Ask::say("again")).send(&node).await.expect(201);
    answer(&node, said.json()["message"]["conversationId"].as_str().unwrap()).await;
    visitor.ask(&node, Ask::messages()).send(&node).await.expect(200);
    assert_eq!(marks_in_log(&node).await, []);
    // Nobody has said anything to these, and a page view leaves no record.
    let end = node.end().await;
    Ask::messages().send(&node).await.expect(200);
    let quiet = Ask::session().send(&node).await.expect(200).cookie().unwrap();
    Ask::messages().cookie(&quiet).send(&node).await.expect(200);
    assert_eq!(node.end().await, end);
}

#[tokio::test]
async fn a_get_is_answered_while_no_mark_can_be_noted() {
    let node = Node::start().await;
    let (cookie, _) = answered(&node).await;
    let node = node
        .restarted(|setup| {
            setup.wrap = |log| {
                let log = FaultyLog::over(Arc::new(log));
                Arc::new(log.with_append_fault("a", AppendFault::Silent))
            };
        })
        .await;
    let get = Ask::messages().cookie(&cookie);
    assert_eq!(get.send(&node).await.expect(200).texts(), ["hello", "hi"]);
    assert_eq!(node.metric("parlor_door_actions_total", Some("abandoned")), 1.0);
}

#[tokio::test]
async fn a_mark_is_in_no_page_and_no_inbox_before_and_after_it_is_stored() {
    let node = Node::start().await;
    let visitor = Visitor::on(&node).await;
    visitor.marks_own(&node).await;
    let inbox = |node: &Node| {
        Ask::bare("GET", "/api/agent/conversations")
            .bearer(&node.agent("a", parlor_auth::Role::Agent))
    };
    let check = async |node: &Node| {
        // A page of one holds the message, though the mark is newer.
        let newest = Ask::of_page("GET", "/api/chat/messages?limit=1");
        let page = visitor.ask(node, newest).send(node).await.expect(200);
        assert_eq!(page.texts(), ["hello"]);
        assert_eq!(page.json()["hasMore"], false);
        // Whoever goes on from the page's cursor is shown nothing again.
        let cursor = page.json()["cursor"].as_str().unwrap().to_owned();
        let after = Ask::of_page("GET", &format!("/api/chat/messages?after={cursor}"));
        assert_eq!(visitor.ask(node, after).send(node).await.expect(200).texts(), [""; 0]);
    };
    check(&node).await;
    node.persist().await;
    node.clock.advance(Duration::from_secs(1));
    let node = node.restarted(|_| {}).await;
    check(&node).await;
    let conversations = inbox(&node).send(&node).await.expect(200).json()["conversations"].clone();
    assert_eq!(conversations.as_array().map(Vec::len), Some(1));
    assert_eq!(conversations[0]["lastMessage"]["text"], Value::from("hello"));
    assert_eq!(conversations[0]["status"], "open");
}

#[tokio::test]
async fn who_has_written_nothing_marks_nothing_as_read() {
    let node = Node::start().await;
    let other = Visitor::on(&node).await;
    let silent = node.visitors.issue();
    let read = |token: &VisitorToken| Submission {
        conversations: token.conversations(&tenant("a")),
        author: token.author(),
        session: Some(SessionId::from_bytes([1; 16])),
        transport: Transport::Socket,
        arrived: node.clock.now(),
        action: Action::Read(ReadBody { agent: None, up_to: other.said }),
    };
    let end = node.end().await;
    let refused = node.door.accept(read(&silent)).await.unwrap_err();
    assert_eq!((refused.code, node.end().await), (Code::NotFound, end));
    node.door.accept(read(&other.token)).await.unwrap();
    assert!(node.end().await > end);
}
