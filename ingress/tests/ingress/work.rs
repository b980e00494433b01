//! Agents at work: notes, changes, claims, marks, lists; and the stream by REST.

use std::time::Duration;

use parlor_auth::Role;
use serde_json::{Value, json};

use crate::{client::Ask, node::Node};

const ALL: &str = "/api/agent/conversations";

/// An agent or bot of tenant `a`, and a conversation to work on.
struct Desk<'a> {
    node: &'a Node,
    token: String,
    id: String,
    cookie: String,
}

impl<'a> Desk<'a> {
    async fn new(node: &'a Node) -> Self {
        let answer = Ask::say("hello").send(node).await.expect(201);
        let cookie = answer.cookie().unwrap();
        let id = answer.json()["message"]["conversationId"].as_str().unwrap().to_owned();
        Self { node, token: node.agent("a", Role::Agent), id, cookie }
    }

    fn ask(&self, method: &str, rest: &str) -> Ask {
        Ask::bare(method, &format!("{ALL}/{}{rest}", self.id)).bearer(&self.token)
    }

    async fn patch(&self, change: &Value) -> Value {
        self.ask("PATCH", "").json(change).send(self.node).await.expect(200).json()["conversation"]
            .clone()
    }

    async fn state(&self) -> Value {
        self.ask("GET", "").send(self.node).await.expect(200).json()["conversation"].clone()
    }

    async fn list(&self, query: &str) -> Vec<String> {
        let ask = Ask::bare("GET", &format!("{ALL}?{query}")).bearer(&self.token);
        let rows = ask.send(self.node).await.expect(200).json()["conversations"].take();
        let rows = rows.as_array().unwrap().clone();
        rows.iter().map(|row| row["lastMessage"]["text"].as_str().unwrap().to_owned()).collect()
    }

    async fn timeline(&self) -> Vec<Value> {
        let page = self.ask("GET", "/timeline").send(self.node).await.expect(200).json();
        page["events"].as_array().unwrap().clone()
    }

    async fn visitor_says(&self, text: &str) {
        Ask::say(text).cookie(&self.cookie).send(self.node).await.expect(201);
    }
}

#[tokio::test]
async fn a_note_is_for_agents_alone_and_accepted_once() {
    let node = Node::start().await;
    let desk = Desk::new(&node).await;
    let ask = desk.ask("POST", "/notes").json(&json!({ "text": "psst", "clientMessageId": "n1" }));
    let first = ask.send(&node).await.expect(201).json();
    let again = ask.send(&node).await.expect(200).json();
    assert_eq!((&first["note"], &again["duplicate"]), (&again["note"], &json!(true)));
    assert_eq!(first["note"]["author"], json!({ "id": "ann", "name": "Ann" }));
    for persisted in [false, true] {
        if persisted {
            node.persist().await;
        }
        let kinds: Vec<_> =
            desk.timeline().await.iter().map(|event| event["type"].clone()).collect();
        assert_eq!(kinds, ["message", "note"]);
        assert_eq!(desk.timeline().await[1]["note"], first["note"]);
        let page = desk.ask("GET", "/messages").send(&node).await.expect(200);
        assert_eq!(page.texts(), ["hello"]);
        assert_eq!(Ask::messages().cookie(&desk.cookie).send(&node).await.texts(), ["hello"]);
    }
    // The same id is a message of its own.
    let draft = desk.ask("POST", "/messages");
    draft.json(&json!({ "text": "hi", "clientMessageId": "n1" })).send(&node).await.expect(201);
}

#[tokio::test]
async fn a_change_shows_in_the_state_the_timeline_and_the_lists() {
    let node = Node::start().await;
    let desk = Desk::new(&node).await;
    let state = desk.state().await;
    for (field, is) in [
        ("status", json!("open")),
        ("waiting", json!("team")),
        ("assignee", json!(null)),
        ("labels", json!([])),
        ("unread", json!(true)),
        ("rating", json!(null)),
    ] {
        assert_eq!(state[field], is, "{field}");
    }
    let change = json!({ "assignee": "ann", "team": "sales", "labels": { "add": ["vip", "é b"] } });
    let changed = desk.patch(&change).await;
    assert_eq!(changed["assignee"], "ann");
    assert_eq!(changed["labels"], json!(["vip", "é b"]));
    for _ in 0..2 {
        assert_eq!(desk.state().await, changed);
        assert_eq!(desk.list("list=mine").await, ["hello"]);
        assert_eq!(desk.list("list=agent/ann&status=open&waiting=team").await, ["hello"]);
        assert_eq!(desk.list("list=team/sales").await, ["hello"]);
        assert_eq!(desk.list("list=label/%C3%A9%20b").await, ["hello"]);
        assert!(desk.list("list=none").await.is_empty());
        assert!(desk.list("list=label/b").await.is_empty());
        node.persist().await;
    }
    let shown = desk.timeline().await[1].clone();
    assert_eq!((&shown["type"], &shown["change"]["by"]), (&json!("change"), &json!("agent")));
    assert_eq!(shown["change"]["labels"], json!({ "add": ["vip", "é b"], "remove": [] }));
    assert!(shown["change"].get("status").is_none(), "what was not changed is not there");
    let removed = desk.patch(&json!({ "assignee": null, "labels": { "remove": ["vip"] } })).await;
    assert_eq!((&removed["assignee"], &removed["labels"]), (&json!(null), &json!(["é b"])));
    assert_eq!(removed["team"], "sales");
}

#[tokio::test]
async fn a_closed_conversation_opens_when_its_visitor_writes() {
    let node = Node::start().await;
    let desk = Desk::new(&node).await;
    assert_eq!(desk.patch(&json!({ "status": "closed" })).await["status"], "closed");
    assert_eq!(desk.list("status=closed").await, ["hello"]);
    assert!(desk.list("status=open").await.is_empty());
    desk.visitor_says("again").await;
    assert_eq!(desk.state().await["status"], "open");
    assert_eq!(desk.list("status=open").await, ["again"]);
    assert!(desk.list("status=closed").await.is_empty());
    node.persist().await;
    assert_eq!(desk.list("status=open").await, ["again"]);
}

#[tokio::test]
async fn a_snoozed_conversation_opens_when_its_time_has_come() {
    let node = Node::start().await;
    let desk = Desk::new(&node).await;
    let until = node.clock.now().plus(Duration::from_secs(60)).to_string();
    let snoozed = desk.patch(&json!({ "status": "snoozed", "until": until })).await;
    assert_eq!((&snoozed["status"], &snoozed["until"]), (&json!("snoozed"), &json!(until)));
    assert_eq!(desk.list("status=snoozed").await, ["hello"]);
    node.clock.advance(Duration::from_secs(61));
    let state = desk.state().await;
    assert_eq!((&state["status"], state.get("until")), (&json!("open"), None));
    assert_eq!(desk.list("status=open").await, ["hello"]);
}

#[tokio::test]
async fn of_several_who_claim_at_once_one_wins_and_the_others_are_told_who() {
    let node = Node::start().await;
    let desk = Desk::new(&node).await;
    for round in 0..20 {
        desk.patch(&json!({ "assignee": null })).await;
        let claim = async |name: &'static str| {
            let token = node.agent_named("a", name);
            let claim = json!({ "assignee": name, "ifAssignee": null });
            let ask = Ask::bare("PATCH", &format!("{ALL}/{}", desk.id)).bearer(&token).json(&claim);
            (name, ask.send(&node).await)
        };
        let (ann, ben, cid) = tokio::join!(claim("ann"), claim("ben"), claim("cid"));
        let answers = [ann, ben, cid];
        let won: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 200).collect();
        let [(winner, _)] = won[..] else { panic!("round {round}: {answers:?}") };
        for (name, answer) in answers.iter().filter(|(name, _)| name != winner) {
            assert_eq!((answer.status, answer.problem()), (409, "conflict".to_owned()), "{name}");
            assert_eq!(answer.json()["conversation"]["assignee"], **winner);
            assert_eq!(answer.json()["error"]["retryable"], false);
        }
        assert_eq!(desk.state().await["assignee"], **winner);
        // Who claims again what is the own already has missed the first answer.
        let token = node.agent_named("a", winner);
        let claim = json!({ "assignee": winner, "ifAssignee": null });
        let ask = Ask::bare("PATCH", &format!("{ALL}/{}", desk.id)).bearer(&token).json(&claim);
        ask.send(&node).await.expect(200);
    }
}

#[tokio::test]
async fn a_mark_rises_and_makes_what_was_read_read() {
    let node = Node::start().await;
    let desk = Desk::new(&node).await;
    let cursor = |event: &Value| event["message"]["cursor"].as_str().unwrap().to_owned();
    let first = cursor(&desk.timeline().await[0]);
    desk.visitor_says("again").await;
    let second = cursor(&desk.timeline().await[1]);
    let mark = async |cursor: &str| {
        let ask = desk.ask("PUT", "/mark").json(&json!({ "read": cursor }));
        ask.send(&node).await.expect(200).json()["read"].as_str().unwrap().to_owned()
    };
    assert_eq!(mark(&first).await, first);
    assert_eq!(desk.state().await["unreadByMe"], true);
    assert_eq!(mark(&second).await, second);
    assert_eq!(mark(&first).await, second, "it does not fall");
    let state = desk.state().await;
    assert_eq!((&state["unread"], &state["unreadByMe"]), (&json!(false), &json!(false)));
    assert_eq!(state["read"]["agents"], json!({ "ann": second }));
    desk.visitor_says("and again").await;
    assert_eq!(desk.state().await["unread"], true);
    let counts = Ask::bare("GET", "/api/agent/counts").bearer(&desk.token);
    let expected =
        json!({ "open": 1, "unassigned": 1, "mine": 0, "waiting": 1, "unread": 1, "snoozed": 0 });
    assert_eq!(counts.send(&node).await.expect(200).json(), expected);
    let bot = node.agent("a", Role::Bot);
    let by_bot = desk.ask("PUT", "/mark").bearer(&bot).json(&json!({ "read": second }));
    assert_eq!(by_bot.send(&node).await.expect(403).problem(), "forbidden");
    let forged = desk.ask("PUT", "/mark").json(&json!({ "read": "nonsense" }));
    assert_eq!(forged.send(&node).await.expect(400).problem(), "bad_cursor");
}

#[tokio::test]
async fn what_agents_know_of_a_visitor_finds_the_conversation() {
    let node = Node::start().await;
    let desk = Desk::new(&node).await;
    let profile = json!({ "name": "Véra <b>", "email": "v+1@example.com",
        "attributes": { "plan": "pro", "old": null } });
    let ask = desk.ask("PUT", "/profile").json(&profile);
    let visitor = ask.send(&node).await.expect(200).json()["conversation"]["visitor"].clone();
    assert_eq!((&visitor["name"], &visitor["email"]), (&profile["name"], &profile["email"]));
    assert_eq!(visitor["attributes"], json!({ "plan": "pro" }));
    for _ in 0..2 {
        assert_eq!(desk.list("email=v%2B1@example.com").await, ["hello"]);
        assert!(desk.list("email=v@example.com").await.is_empty());
        node.persist().await;
    }
    let gone = desk.ask("PUT", "/profile").json(&json!({ "email": null }));
    gone.send(&node).await.expect(200);
    assert!(desk.list("email=v%2B1@example.com").await.is_empty());
    let profile = desk.ask("PUT", "/profile").json(&json!({ "email": "nobody" }));
    assert_eq!(profile.send(&node).await.expect(422).problem(), "invalid");
}

#[tokio::test]
async fn the_stream_by_rest_is_what_a_socket_would_be_shown() {
    let node = Node::start().await;
    let begin = Ask::bare("GET", "/api/agent/changes").bearer(&node.agent("a", Role::Agent));
    let begin = begin.send(&node).await.expect(200).json();
    assert_eq!(begin["changes"], json!([]));
    let desk = Desk::new(&node).await;
    desk.ask("POST", "/notes").json(&json!({ "text": "psst" })).send(&node).await.expect(201);
    desk.patch(&json!({ "assignee": "ann" })).await;
    let profile = desk.ask("PUT", "/profile").json(&json!({ "name": "Vera" }));
    profile.send(&node).await.expect(200);
    Ask::say("another's").tenant("b").send(&node).await.expect(201);
    let changes = async |query: String| {
        let ask = Ask::bare("GET", &format!("/api/agent/changes?{query}"));
        ask.bearer(&desk.token).send(&node).await.expect(200).json()
    };
    let (mut kinds, mut since) = (Vec::new(), begin["cursor"].as_str().unwrap().to_owned());
    loop {
        let page = changes(format!("since={since}&limit=2")).await;
        assert_eq!(page["recovered"], true);
        let frames = page["changes"].as_array().unwrap().clone();
        kinds.extend(frames.iter().map(|frame| frame["type"].as_str().unwrap().to_owned()));
        since = page["cursor"].as_str().unwrap().to_owned();
        if page["hasMore"] == false {
            break;
        }
    }
    assert_eq!(kinds, ["message", "note", "change", "profile"]);
    assert_eq!(changes(format!("since={since}")).await["changes"], json!([]));
    let ask = Ask::bare("GET", "/api/agent/changes?since=nonsense").bearer(&desk.token);
    assert_eq!(ask.send(&node).await.expect(400).problem(), "bad_cursor");
}

#[tokio::test]
async fn nothing_of_another_tenants_and_nothing_unknown_can_be_worked_on() {
    let node = Node::start().await;
    let theirs = Ask::say("secret").tenant("b").send(&node).await.expect(201).json();
    let foreign = theirs["message"]["conversationId"].as_str().unwrap().to_owned();
    let token = node.agent("a", Role::Agent);
    for id in [foreign.as_str(), &"0".repeat(32), "zz"] {
        for (method, rest, body) in [
            ("GET", "", json!({})),
            ("PATCH", "", json!({ "status": "closed" })),
            ("GET", "/timeline", json!({})),
            ("POST", "/notes", json!({ "text": "x" })),
            ("PUT", "/mark", json!({ "read": node.cursor("a").await })),
            ("PUT", "/profile", json!({ "name": "x" })),
        ] {
            let ask = Ask::bare(method, &format!("{ALL}/{id}{rest}")).bearer(&token).json(&body);
            let answer = ask.send(&node).await.expect(404);
            assert_eq!(answer.problem(), "not_found", "{method} {rest}");
        }
    }
    let stranger = Ask::bare("PATCH", &format!("{ALL}/{foreign}"));
    stranger.json(&json!({ "status": "closed" })).send(&node).await.expect(401);
}

#[tokio::test]
async fn a_conversation_with_too_many_labels_can_still_be_closed_and_cleared() {
    let node = Node::start().await;
    let desk = Desk::new(&node).await;
    let labels = |from: u32| (from..from + 20).map(|n| format!("l{n}")).collect::<Vec<_>>();
    for from in (0..300).step_by(20) {
        desk.patch(&json!({ "labels": { "add": labels(from) } })).await;
    }
    let more = desk.ask("PATCH", "").json(&json!({ "labels": { "add": ["one more"] } }));
    let refused = more.send(&node).await.expect(422).json();
    assert_eq!(refused["error"]["details"][0]["code"], "too_many");
    let cleared = desk.patch(&json!({ "status": "closed", "labels": { "remove": ["l7"] } })).await;
    assert_eq!(cleared["status"], "closed");
    assert_eq!(cleared["labels"].as_array().unwrap().len(), 299);
}
