//! Pages of a conversation.

use futures_util::future;
use parlor_common::{
    event::Audience,
    position::{Epoch, Position},
};
use parlor_store::PageRange;

use super::harness::{Harness, at, sequences};

/// Positions of one bucket: the CQL store's partitions end at its multiples.
const BUCKET: u64 = 1 << 20;

pub(crate) async fn a_page_before_a_position_holds_the_last_ones_before_it(t: &Harness) {
    t.insert(&t.messages(1, 1..=10)).await;
    for (bound, limit, expected, more) in [
        (Position::MAX, 3, vec![8, 9, 10], true),
        (Position::MAX, 10, (1..=10).collect(), false),
        (Position::MAX, 9, (2..=10).collect(), true),
        (at(5), 2, vec![3, 4], true),
        (at(5), 4, vec![1, 2, 3, 4], false),
        (at(2), 5, vec![1], false),
        (at(1), 5, vec![], false),
        (Position::ZERO, 5, vec![], false),
    ] {
        let page = t.before(1, bound, limit).await;
        assert_eq!((sequences(&page), page.more), (expected, more), "before {bound}, {limit}");
    }
}

pub(crate) async fn a_page_after_a_position_holds_the_first_ones_after_it(t: &Harness) {
    t.insert(&t.messages(1, 1..=10)).await;
    for (bound, limit, expected, more) in [
        (Position::ZERO, 3, vec![1, 2, 3], true),
        (Position::ZERO, 10, (1..=10).collect(), false),
        (Epoch::FIRST.start(), 9, (1..=9).collect(), true),
        (at(5), 2, vec![6, 7], true),
        (at(5), 5, vec![6, 7, 8, 9, 10], false),
        (at(9), 5, vec![10], false),
        (at(10), 5, vec![], false),
        (Position::MAX, 5, vec![], false),
    ] {
        let page = t.after(1, bound, limit).await;
        assert_eq!((sequences(&page), page.more), (expected, more), "after {bound}, {limit}");
    }
}

pub(crate) async fn a_row_of_the_agents_alone_is_in_no_page_of_the_visitors(t: &Harness) {
    t.insert(&[t.messages(1, [1, 3]), vec![t.link(1, at(2)), t.link(2, at(4))]].concat()).await;
    let page = async |number, audience| {
        let range = PageRange::Before(Position::MAX);
        t.store.page(&t.conversation(number), audience, range, 2).await.unwrap()
    };
    let visitors = page(1, Audience::Visitor).await;
    assert_eq!((sequences(&visitors), visitors.more), (vec![1, 3], false));
    let agents = page(1, Audience::Agents).await;
    assert_eq!((sequences(&agents), agents.more), (vec![2, 3], true));
    assert_eq!(sequences(&page(2, Audience::Agents).await), [4]);
    // It is no activity.
    let inbox = t.inbox(Position::MAX, 10).await;
    assert_eq!(
        inbox.rows.iter().map(|row| row.conversation).collect::<Vec<_>>(),
        [t.conversation(1).id]
    );
}

pub(crate) async fn pages_go_on_over_the_borders_of_buckets(t: &Harness) {
    let all: Vec<u64> = [0, 1, 5]
        .into_iter()
        .flat_map(|bucket| {
            [
                bucket * BUCKET + 1,
                bucket * BUCKET + 7,
                (bucket + 1) * BUCKET - 1,
                (bucket + 1) * BUCKET,
            ]
        })
        .collect();
    t.insert(&t.messages(1, all.iter().copied())).await;
    for limit in 1..=all.len() + 1 {
        for (index, &sequence) in all.iter().enumerate() {
            let page = t.before(1, at(sequence), limit).await;
            let start = index.saturating_sub(limit);
            assert_eq!(sequences(&page), all[start..index], "{limit} before {sequence}");
            assert_eq!(page.more, start > 0, "{limit} before {sequence}");
            let page = t.after(1, at(sequence), limit).await;
            let end = (index + 1 + limit).min(all.len());
            assert_eq!(sequences(&page), all[index + 1..end], "{limit} after {sequence}");
            assert_eq!(page.more, end < all.len(), "{limit} after {sequence}");
        }
    }
}

pub(crate) async fn pages_go_on_over_many_sparse_buckets_and_epochs(t: &Harness) {
    let positions: Vec<Position> = (1..=3)
        .flat_map(|epoch| (0..40).map(move |n| (epoch, n * 3 * BUCKET + n + 1)))
        .map(|(epoch, sequence)| Position::new(Epoch::new(epoch).unwrap(), sequence).unwrap())
        .collect();
    let events: Vec<_> = positions.iter().map(|&position| t.message(1, position).event()).collect();
    t.insert(&events).await;
    for limit in [1, 7, 33, 119, 120] {
        let (mut down, mut bound) = (Vec::new(), Position::MAX);
        loop {
            let page = t.before(1, bound, limit).await;
            bound = page.events[0].position;
            down.extend(page.events.into_iter().rev().map(|event| event.position));
            if !page.more {
                break;
            }
        }
        down.reverse();
        assert_eq!(down, positions, "down by {limit}");
        let (mut up, mut bound) = (Vec::new(), Position::ZERO);
        loop {
            let page = t.after(1, bound, limit).await;
            up.extend(page.events.into_iter().map(|event| event.position));
            bound = *up.last().unwrap();
            if !page.more {
                break;
            }
        }
        assert_eq!(up, positions, "up by {limit}");
    }
}

pub(crate) async fn an_empty_conversation_has_an_empty_page(t: &Harness) {
    for range in
        [PageRange::Before(Position::MAX), PageRange::Before(at(5)), PageRange::After(at(5))]
    {
        let page = t.store.page(&t.conversation(1), Audience::Agents, range, 50).await.unwrap();
        assert!(page.events.is_empty() && !page.more);
    }
    let inbox = t.inbox(Position::MAX, 50).await;
    assert!(inbox.rows.is_empty() && inbox.next.is_none());
}

pub(crate) async fn what_was_inserted_is_in_every_page_that_is_asked_for_afterwards(t: &Harness) {
    let (done, stop) = tokio::sync::watch::channel(false);
    let others = future::join_all((0..8).map(|_| {
        let stop = stop.clone();
        async move {
            let mut reads = 0;
            while !*stop.borrow() {
                t.before(1, Position::MAX, 5).await;
                reads += 1;
            }
            reads
        }
    }));
    let writer = async {
        for sequence in 1..=100 {
            t.insert(&t.messages(1, [sequence])).await;
            let page = t.before(1, Position::MAX, 5).await;
            assert_eq!(
                sequences(&page).last(),
                Some(&sequence),
                "the page is older than the insert"
            );
        }
        done.send(true).unwrap();
    };
    let (reads, ()) = tokio::join!(others, writer);
    assert!(reads.iter().all(|&reads| reads > 0));
}
