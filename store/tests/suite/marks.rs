//! Delivered marks: last values of a conversation, in no page and no inbox.

use parlor_common::{
    event::Event,
    position::{Epoch, Position},
    state::{ConversationState, Reader, Register},
};
use parlor_store::StoreError;

use super::harness::{Harness, at, sequences};

/// The marks of both readers of conversation 1 at some sequences, each ahead of what it marks.
fn marks(t: &Harness, visitor: &[u64], agent: &[u64]) -> Vec<Event> {
    let of = |reader, sequences: &[u64]| {
        let mark = |&up_to: &u64| t.mark(1, at(up_to + 1_000), reader, at(up_to));
        sequences.iter().map(mark).collect::<Vec<_>>()
    };
    [of(Reader::Visitor, visitor), of(Reader::Agent, agent)].concat()
}

fn state(visitor: u64, agent: u64) -> ConversationState {
    let mut state = ConversationState::default();
    for (reader, up_to) in [(Reader::Visitor, visitor), (Reader::Agent, agent)] {
        if up_to > 0 {
            state.write(Register::Delivered(reader), at(up_to), String::new());
        }
    }
    state
}

pub(crate) async fn a_conversation_without_marks_has_the_first_state(t: &Harness) {
    assert_eq!(t.state(1).await, ConversationState::default());
    t.insert(&t.messages(1, [1])).await;
    assert!(t.state(1).await.registers().is_empty());
}

pub(crate) async fn marks_in_any_order_and_twice_end_the_same(t: &Harness) {
    let all = marks(t, &[3, 9, 1, 4], &[8, 2, 5]);
    for turn in 0..all.len() {
        let mut shuffled = all.clone();
        shuffled.rotate_left(turn);
        t.insert(&shuffled[..3]).await;
        for mark in shuffled.iter().rev() {
            t.insert(std::slice::from_ref(mark)).await;
        }
        t.insert(&[shuffled.clone(), shuffled].concat()).await;
        assert_eq!(t.state(1).await, state(9, 8), "turned by {turn}");
    }
}

pub(crate) async fn a_lower_mark_changes_nothing_though_it_comes_later(t: &Harness) {
    t.insert(&[t.mark(1, at(10), Reader::Visitor, at(9))]).await;
    // Made later in the log, as by a second browser tab that has received less.
    t.insert(&[t.mark(1, at(2_000), Reader::Visitor, at(4))]).await;
    assert_eq!(t.state(1).await.delivered(Reader::Visitor), at(9));
    assert_eq!(t.state(1).await.delivered(Reader::Agent), Position::ZERO);
    let later = Position::new(Epoch::new(2).unwrap(), 1).unwrap();
    t.insert(&[t.mark(1, later, Reader::Visitor, later.before())]).await;
    t.insert(&[t.mark(1, at(5_000), Reader::Visitor, at(4_000))]).await;
    assert_eq!(
        t.state(1).await.delivered(Reader::Visitor),
        later.before(),
        "a later epoch is later"
    );
}

pub(crate) async fn a_conversation_of_marks_alone_shows_nowhere(t: &Harness) {
    t.insert(&[t.message(2, at(1)).event(), t.mark(1, at(5), Reader::Agent, at(4))]).await;
    assert!(t.all(1).await.is_empty());
    let mark = t.mark(1, at(5), Reader::Agent, at(4));
    assert!(t.store.find(&mark.conversation, &mark.record.id).await.unwrap().is_none());
    let inbox = t.inbox(Position::MAX, 10).await;
    let listed: Vec<_> = inbox.rows.iter().map(|row| row.conversation).collect();
    assert_eq!((listed, inbox.next), (vec![t.conversation(2).id], None));
    // The first message makes it a conversation like any other, and keeps the mark.
    t.insert(&[t.message(1, at(9)).event()]).await;
    assert_eq!(t.inbox(Position::MAX, 10).await.rows[0].position(), at(9));
    assert_eq!(t.state(1).await.delivered(Reader::Agent), at(4));
}

pub(crate) async fn marks_between_messages_change_no_page_and_no_inbox(t: &Harness) {
    let mut events = t.messages(1, [1, 3, 5]);
    for up_to in [1, 3, 5] {
        events.push(t.mark(1, at(up_to + 1), Reader::Agent, at(up_to)));
    }
    t.insert(&events).await;
    for (limit, expected, more) in [(2, vec![3, 5], true), (3, vec![1, 3, 5], false)] {
        let page = t.before(1, Position::MAX, limit).await;
        assert_eq!((sequences(&page), page.more), (expected, more));
    }
    let row = t.inbox(Position::MAX, 10).await.rows.remove(0);
    let last = row.state.last.unwrap();
    assert_eq!((last.position, last.preview.as_str()), (at(5), "message 1:5"));
    assert_eq!(*t.state(1).await.registers(), *state(0, 5).registers());
}

pub(crate) async fn marks_are_a_conversations_own(t: &Harness) {
    t.insert(&[t.mark(1, at(5), Reader::Visitor, at(4))]).await;
    assert_eq!(t.state(2).await, ConversationState::default());
    let foreign = parlor_common::conversation::ConversationKey {
        tenant: super::harness::new_tenant(),
        id: t.conversation(1).id,
    };
    assert_eq!(t.store.state(&foreign).await, Ok(ConversationState::default()));
}

pub(crate) async fn a_mark_ahead_of_its_own_event_is_refused(t: &Harness) {
    for up_to in [at(6), Position::MAX] {
        let ahead = t.mark(1, at(5), Reader::Visitor, up_to);
        assert!(matches!(t.store.insert(&[ahead]).await, Err(StoreError::Rejected(_))));
    }
    assert_eq!(t.state(1).await, ConversationState::default());
    t.insert(&[t.mark(1, at(5), Reader::Visitor, Position::ZERO)]).await;
    assert_eq!(t.state(1).await, ConversationState::default(), "nothing is no mark");
}
