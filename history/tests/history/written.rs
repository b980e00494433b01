//! Pages that were written before are answered again, and only while nothing in them has changed.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use parlor_common::{
    conversation::ConversationSet,
    drain::Drain,
    event::{Audience, Event},
    position::Position,
    shard::Shard,
    tenant::TenantId,
};
use parlor_history::{Form, History, HistoryError, WrittenPage};
use parlor_log::{EventLog, MIN_KEEP, Trim, monitor::Monitor};
use parlor_store::PageRange;
use parlor_testbed::faulty::store::StoreFault;

use crate::world::{World, key, set, texts, visitor};

const NEWEST: PageRange = PageRange::Before(Position::MAX);

fn plain(events: &[Event]) -> Bytes {
    texts(events).join(" ").into()
}

async fn page_of(
    history: &History,
    set: &ConversationSet,
    range: PageRange,
    limit: usize,
) -> Result<WrittenPage, HistoryError> {
    let form = Form { name: "plain", write: plain };
    history.written_page(set, Audience::Visitor, range, limit, form).await
}

async fn page(history: &History, range: PageRange, limit: usize) -> WrittenPage {
    page_of(history, &set(&[]), range, limit).await.unwrap()
}

/// Visitor 1 says this many things, all of which are stored.
async fn talk(world: &World, count: usize) -> Vec<Position> {
    let mut said = Vec::new();
    for number in 0..count {
        said.push(world.say(1, &format!("m{number}")).await);
    }
    world.persist(count).await;
    said
}

#[tokio::test]
async fn the_newest_page_has_what_was_accepted_since_it_was_written() {
    let world = World::new().await;
    talk(&world, 3).await;
    let history = world.history().await;
    let calls = world.at.store.calls();
    assert_eq!(page(&history, NEWEST, 2).await.bytes, "m1 m2");
    let first_calls = world.at.store.calls();
    assert!(first_calls > calls);
    for number in 3..6 {
        let last = world.say(1, &format!("m{number}")).await;
        for _ in 0..2 {
            let page = page(&history, NEWEST, 2).await;
            assert_eq!(page.bytes, format!("m{} m{number}", number - 1));
            assert_eq!((page.last, page.through, page.more), (Some(last), last, true));
        }
    }
    // What others say, and marks, leave the page as it was, and move its end.
    let end = world.say(2, "other").await;
    assert_eq!(page(&history, NEWEST, 2).await.through, end);
    let end = world.mark(1, end).await;
    for _ in 0..2 {
        let page = page(&history, NEWEST, 2).await;
        assert_eq!((page.bytes, page.through), (Bytes::from("m4 m5"), end));
    }
    // A message behind marks is found.
    world.mark(1, end).await;
    world.say(1, "m6").await;
    assert_eq!(page(&history, NEWEST, 2).await.bytes, "m5 m6");
    assert_eq!(world.at.store.calls(), first_calls, "the store was asked once");
}

#[tokio::test]
async fn the_newest_page_is_read_again_once_the_log_has_forgotten_what_came_after_it() {
    let world = World::new().await;
    talk(&world, 2).await;
    let monitor = world.monitor().await;
    let history = world.history_of(monitor.clone());
    assert_eq!(page(&history, NEWEST, 5).await.bytes, "m0 m1");
    world.say(1, "m2").await;
    world.persist(1).await;
    let last = world.say(2, "other").await;
    world.persist(1).await;
    world.advance(MIN_KEEP * 2);
    let trim = Trim { through: last, down_to: 0, keep: MIN_KEEP };
    assert_eq!(world.at.log.trim(Shard::ONLY, trim).await.unwrap(), 3, "all but the last");
    knows(&monitor, last).await;
    assert_eq!(page(&history, NEWEST, 5).await.bytes, "m0 m1 m2");
}

#[tokio::test]
async fn a_newest_page_of_several_conversations_has_what_came_in_any_of_them() {
    let world = World::new().await;
    talk(&world, 1).await;
    let history = world.history().await;
    let both = set(&[2]);
    assert_eq!(page_of(&history, &both, NEWEST, 5).await.unwrap().bytes, "m0");
    world.say(2, "second").await;
    assert_eq!(page_of(&history, &both, NEWEST, 5).await.unwrap().bytes, "m0 second");
    assert_eq!(page(&history, NEWEST, 5).await.bytes, "m0", "the set is part of what is asked for");
}

#[tokio::test]
async fn a_settled_page_is_answered_without_the_store_and_proven_up_to_what_is_stored_now() {
    let world = World::new().await;
    let said = talk(&world, 6).await;
    let history = world.history().await;
    let older = PageRange::Before(said[4]);
    let first = page(&history, older, 3).await;
    assert_eq!((first.bytes.clone(), first.more), (Bytes::from("m1 m2 m3"), true));
    let calls = world.at.store.calls();
    world.at.store.turn(StoreFault::Down);
    assert_eq!(page(&history, older, 3).await, first);
    assert_eq!(world.at.store.calls(), calls);
    // Every part of what is asked for sets a page apart from another.
    world.at.store.turn(StoreFault::None);
    assert_eq!(page(&history, older, 2).await.bytes, "m2 m3");
    assert_eq!(page(&history, PageRange::Before(said[3]), 3).await.bytes, "m0 m1 m2");
    assert_eq!(page(&history, PageRange::After(said[4]), 3).await.bytes, "m5");
    let form = Form { name: "count", write: |events: &[Event]| events.len().to_string().into() };
    let counted = history.written_page(&set(&[]), Audience::Visitor, older, 3, form).await;
    assert_eq!(counted.unwrap().bytes, "3");
    let of = |tenant: &str| {
        ConversationSet::of_visitor(&TenantId::parse(tenant).unwrap(), visitor(1), &[])
    };
    assert_eq!(page_of(&history, &of("a"), older, 3).await.unwrap().bytes, "m1 m2 m3");
    assert_eq!(page_of(&history, &of("b"), older, 3).await.unwrap().bytes, "");
    let agents = Form { name: "plain", write: |_: &[Event]| "for agents".into() };
    let page = history.written_page(&set(&[]), Audience::Agents, older, 3, agents).await;
    assert_eq!(page.unwrap().bytes, "for agents");
}

#[tokio::test]
async fn a_page_that_was_read_before_all_of_it_was_said_is_not_the_settled_one() {
    let world = World::new().await;
    let said = talk(&world, 4).await;
    let monitor = world.monitor().await;
    let history = world.history_of(monitor.clone());
    let after = |count: u64| Position::from_u64(said[3].as_u64() + count).unwrap();
    let (ahead, older) = (PageRange::Before(after(2)), PageRange::Before(said[3]));
    assert_eq!(page(&history, ahead, 2).await.bytes, "m2 m3");
    assert_eq!(page(&history, older, 2).await.through, said[3]);
    for number in 4..6 {
        world.say(1, &format!("m{number}")).await;
    }
    world.persist(2).await;
    knows(&monitor, after(2)).await;
    assert_eq!(page(&history, ahead, 2).await.bytes, "m3 m4");
    let kept = page(&history, older, 2).await;
    assert_eq!((kept.bytes, kept.through), (Bytes::from("m1 m2"), after(2)));
}

/// Lets the monitor look until it knows that everything up to here is stored.
async fn knows(monitor: &Monitor, persisted: Position) {
    let known = async {
        while monitor.persisted(Shard::ONLY) < persisted {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = monitor.clone().run(Duration::from_millis(1), Drain::new()) => {}
        () = known => {}
    }
}

#[tokio::test]
async fn a_page_that_may_still_change_is_not_kept() {
    let world = World::new().await;
    let said = talk(&world, 2).await;
    let newest = world.say(1, "m2").await;
    let history = world.history().await;
    // One that is not full, and one before what is not stored.
    for (before, limit) in [(said[1], 3), (newest, 2)] {
        let range = PageRange::Before(before);
        page(&history, range, limit).await;
        let calls = world.at.store.calls();
        page(&history, range, limit).await;
        assert!(world.at.store.calls() > calls, "{range:?}");
    }
}

#[tokio::test]
async fn what_is_forgotten_is_read_and_written_again() {
    let world = World::new().await;
    let said = talk(&world, 6).await;
    let history = world.history().await;
    let written = AtomicUsize::new(0);
    let read_all = async || {
        for set in [set(&[]), set(&[2])] {
            for range in [PageRange::Before(said[4]), NEWEST] {
                let write = |events: &[Event]| {
                    written.fetch_add(1, Ordering::SeqCst);
                    plain(events)
                };
                let form = Form { name: "plain", write };
                history.written_page(&set, Audience::Visitor, range, 3, form).await.unwrap();
            }
        }
        written.swap(0, Ordering::SeqCst)
    };
    assert_eq!((read_all().await, read_all().await), (4, 0));
    history.forget(&key(3));
    assert_eq!(read_all().await, 0, "nothing of another conversation is forgotten");
    history.forget(&key(2));
    assert_eq!(read_all().await, 2, "what holds it beside another is");
    history.forget(&key(1));
    let calls = world.at.store.calls();
    assert_eq!(page(&history, NEWEST, 3).await.bytes, "m3 m4 m5");
    assert!(world.at.store.calls() > calls, "the store's answers are forgotten too");
    assert_eq!(read_all().await, 3, "all but the one that was read a line above");
}
