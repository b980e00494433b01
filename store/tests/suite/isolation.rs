//! Tenants and conversations are apart.

use parlor_common::{
    conversation::ConversationKey,
    event::{Audience, Event},
    position::Position,
};
use parlor_store::PageRange;

use super::harness::{Harness, at, inbox_of, new_tenant, preview};

pub(crate) async fn a_conversation_is_not_reached_from_another_tenant(t: &Harness) {
    let event = t.message(1, at(1)).event();
    t.insert(std::slice::from_ref(&event)).await;
    let foreign = ConversationKey { tenant: new_tenant(), id: event.conversation.id };
    for range in [
        PageRange::Before(Position::MAX),
        PageRange::After(Position::ZERO),
        PageRange::Before(at(2)),
    ] {
        assert!(
            t.store.page(&foreign, Audience::Agents, range, 10).await.unwrap().events.is_empty()
        );
    }
    assert!(t.store.find(&foreign, &event.record.id).await.unwrap().is_none());
    assert!(inbox_of(&*t.store, &foreign.tenant).await.unwrap().rows.is_empty());

    // The same conversation id, event id and position under another tenant are other rows.
    let text = String::from_utf8(event.raw.to_vec()).unwrap().replace("message 1:1", "theirs");
    let theirs = Event::decode(foreign.clone(), event.position, text.into_bytes().into()).unwrap();
    t.insert(std::slice::from_ref(&theirs)).await;
    assert_eq!(t.all(1).await[0].raw, event.raw);
    assert_eq!(preview(&t.inbox(Position::MAX, 10).await.rows[0]), "message 1:1");
    let found = t.store.find(&foreign, &theirs.record.id).await.unwrap().unwrap();
    assert_eq!((found.raw, found.conversation), (theirs.raw, foreign.clone()));
    assert_eq!(preview(&inbox_of(&*t.store, &foreign.tenant).await.unwrap().rows[0]), "theirs");
}

pub(crate) async fn conversations_of_a_tenant_are_apart(t: &Harness) {
    t.insert(&[t.message(1, at(1)).event(), t.message(2, at(2)).event()]).await;
    let (first, second) = (t.all(1).await, t.all(2).await);
    assert_eq!((first.len(), first[0].position), (1, at(1)));
    assert_eq!((second.len(), second[0].position), (1, at(2)));
    assert!(t.store.find(&t.conversation(2), &first[0].record.id).await.unwrap().is_none());
}
