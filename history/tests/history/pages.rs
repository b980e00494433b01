//! Pages are the same however much of them is stored, and however old the news of it is.

use parlor_common::{event::Audience, position::Position};
use parlor_history::HistoryPage;
use parlor_store::PageRange;

use crate::world::{World, set, texts_of};

/// What was said, in order: where, and by which visitor.
type Said = Vec<(Position, u8, String)>;

async fn talk(world: &World, speakers: &[u8]) -> Said {
    let mut said = Vec::new();
    talk_on(world, &mut said, speakers).await;
    said
}

/// Adds to what was said; tells where the last of it lies.
async fn talk_on(world: &World, said: &mut Said, speakers: &[u8]) -> Position {
    for &speaker in speakers {
        let text = format!("m{}", said.len());
        said.push((world.say(speaker, &text).await, speaker, text));
    }
    said.last().unwrap().0
}

/// The page of what `visitors` said, worked out without log and store.
fn expected(said: &Said, visitors: &[u8], range: PageRange, limit: usize) -> (Vec<String>, bool) {
    let in_range = said
        .iter()
        .filter(|(position, speaker, _)| visitors.contains(speaker) && range.contains(*position));
    let mut texts: Vec<String> = in_range.map(|(_, _, text)| text.clone()).collect();
    let more = texts.len() > limit;
    match range {
        PageRange::Before(_) => drop(texts.drain(..texts.len().saturating_sub(limit))),
        PageRange::After(_) => texts.truncate(limit),
    }
    (texts, more)
}

fn assert_proven(page: &HistoryPage, said: &Said, visitors: &[u8], range: PageRange) {
    let PageRange::After(after) = range else { return };
    let proven = said.iter().filter(|(position, speaker, _)| {
        visitors.contains(speaker) && *position > after && *position <= page.through
    });
    assert_eq!(proven.count(), page.events.len(), "through {} after {after}", page.through);
}

#[tokio::test]
async fn a_page_has_no_hole_and_no_repeat_wherever_the_store_and_the_news_of_it_are() {
    let world = World::new().await;
    let said = talk(&world, &[1, 3, 1, 2, 1, 3, 2, 1]).await;
    every_page_is_right(&world, &said, said.len()).await;
}

#[tokio::test]
async fn marks_between_messages_take_no_place_on_a_page() {
    let world = World::new().await;
    let mut said = Vec::new();
    for speakers in [&[1, 2, 1][..], &[1, 3], &[1, 2]] {
        let last = talk_on(&world, &mut said, speakers).await;
        for mark in 0..3 {
            let up_to = Position::from_u64(last.as_u64() - mark).unwrap();
            world.mark(1, up_to).await;
        }
    }
    every_page_is_right(&world, &said, said.len() + 9).await;
}

/// Of the `events` in the log, the first `stored` are stored and the monitor knows of the first
/// `known`: every page of what was said, both ways, is what it should be.
async fn every_page_is_right(world: &World, said: &Said, events: usize) {
    let mut monitors = Vec::new();
    for stored in 0..=events {
        if stored > 0 {
            world.persist(1).await;
        }
        monitors.push(world.monitor().await);
        for (known, monitor) in monitors.iter().enumerate() {
            let history = world.history_of(monitor.clone());
            let bounds = said.iter().map(|(position, ..)| *position).chain([Position::MAX]);
            let before = bounds.map(PageRange::Before);
            let start = said[0].0.before();
            let after =
                said.iter().map(|(position, ..)| *position).chain([start]).map(PageRange::After);
            for range in before.chain(after) {
                for (limit, absorbed) in [(1, &[][..]), (2, &[2]), (3, &[2, 3]), (8, &[2, 3])] {
                    let visitors = [&[1], absorbed].concat();
                    let page = history
                        .page(&set(absorbed), Audience::Visitor, range, limit)
                        .await
                        .unwrap();
                    let case =
                        format!("{stored} stored, {known} known, {range:?}, {limit}, {absorbed:?}");
                    assert_eq!(
                        (texts_of(&page), page.more),
                        expected(said, &visitors, range, limit),
                        "{case}"
                    );
                    assert!(!page.incomplete, "{case}");
                    assert_proven(&page, said, &visitors, range);
                }
            }
        }
    }
}

#[tokio::test]
async fn the_newest_page_is_proven_up_to_what_was_accepted_last() {
    let world = World::new().await;
    let said = talk(&world, &[1, 2]).await;
    let history = world.history().await;
    let page = history
        .page(&set(&[]), Audience::Visitor, PageRange::Before(Position::MAX), 10)
        .await
        .unwrap();
    assert_eq!(texts_of(&page), ["m0"]);
    assert_eq!(page.through, said[1].0, "what follows comes after another visitor's message too");
    let nobodys = history
        .page(&set_of_nobody(), Audience::Visitor, PageRange::Before(Position::MAX), 10)
        .await
        .unwrap();
    assert_eq!((nobodys.events.len(), nobodys.more, nobodys.through), (0, false, said[1].0));
}

fn set_of_nobody() -> parlor_common::conversation::ConversationSet {
    parlor_common::conversation::ConversationSet::only(&crate::world::key(9))
}
