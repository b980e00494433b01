//! The inbox of a tenant.

use parlor_common::{
    clock::Timestamp,
    message::Sender,
    position::Position,
    state::{ConversationState, LastMessage, PREVIEW_CHARS},
};

use super::harness::{DAY, Harness, NOON, at, last_sequences, visitor};

pub(crate) async fn the_last_active_conversation_is_first(t: &Harness) {
    t.insert(&[
        t.message(1, at(1)).event(),
        t.message(2, at(2)).event(),
        t.message(3, at(3)).event(),
    ])
    .await;
    t.insert(&[t.message(1, at(4)).by_agent().text("again").at_millis(NOON + 5).event()]).await;
    let page = t.inbox(Position::MAX, 10).await;
    let order: Vec<_> = page.rows.iter().map(|row| row.conversation).collect();
    assert_eq!(order, [t.conversation(1).id, t.conversation(3).id, t.conversation(2).id]);
    let first = &page.rows[0];
    assert_eq!(
        first.state.last,
        Some(LastMessage {
            position: at(4),
            at: Timestamp::from_millis(NOON + 5),
            preview: "again".to_owned(),
            sender: Sender::Agent
        })
    );
    assert_eq!(page.next, None);
    let smallest = t.inbox(Position::MAX, 1).await;
    assert_eq!((last_sequences(&smallest), smallest.next), (vec![4], Some(at(4))));
}

pub(crate) async fn pages_of_the_inbox_hold_each_conversation_once(t: &Harness) {
    // 40 conversations on four days, each active on several of them.
    for day in 0..4_i64 {
        let active = (0..40).filter(|n| i64::from(*n) % 4 >= day || n % 7 == 0);
        let events = active.map(|n| {
            let sequence = u64::try_from(day).unwrap() * 1_000 + u64::from(n) * 37 % 100 + 1;
            t.message(n, at(sequence)).at_millis(NOON + day * DAY).event()
        });
        t.insert(&events.collect::<Vec<_>>()).await;
    }
    let whole = t.inbox(Position::MAX, 100).await;
    assert_eq!((whole.rows.len(), whole.next), (40, None));
    assert!(whole.rows.windows(2).all(|pair| pair[0].position() > pair[1].position()));
    for limit in [1, 3, 13, 39, 40] {
        let (mut rows, mut before) = (Vec::new(), Position::MAX);
        loop {
            let page = t.inbox(before, limit).await;
            assert!(page.rows.len() == limit || page.next.is_none());
            rows.extend(page.rows);
            assert!(rows.len() <= 40, "the pages do not come to an end");
            let Some(next) = page.next else { break };
            before = next;
        }
        assert_eq!(rows, whole.rows, "by {limit}");
    }
}

pub(crate) async fn a_conversation_of_several_days_is_listed_once_where_it_was_last_active(
    t: &Harness,
) {
    for (sequence, day) in [(10, 0), (20, 1), (30, 2)] {
        t.insert(&[t.message(1, at(sequence)).at_millis(NOON + day * DAY).event()]).await;
        t.insert(&[t
            .message(100 + u32::try_from(sequence).unwrap(), at(sequence + 1))
            .at_millis(NOON + day * DAY)
            .event()])
            .await;
    }
    assert_eq!(last_sequences(&t.inbox(Position::MAX, 10).await), [31, 30, 21, 11]);
    assert_eq!(
        last_sequences(&t.inbox(at(30), 10).await),
        [21, 11],
        "it was last active at 30, which is not before 30"
    );
    assert_eq!(last_sequences(&t.inbox(at(31), 2).await), [30, 21]);
}

pub(crate) async fn a_tenant_that_was_silent_for_long_is_listed_to_the_end(t: &Harness) {
    // One conversation that goes on for a hundred days hides behind its last one; the oldest is
    // three years back.
    t.insert(&[t.message(1, at(1)).at_millis(NOON - 1_000 * DAY).event()]).await;
    let days = (0..100).map(|day| {
        t.message(2, at(10 + u64::try_from(day).unwrap())).at_millis(NOON + day * DAY).event()
    });
    t.insert(&days.collect::<Vec<_>>()).await;
    let page = t.inbox(Position::MAX, 1).await;
    assert_eq!((last_sequences(&page), page.next), (vec![109], Some(at(109))));
    let page = t.inbox(at(109), 1).await;
    assert_eq!((last_sequences(&page), page.next), (vec![1], None));
}

pub(crate) async fn clocks_that_differ_at_midnight_lose_no_conversation(t: &Harness) {
    let midnight = (NOON / DAY + 1) * DAY;
    // Each of its own insert, since a day knows its last message only by and by.
    for (number, sequence, millis) in
        [(1, 10, 1), (2, 11, -9), (3, 12, 2), (4, 14, 3), (5, 16, 4), (6, 17, -8), (7, 18, 5)]
    {
        t.insert(&[t.message(number, at(sequence)).at_millis(midnight + millis).event()]).await;
    }
    let order = [18, 17, 16, 14, 12, 11, 10];
    assert_eq!(last_sequences(&t.inbox(Position::MAX, 10).await), order);
    let (mut met, mut before) = (Vec::new(), Position::MAX);
    for _ in order {
        let page = t.inbox(before, 1).await;
        before = page.rows[0].position();
        met.push(before.sequence());
    }
    assert_eq!(met, order);
}

pub(crate) async fn a_preview_ends_on_a_character(t: &Harness) {
    let long = "é🦀".repeat(PREVIEW_CHARS);
    t.insert(&[
        t.message(1, at(1)).text(long.clone()).event(),
        t.message(2, at(2)).text("🦀").event(),
    ])
    .await;
    let rows = t.inbox(Position::MAX, 10).await.rows;
    let preview = |row: usize| rows[row].state.last.as_ref().unwrap().preview.as_str();
    assert_eq!(preview(0), "🦀");
    assert_eq!(preview(1).chars().count(), PREVIEW_CHARS);
    assert!(long.starts_with(preview(1)));
}

pub(crate) async fn the_visitor_is_who_wrote_as_one(t: &Harness) {
    let said = |state: &ConversationState| {
        let of_visitor = state.of_visitor.map(|last| (last.position, last.visitor));
        (state.last.as_ref().map(|last| (last.position, last.sender)), of_visitor)
    };
    t.insert(&[t.message(1, at(1)).by_agent().event(), t.message(2, at(2)).by_bot().event()]).await;
    let rows = t.inbox(Position::MAX, 10).await.rows;
    assert_eq!(said(&rows[0].state), (Some((at(2), Sender::Bot)), None));
    assert_eq!(said(&rows[1].state), (Some((at(1), Sender::Agent)), None));
    t.insert(&[t.message(1, at(3)).event(), t.message(1, at(4)).by_agent().event()]).await;
    t.insert(&[t.message(1, at(5)).by_agent().event()]).await;
    // Kept later than the answer to it.
    t.insert(&[t.message(2, at(7)).by_agent().event()]).await;
    t.insert(&[t.message(2, at(6)).event()]).await;
    let rows = t.inbox(Position::MAX, 10).await.rows;
    let second = (Some((at(7), Sender::Agent)), Some((at(6), visitor(2))));
    assert_eq!(said(&rows[0].state), second);
    let first = (Some((at(5), Sender::Agent)), Some((at(3), visitor(1))));
    assert_eq!(said(&rows[1].state), first);
    assert_eq!(t.state(1).await, rows[1].state, "the row is the state");
}

pub(crate) async fn a_conversation_stays_listed_while_it_goes_on(t: &Harness) {
    t.insert(&t.messages(1, [1])).await;
    let writer = async {
        for sequence in 2..=100 {
            let day = i64::try_from(sequence).unwrap() % 5;
            t.insert(&[t.message(1, at(sequence)).at_millis(NOON + day * DAY).event()]).await;
        }
    };
    let mut writer = std::pin::pin!(writer);
    loop {
        tokio::select! {
            () = &mut writer => break,
            page = t.inbox(Position::MAX, 10) => {
                assert_eq!(page.rows.len(), 1, "the conversation is missing while a message of it \
                    is kept");
            }
        }
    }
}
