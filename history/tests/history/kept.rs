//! What the store has answered is taken again, and nothing that came since is missing.

use parlor_common::{event::Audience, position::Position, state::Reader};
use parlor_history::{History, HistoryPage};
use parlor_store::PageRange;
use parlor_testbed::faulty::store::StoreFault;

use crate::world::{MAX_AGE, World, key, set, texts_of};

async fn newest(history: &History) -> HistoryPage {
    let range = PageRange::Before(Position::MAX);
    history.page(&set(&[]), Audience::Visitor, range, 10).await.unwrap()
}

#[tokio::test]
async fn what_was_said_and_stored_since_is_there_and_the_store_is_not_asked_again() {
    let world = World::new().await;
    let first = world.say(1, "m0").await;
    world.persist(1).await;
    let history = world.history().await;
    assert_eq!(texts_of(&newest(&history).await), ["m0"]);
    assert_eq!(history.state(&key(1)).await.unwrap().delivered(Reader::Visitor), Position::ZERO);
    let calls = world.at.store.calls();
    world.say(1, "m1").await;
    world.mark(1, first).await;
    assert_eq!(texts_of(&newest(&history).await), ["m0", "m1"]);
    assert_eq!(history.state(&key(1)).await.unwrap().delivered(Reader::Visitor), first);
    assert_eq!(world.at.store.calls(), calls);
    // Whether it is stored by now makes no difference, nor whether the store is there.
    world.persist(2).await;
    world.at.store.turn(StoreFault::Down);
    let page = newest(&history).await;
    assert_eq!((texts_of(&page), page.incomplete), (vec!["m0".to_owned(), "m1".to_owned()], false));
    assert_eq!(history.state(&key(1)).await.unwrap().delivered(Reader::Visitor), first);
}

#[tokio::test]
async fn an_answer_after_which_the_log_has_forgotten_something_is_asked_for_again() {
    let world = World::new().await;
    let first = world.say(1, "m0").await;
    world.persist(1).await;
    let history = world.history().await;
    assert_eq!(texts_of(&newest(&history).await), ["m0"]);
    assert_eq!(history.state(&key(1)).await.unwrap().delivered(Reader::Visitor), Position::ZERO);
    world.say(1, "m1").await;
    world.mark(1, first).await;
    world.persist(2).await;
    world.advance(MAX_AGE * 2);
    world.say(1, "m2").await;
    assert_eq!(texts_of(&newest(&history).await), ["m0", "m1", "m2"]);
    assert_eq!(history.state(&key(1)).await.unwrap().delivered(Reader::Visitor), first);
}

#[tokio::test]
async fn where_more_came_since_than_a_page_holds_the_page_is_the_newest() {
    let world = World::new().await;
    world.say(1, "m000").await;
    world.persist(1).await;
    let history = world.history().await;
    assert_eq!(texts_of(&newest(&history).await), ["m000"]);
    for number in 1..=150 {
        world.say(1, &format!("m{number:03}")).await;
    }
    for _ in 0..2 {
        let page = newest(&history).await;
        let expected: Vec<_> = (141..=150).map(|number| format!("m{number:03}")).collect();
        assert_eq!((texts_of(&page), page.more), (expected, true));
    }
}
