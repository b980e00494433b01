//! What the log alone answers while the store does not.

use std::time::Instant;

use parlor_common::{
    event::Audience,
    position::{Epoch, Position},
};
use parlor_history::HistoryError;
use parlor_store::PageRange;

use parlor_testbed::faulty::store::StoreFault;

use crate::world::{MAX_AGE, STORE_DEADLINE, World, key, set, texts_of};

const NEWEST: PageRange = PageRange::Before(Position::MAX);

#[tokio::test]
async fn a_log_that_has_never_forgotten_is_whole() {
    let world = World::new().await;
    for text in ["m0", "m1", "m2"] {
        world.say(1, text).await;
    }
    world.persist(2).await;
    let history = world.history_without(StoreFault::Down).await;
    let page = history.page(&set(&[]), Audience::Visitor, NEWEST, 10).await.unwrap();
    assert_eq!(texts_of(&page), ["m0", "m1", "m2"]);
    assert!(!page.incomplete && !page.more);
    let page = history.page(&set(&[]), Audience::Visitor, NEWEST, 2).await.unwrap();
    assert_eq!(
        (texts_of(&page), page.more, page.incomplete),
        (vec!["m1".to_owned(), "m2".to_owned()], true, false)
    );
    let older = history
        .page(&set(&[]), Audience::Visitor, PageRange::Before(page.events[0].position), 2)
        .await
        .unwrap();
    assert_eq!(
        (texts_of(&older), older.more, older.incomplete),
        (vec!["m0".to_owned()], false, false)
    );
}

#[tokio::test]
async fn a_log_that_has_forgotten_says_that_older_messages_may_be_missing() {
    let mut world = World::new().await;
    let first = world.say(1, "m0").await;
    world.say(1, "m1").await;
    world.persist(2).await;
    world.advance(MAX_AGE * 2);
    let kept = world.say(1, "m2").await;
    world.say(1, "m3").await;
    world.forget_aged().await;
    let history = world.history_without(StoreFault::Down).await;

    let page = history.page(&set(&[]), Audience::Visitor, NEWEST, 10).await.unwrap();
    assert_eq!(texts_of(&page), ["m2", "m3"]);
    assert!(page.incomplete && page.more, "what is older is in the store");
    // A page that the log can fill lacks nothing, and there is more.
    let full = history.page(&set(&[]), Audience::Visitor, NEWEST, 1).await.unwrap();
    assert_eq!((texts_of(&full), full.incomplete, full.more), (vec!["m3".to_owned()], false, true));
    // What lies before the log's start it cannot even begin to answer.
    for before in [first, kept.before()] {
        let page = history.page(&set(&[]), Audience::Visitor, PageRange::Before(before), 10).await;
        assert!(matches!(page, Err(HistoryError::Unavailable(_))), "{page:?}");
    }
    let with_store =
        world.history().await.page(&set(&[]), Audience::Visitor, NEWEST, 10).await.unwrap();
    assert_eq!(texts_of(&with_store), ["m0", "m1", "m2", "m3"]);
}

#[tokio::test]
async fn a_log_that_was_made_anew_may_lack_what_came_before() {
    let mut world = World::new().await;
    world.say(1, "m0").await;
    world.persist(1).await;
    world.lose_log().await;
    world.say(1, "m1").await;
    let page = world
        .history_without(StoreFault::Down)
        .await
        .page(&set(&[]), Audience::Visitor, NEWEST, 10)
        .await
        .unwrap();
    assert_eq!((texts_of(&page), page.incomplete), (vec!["m1".to_owned()], true));
    let page = world.history().await.page(&set(&[]), Audience::Visitor, NEWEST, 10).await.unwrap();
    assert_eq!((texts_of(&page), page.incomplete), (vec!["m0".to_owned(), "m1".to_owned()], false));
}

#[tokio::test]
async fn a_store_that_never_answers_is_waited_for_no_longer_than_its_deadline() {
    let world = World::new().await;
    world.say(1, "m0").await;
    let history = world.history_without(StoreFault::Silent).await;
    let asked = Instant::now();
    assert_eq!(
        texts_of(&history.page(&set(&[]), Audience::Visitor, NEWEST, 10).await.unwrap()),
        ["m0"]
    );
    assert!(asked.elapsed() >= STORE_DEADLINE);
}

#[tokio::test]
async fn marks_take_no_place_on_a_page_of_the_log_alone() {
    let world = World::new().await;
    for text in ["m0", "m1", "m2"] {
        let said = world.say(1, text).await;
        let mark = world.mark(1, said).await;
        world.mark(1, mark).await;
    }
    world.persist(5).await;
    let history = world.history_without(StoreFault::Down).await;
    for (range, expected, more) in
        [(NEWEST, ["m1", "m2"], true), (PageRange::After(Epoch::FIRST.start()), ["m0", "m1"], true)]
    {
        let page = history.page(&set(&[]), Audience::Visitor, range, 2).await.unwrap();
        assert_eq!((texts_of(&page), page.more), (expected.map(str::to_owned).to_vec(), more));
        let page = history.page(&set(&[]), Audience::Visitor, range, 3).await.unwrap();
        assert_eq!((page.events.len(), page.more, page.incomplete), (3, false, false));
    }
}

#[tokio::test]
async fn without_the_store_the_state_is_not_guessed() {
    let world = World::new().await;
    let said = world.say(1, "m0").await;
    world.mark(1, said).await;
    let state = world.history_without(StoreFault::Down).await.state(&key(1)).await;
    assert!(matches!(state, Err(HistoryError::Unavailable(_))), "{state:?}");
}

/// Between the store's answer and the log's, the store may get what the log lets go of. Where the
/// log begins later than the store is known to reach, nobody can tell whether that happened.
#[tokio::test]
async fn a_log_that_begins_beyond_what_the_store_is_known_to_have_proves_nothing() {
    let mut world = World::new().await;
    let first = world.say(1, "m0").await;
    let before = world.monitor().await;
    world.say(1, "m1").await;
    world.persist(2).await;
    world.advance(MAX_AGE * 2);
    world.say(1, "m2").await;
    world.forget_aged().await;

    let stale = world.history_of(before);
    for range in [NEWEST, PageRange::After(first)] {
        let page = stale.page(&set(&[]), Audience::Visitor, range, 10).await;
        assert!(matches!(page, Err(HistoryError::Unavailable(_))), "{page:?}");
    }
    let state = stale.state(&key(1)).await;
    assert!(matches!(state, Err(HistoryError::Unavailable(_))), "{state:?}");
    assert!(world.history().await.state(&key(1)).await.is_ok());
}
