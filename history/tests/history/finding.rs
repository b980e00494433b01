//! Finding one event, and whether there is any.

use parlor_common::event::Audience;
use parlor_history::HistoryError;

use parlor_testbed::faulty::store::StoreFault;

use crate::world::{World, event_id, key, texts};

#[tokio::test]
async fn an_id_is_found_where_it_is_stored_and_where_it_is_not_yet() {
    let world = World::new().await;
    let first = world.say(1, "stored").await;
    world.persist(1).await;
    let second = world.say(1, "waiting").await;
    let history = world.history().await;
    for (text, position) in [("stored", first), ("waiting", second)] {
        let found = history.find(&[(key(1), event_id(1, text))]).await.unwrap().unwrap();
        assert_eq!((found.position, texts(&[found])), (position, vec![text.to_owned()]));
    }
    assert!(history.find(&[(key(1), event_id(1, "unsaid"))]).await.unwrap().is_none());
    assert!(
        history.find(&[(key(2), event_id(1, "stored"))]).await.unwrap().is_none(),
        "an id is a conversation's"
    );
    assert!(history.find(&[]).await.unwrap().is_none());
}

#[tokio::test]
async fn of_several_conversations_each_is_looked_at() {
    let world = World::new().await;
    world.say(2, "elsewhere").await;
    let history = world.history().await;
    let ids = [(key(1), event_id(1, "elsewhere")), (key(2), event_id(2, "elsewhere"))];
    assert_eq!(history.find(&ids).await.unwrap().unwrap().conversation, key(2));
}

#[tokio::test]
async fn an_id_is_found_in_the_store_once_the_log_is_lost() {
    let mut world = World::new().await;
    let position = world.say(1, "old").await;
    world.persist(1).await;
    world.lose_log().await;
    let history = world.history().await;
    let found = history.find(&[(key(1), event_id(1, "old"))]).await.unwrap().unwrap();
    assert_eq!(found.position, position);
    assert!(history.exists(&key(1), Audience::Agents).await.unwrap());
}

#[tokio::test]
async fn without_the_store_only_what_is_found_is_told() {
    let world = World::new().await;
    world.say(1, "waiting").await;
    let history = world.history_without(StoreFault::Down).await;
    assert!(history.find(&[(key(1), event_id(1, "waiting"))]).await.unwrap().is_some());
    let unsaid = history.find(&[(key(1), event_id(1, "unsaid"))]).await;
    assert!(matches!(unsaid, Err(HistoryError::Unavailable(_))), "no guess");
    assert!(history.exists(&key(1), Audience::Agents).await.unwrap());
    assert!(matches!(
        history.exists(&key(2), Audience::Agents).await,
        Err(HistoryError::Unavailable(_))
    ));
}

#[tokio::test]
async fn an_event_is_at_its_position_alone() {
    let world = World::new().await;
    let (first, second) = (world.say(1, "first").await, world.say(2, "second").await);
    let history = world.history().await;
    assert_eq!(texts(&[history.at(&key(1), first).await.unwrap().unwrap()]), ["first"]);
    assert!(history.at(&key(2), first).await.unwrap().is_none());
    assert!(history.at(&key(1), second).await.unwrap().is_none());
    let mark = world.mark(1, first).await;
    let found = history.at(&key(1), mark).await.unwrap().unwrap();
    assert!(found.record.body.message().is_none(), "the mark, and no message after it");
}

#[tokio::test]
async fn a_conversation_exists_once_something_was_said() {
    let world = World::new().await;
    let said = world.say(1, "hello").await;
    for persisted in [false, true] {
        // A mark alone is nothing that anybody said, wherever it is kept.
        let mark = world.mark(2, said).await;
        world.mark(2, mark).await;
        if persisted {
            world.persist(3).await;
        }
        let history = world.history().await;
        assert!(history.exists(&key(1), Audience::Agents).await.unwrap());
        assert!(!history.exists(&key(2), Audience::Agents).await.unwrap());
    }
    world.say(2, "after-the-marks").await;
    assert!(world.history().await.exists(&key(2), Audience::Agents).await.unwrap());
}
