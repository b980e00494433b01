//! Drafts of one session that are handed over together.

use std::time::Duration;

use parlor_auth::VisitorToken;
use parlor_common::{
    action::Action,
    clock::Timestamp,
    door::{Receipt, Submission},
    event::Transport,
    id::{ClientMessageId, SessionId},
    message::{Draft, Text},
    problem::Problem,
    random::Random,
};

use crate::{
    client::Ask,
    node::{Node, tenant},
};

fn made(time: Timestamp) -> ClientMessageId {
    ClientMessageId::made(time, &Random::system())
}

fn young(node: &Node) -> ClientMessageId {
    made(node.clock.now())
}

/// One of a visitor's drafts.
fn draft(node: &Node, token: &VisitorToken, text: &str, id: ClientMessageId) -> Submission {
    Submission {
        conversations: token.conversations(&tenant("a")),
        author: token.author(),
        session: Some(SessionId::from_bytes([1; 16])),
        transport: Transport::Socket,
        arrived: node.clock.now(),
        action: Action::Send(Draft {
            text: Text::parse(text.to_owned()).unwrap(),
            client_message_id: Some(id),
        }),
    }
}

/// What became of each that has an answer: its text, whether that was there before, or why not.
fn told(answers: &[Result<Receipt, Problem>]) -> Vec<String> {
    let told = |answer: &Result<Receipt, Problem>| match answer {
        Ok(Receipt { event, duplicate }) => {
            let text = &event.record.body.message().expect("a draft is a message").text;
            format!("{text}{}", if *duplicate { " again" } else { "" })
        }
        Err(problem) => problem.code.as_str().to_owned(),
    };
    answers.iter().map(told).collect()
}

async fn texts(node: &Node, token: &VisitorToken) -> Vec<String> {
    let token = node.visitors.write(token);
    Ask::messages().tenant("a").bearer(&token).send(node).await.expect(200).texts()
}

#[tokio::test]
async fn a_run_is_accepted_in_its_order_and_each_id_once() {
    let node = Node::start().await;
    let token = node.visitors.issue();
    let twice = young(&node);
    let run = vec![
        draft(&node, &token, "one", young(&node)),
        draft(&node, &token, "two", twice.clone()),
        draft(&node, &token, "again", twice),
        draft(&node, &token, "three", young(&node)),
    ];
    let answers = node.door.accept_run(run.clone()).await;
    let expected = ["one", "two", "two again", "three"];
    assert_eq!(told(&answers), expected);
    let position = |answer: &Result<Receipt, Problem>| answer.as_ref().unwrap().event.position;
    assert!(position(&answers[0]) < position(&answers[1]), "in order");
    let again = told(&node.door.accept_run(run).await);
    assert_eq!(again, ["one again", "two again", "two again", "three again"]);
    assert_eq!(texts(&node, &token).await, ["one", "two", "three"]);
}

#[tokio::test]
async fn what_can_never_be_taken_does_not_hold_up_the_others() {
    let node = Node::start().await;
    let token = node.visitors.issue();
    let future = made(node.clock.now().plus(Duration::from_secs(60)));
    let run = vec![
        draft(&node, &token, "one", young(&node)),
        draft(&node, &token, "too early", future),
        draft(&node, &token, "two", young(&node)),
    ];
    let answers = node.door.accept_run(run).await;
    assert_eq!(told(&answers), ["one", "id_from_future", "two"]);
    assert_eq!(texts(&node, &token).await, ["one", "two"]);
}

#[tokio::test]
async fn what_needs_a_lookup_is_left_for_later_and_nothing_overtakes_it() {
    let node = Node::start().await;
    let token = node.visitors.issue();
    let old = ClientMessageId::parse("timeless").unwrap();
    let run = vec![
        draft(&node, &token, "one", young(&node)),
        draft(&node, &token, "old", old),
        draft(&node, &token, "two", young(&node)),
    ];
    assert_eq!(told(&node.door.accept_run(run.clone()).await), ["one"]);
    assert_eq!(texts(&node, &token).await, ["one"]);
    let rest = node.door.accept_run(run[1..].to_vec()).await;
    assert_eq!(told(&rest), ["old", "two"]);
    assert_eq!(node.metric("parlor_door_actions_total", Some("accepted")), 3.0);
    assert_eq!(node.metric("parlor_door_actions_total", Some("abandoned")), 0.0);
    assert_eq!(node.metric("parlor_door_in_flight_actions", None), 0.0);
}

#[tokio::test]
async fn a_run_takes_the_room_of_one() {
    let node = Node::with(|setup| setup.door.in_flight_per_tenant = 1).await;
    let token = node.visitors.issue();
    let run = ["one", "two", "three"].map(|text| draft(&node, &token, text, young(&node)));
    assert_eq!(told(&node.door.accept_run(run.into()).await), ["one", "two", "three"]);
}

#[tokio::test]
async fn nothing_follows_what_is_refused_for_now() {
    let node = Node::with(|setup| {
        setup.limits.visitor_messages = parlor_auth::Rate::new(1, 2);
    })
    .await;
    let token = node.visitors.issue();
    let run: Vec<_> =
        ["one", "two", "three", "four"].map(|text| draft(&node, &token, text, young(&node))).into();
    let answers = node.door.accept_run(run).await;
    let expected = ["one", "two", "rate_limited"];
    assert_eq!(told(&answers), expected);
    assert_eq!(texts(&node, &token).await, ["one", "two"]);
}
