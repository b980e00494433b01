//! Keeping events, and finding them again.

use parlor_common::{
    event::Event,
    message::{MAX_TEXT_BYTES, Text},
    position::{Epoch, Position},
    shard::Shard,
};
use parlor_store::StoreError;

use super::harness::{Harness, at, preview, sequences};

pub(crate) async fn the_same_event_twice_is_kept_once(t: &Harness) {
    let events = t.messages(1, [5]);
    t.insert(&events).await;
    t.insert(&[events[0].clone(), events[0].clone()]).await;
    assert_eq!(t.all(1).await.len(), 1);
    assert_eq!(t.inbox(Position::MAX, 10).await.rows.len(), 1);
}

pub(crate) async fn events_are_in_order_whatever_the_order_they_came_in(t: &Harness) {
    for sequence in [7, 3, 9, 1] {
        t.insert(&t.messages(1, [sequence])).await;
    }
    t.insert(&t.messages(1, [8, 2, 6])).await;
    assert_eq!(sequences(&t.before(1, Position::MAX, 10).await), [1, 2, 3, 6, 7, 8, 9]);
    assert_eq!(sequences(&t.after(1, Position::ZERO, 10).await), [1, 2, 3, 6, 7, 8, 9]);
}

pub(crate) async fn a_replay_changes_nothing_that_came_later(t: &Harness) {
    let (first, last) = (
        t.message(1, at(1)).text("zz first").event(),
        t.message(1, at(2)).text("aa last").by_agent().event(),
    );
    t.insert(std::slice::from_ref(&first)).await;
    t.insert(std::slice::from_ref(&last)).await;
    let before = t.inbox(Position::MAX, 10).await.rows;
    t.insert(std::slice::from_ref(&first)).await;
    assert_eq!(t.inbox(Position::MAX, 10).await.rows, before);
    assert_eq!((before[0].position(), preview(&before[0])), (at(2), "aa last"));
    assert_eq!(sequences(&t.before(1, Position::MAX, 10).await), [1, 2]);
}

pub(crate) async fn what_is_kept_is_the_record_as_it_was(t: &Harness) {
    let plain = t.message(1, at(1)).event();
    let text = String::from_utf8(plain.raw.to_vec()).unwrap();
    let later = text.replacen('{', r#"{ "of a later version": [1, 2.50, "\u00e9"],"#, 1);
    let event =
        Event::decode(plain.conversation, plain.position, later.into_bytes().into()).unwrap();
    t.insert(std::slice::from_ref(&event)).await;
    let kept = t.all(1).await.remove(0);
    assert_eq!((kept.raw, kept.record), (event.raw.clone(), event.record.clone()));
    let found = t.store.find(&t.conversation(1), &event.record.id).await.unwrap().unwrap();
    assert_eq!(
        (found.raw, found.position, found.conversation),
        (event.raw, event.position, event.conversation)
    );
}

pub(crate) async fn odd_text_comes_back_as_it_was(t: &Harness) {
    let texts = [
        "  \n\tspaces around  ",
        "\u{202e}right to left\u{200f} שלום مرحبا",
        "👩‍👩‍👧‍👦 e\u{301} \u{feff} \u{fffd} \u{10ffff}",
        "<script>alert('\"\\')</script> ; DROP TABLE messages; -- %s {} $1 ?",
        "\u{1}\u{7f}\u{85}\u{2028}",
        "NULL",
    ];
    let events = texts
        .iter()
        .zip(1..)
        .map(|(text, sequence)| t.message(1, at(sequence)).text(*text).event());
    t.insert(&events.collect::<Vec<_>>()).await;
    let kept = t.all(1).await;
    let kept: Vec<_> =
        kept.iter().map(|event| event.record.body.message().unwrap().text.as_str()).collect();
    assert_eq!(kept, texts);
    assert_eq!(preview(&t.inbox(Position::MAX, 1).await.rows[0]), "NULL");
}

pub(crate) async fn the_largest_texts_are_kept_in_one_insert(t: &Harness) {
    // Quotes take twice their size in the record: the largest that a record can be.
    let text = Text::parse("\"".repeat(MAX_TEXT_BYTES)).unwrap().into_string();
    let events: Vec<_> =
        (1..=60).map(|sequence| t.message(1, at(sequence)).text(text.clone()).event()).collect();
    t.insert(&events).await;
    let page = t.before(1, Position::MAX, 50).await;
    assert_eq!((page.events.len(), page.more), (50, true));
    assert!(page.events.iter().all(|event| event.record.body.message().unwrap().text == text));
}

pub(crate) async fn events_of_unknown_kind_are_skipped(t: &Harness) {
    let message = t.message(1, at(1)).event();
    let text = String::from_utf8(t.message(1, at(2)).event().raw.to_vec()).unwrap();
    let mark = text.replace(r#""kind":"message""#, r#""kind":"mark""#);
    let mark = Event::decode(t.conversation(1), at(2), mark.into_bytes().into()).unwrap();
    assert!(mark.record.body.message().is_none());
    t.insert(&[mark.clone(), message]).await;
    t.insert(&[mark]).await;
    t.insert(&[]).await;
    assert_eq!(sequences(&t.before(1, Position::MAX, 10).await), [1]);
    assert_eq!(t.inbox(Position::MAX, 10).await.rows[0].position(), at(1));
}

pub(crate) async fn an_insert_may_be_of_many_conversations(t: &Harness) {
    let events: Vec<_> =
        (0..1_500).map(|n| t.message(n % 500, at(u64::from(n) + 1)).event()).collect();
    t.insert(&events).await;
    for number in [0, 1, 250, 499] {
        let first = u64::from(number) + 1;
        assert_eq!(
            sequences(&t.before(number, Position::MAX, 10).await),
            [first, first + 500, first + 1_000]
        );
    }
    let page = t.inbox(Position::MAX, 1_000).await;
    assert_eq!((page.rows.len(), page.next), (500, None));
}

pub(crate) async fn an_event_at_position_zero_is_refused(t: &Harness) {
    let nowhere = t.message(1, Position::ZERO).event();
    assert!(matches!(t.store.insert(&[nowhere]).await, Err(StoreError::Rejected(_))));
}

pub(crate) async fn an_event_is_found_by_its_id(t: &Harness) {
    let events = t.messages(1, [1, 2, 1 << 20, (1 << 20) + 1]);
    t.insert(&events).await;
    for event in &events {
        let found = t.store.find(&event.conversation, &event.record.id).await.unwrap().unwrap();
        assert_eq!((found.position, found.record), (event.position, event.record.clone()));
    }
    let unknown = t.message(1, at(9)).event().record.id;
    assert!(t.store.find(&t.conversation(1), &unknown).await.unwrap().is_none());
    assert!(t.store.find(&t.conversation(2), &events[0].record.id).await.unwrap().is_none());
}

pub(crate) async fn an_id_that_came_twice_is_found_at_its_first_position(t: &Harness) {
    let once = |sequence| t.message(1, at(sequence)).with_client_id("same").event();
    t.insert(&[once(30)]).await;
    t.insert(&[once(20)]).await;
    t.insert(&[once(40)]).await;
    let found = t.store.find(&t.conversation(1), &once(20).record.id).await.unwrap().unwrap();
    assert_eq!(found.position, at(20));
}

pub(crate) async fn the_watermark_of_a_shard_only_rises(t: &Harness) {
    let (shard, other) = (Shard::new(7), Shard::new(8));
    assert_eq!(t.store.watermark(shard).await, Ok(None));
    t.store.raise_watermark(shard, Position::ZERO).await.unwrap();
    assert_eq!(t.store.watermark(shard).await, Ok(None));
    let second_epoch = Position::new(Epoch::new(2).unwrap(), 1).unwrap();
    for (raised, watermark) in
        [(at(5), at(5)), (at(4), at(5)), (second_epoch, second_epoch), (at(9), second_epoch)]
    {
        t.store.raise_watermark(shard, raised).await.unwrap();
        assert_eq!(t.store.watermark(shard).await, Ok(Some(watermark)));
    }
    assert_eq!(t.store.watermark(other).await, Ok(None));
}

pub(crate) async fn the_store_answers_a_ping(t: &Harness) {
    assert_eq!(t.store.ping().await, Ok(()));
}
