//! How far a page of a visitor had got that comes back.

use std::time::Duration;

use parlor_common::{event::SocketIs, position::Position};
use parlor_history::LeftOff;

use crate::world::{MAX_AGE, World, set};

/// What a node says that sees none of the visitor's sockets.
async fn left_off(world: &World, absorbed: &[u8]) -> LeftOff {
    let history = world.history().await;
    history.comes_back_at(&set(absorbed), world.now(), |_| false).await.unwrap()
}

#[tokio::test]
async fn a_page_of_a_visitor_who_was_shown_nothing_begins_at_the_beginning() {
    let world = World::new().await;
    assert_eq!(left_off(&world, &[]).await, LeftOff { up_to: Position::ZERO, is_noted: false });
    world.say(1, "hello").await;
    world.answer(1, "never-shown").await;
    assert_eq!(left_off(&world, &[]).await.up_to, Position::ZERO);
}

#[tokio::test]
async fn of_two_pages_the_least_informed_counts_stored_or_not() {
    let world = World::new().await;
    world.say(1, "hello").await;
    let one = world.answer(1, "one").await;
    for session in [1, 2] {
        world.note(1, session, SocketIs::Open, one).await;
    }
    let two = world.answer(1, "two").await;
    world.note(1, 2, SocketIs::Open, two).await;
    assert_eq!(left_off(&world, &[]).await, LeftOff { up_to: one, is_noted: true });
    world.persist(6).await;
    assert_eq!(left_off(&world, &[]).await.up_to, one);
    // The second is known to be open where the first comes back.
    let history = world.history().await;
    let is_second = |session: parlor_common::id::SessionId| session.as_bytes() == &[2; 16];
    let seen = history.comes_back_at(&set(&[]), world.now(), is_second).await.unwrap();
    assert_eq!(seen.up_to, one);
}

#[tokio::test]
async fn a_page_that_has_not_answered_for_what_is_long_ago_is_not_waited_for() {
    let world = World::new().await;
    world.say(1, "hello").await;
    let one = world.answer(1, "one").await;
    for session in [1, 2] {
        world.note(1, session, SocketIs::Open, one).await;
    }
    let two = world.answer(1, "two").await;
    world.note(1, 2, SocketIs::Open, two).await;
    world.advance(Duration::from_secs(120));
    let three = world.answer(1, "three").await;
    world.note(1, 2, SocketIs::Open, three).await;
    // The first was there no more when the second message came, two minutes ago.
    assert_eq!(left_off(&world, &[]).await.up_to, three);
    world.advance(Duration::from_secs(120));
    assert_eq!(left_off(&world, &[]).await.up_to, three);
}

#[tokio::test]
async fn the_pages_of_absorbed_visitors_count_too() {
    let world = World::new().await;
    world.say(1, "hello").await;
    world.say(2, "hello-too").await;
    let one = world.answer(1, "one").await;
    world.note(1, 1, SocketIs::Open, one).await;
    let two = world.answer(2, "two").await;
    world.note(2, 2, SocketIs::Lost, one).await;
    world.note(1, 1, SocketIs::Open, two).await;
    assert_eq!(left_off(&world, &[2]).await.up_to, one);
    world.advance(Duration::from_secs(61));
    assert_eq!(left_off(&world, &[2]).await.up_to, two, "it was lost over a minute ago");
}

#[tokio::test]
async fn the_store_is_not_asked_where_the_log_has_it_all() {
    let world = World::new().await;
    world.say(1, "hello").await;
    let one = world.answer(1, "one").await;
    world.note(1, 1, SocketIs::Lost, one).await;
    world.persist(3).await;
    let calls = world.at.store.calls();
    assert_eq!(left_off(&world, &[2]).await, LeftOff { up_to: one, is_noted: true });
    assert_eq!(world.at.store.calls(), calls);
}

#[tokio::test]
async fn a_log_that_has_let_go_of_the_beginning_tells_while_it_has_a_mark_and_what_was_settled() {
    let mut world = World::new().await;
    world.say(1, "hello").await;
    let one = world.answer(1, "one").await;
    world.note(1, 1, SocketIs::Open, one).await;
    // The last entry stays.
    world.say(1, "bye").await;
    world.persist(4).await;
    world.advance(MAX_AGE * 2);
    world.forget_aged().await;
    let calls = world.at.store.calls();
    assert_eq!(left_off(&world, &[]).await, LeftOff { up_to: one, is_noted: true });
    assert!(world.at.store.calls() > calls, "nothing of an agent is in the log");

    let two = world.answer(1, "two").await;
    world.advance(Duration::from_secs(120));
    let calls = world.at.store.calls();
    assert_eq!(left_off(&world, &[]).await.up_to, one);
    assert!(world.at.store.calls() > calls, "the mark is not in the log");

    world.note(1, 1, SocketIs::Lost, two).await;
    let calls = world.at.store.calls();
    assert_eq!(left_off(&world, &[]).await.up_to, two);
    assert_eq!(world.at.store.calls(), calls);
}

#[tokio::test]
async fn a_conversation_of_which_the_log_has_much_is_told_by_the_store() {
    let world = World::new().await;
    let mut last = Position::ZERO;
    for number in 0..250 {
        last = world.answer(1, &format!("m{number}")).await;
    }
    world.note(1, 1, SocketIs::Lost, last).await;
    world.persist(251).await;
    let calls = world.at.store.calls();
    assert_eq!(left_off(&world, &[]).await, LeftOff { up_to: last, is_noted: true });
    assert!(world.at.store.calls() > calls);
}
