//! Going forward from where a client says it is: everything after it, or an answer that says it
//! cannot be proven.

use parlor_common::position::Position;
use parlor_history::{HistoryError, Scope};

use crate::world::{MAX_AGE, World, set, tenant, texts_of};

#[tokio::test]
async fn forward_pages_hold_all_that_came_after() {
    let world = World::new().await;
    let start = world.say(1, "m0").await;
    for index in 1..10_u8 {
        world.say(index % 3, &format!("m{index}")).await;
    }
    world.persist(4).await;
    let history = world.history().await;
    for (scope, count) in [(Scope::Conversations(set(&[2])), 6), (Scope::Tenant(tenant()), 9)] {
        let (mut seen, mut after) = (Vec::new(), start);
        loop {
            let page = history.forward(&scope, after, 2).await.unwrap();
            seen.extend(texts_of(&page));
            assert!(page.through >= after);
            after = page.through;
            if !page.more {
                break;
            }
        }
        assert_eq!(seen.len(), count);
        assert!(seen.is_sorted());
    }
}

#[tokio::test]
async fn a_position_that_cannot_be_proven_is_not_known() {
    let mut world = World::new().await;
    let old = world.say(1, "old").await;
    world.persist(1).await;
    let ahead = Position::from_u64(old.as_u64() + 1).unwrap();
    let scopes = [Scope::Conversations(set(&[])), Scope::Tenant(tenant())];
    let history = world.history().await;
    for scope in &scopes {
        assert!(history.forward(scope, old, 10).await.is_ok());
        assert_eq!(
            history.forward(scope, ahead, 10).await.unwrap_err(),
            HistoryError::UnknownPosition
        );
        assert_eq!(
            history.forward(scope, Position::ZERO, 10).await.unwrap_err(),
            HistoryError::UnknownPosition
        );
    }
    world.lose_log().await;
    let history = world.history().await;
    for scope in &scopes {
        let of_another_epoch = history.forward(scope, old, 10).await;
        assert_eq!(of_another_epoch.unwrap_err(), HistoryError::UnknownPosition);
    }
}

#[tokio::test]
async fn older_than_the_log_a_visitor_reads_the_store_and_an_agent_is_told_of_the_gap() {
    let mut world = World::new().await;
    let first = world.say(1, "m0").await;
    for text in ["m1", "m2"] {
        world.say(1, text).await;
    }
    world.persist(3).await;
    world.advance(MAX_AGE * 2);
    let kept = world.say(1, "m3").await;
    world.forget_aged().await;
    let history = world.history().await;
    let page = history.forward(&Scope::Conversations(set(&[])), first, 10).await.unwrap();
    assert_eq!(texts_of(&page), ["m1", "m2", "m3"]);
    assert_eq!(page.through, kept);
    let of_tenant = history.forward(&Scope::Tenant(tenant()), first, 10).await;
    assert_eq!(of_tenant.unwrap_err(), HistoryError::UnknownPosition);
    let recent = history.forward(&Scope::Tenant(tenant()), kept.before(), 10).await.unwrap();
    assert_eq!(texts_of(&recent), ["m3"]);
}

#[tokio::test]
async fn forward_pages_are_full_of_messages_whatever_lies_between() {
    let world = World::new().await;
    let start = world.say(1, "m0").await;
    for index in 1..7 {
        let said = world.say(1, &format!("m{index}")).await;
        for mark in 0..3 {
            world.mark(1, Position::from_u64(said.as_u64() - mark).unwrap()).await;
        }
    }
    world.persist(9).await;
    let history = world.history().await;
    for scope in [Scope::Conversations(set(&[])), Scope::Tenant(tenant())] {
        let mut after = start;
        for (expected, more) in [(["m1", "m2"], true), (["m3", "m4"], true), (["m5", "m6"], false)]
        {
            let page = history.forward(&scope, after, 2).await.unwrap();
            let expected = expected.map(str::to_owned).to_vec();
            assert_eq!((texts_of(&page), page.more), (expected, more), "{scope:?}");
            after = page.through;
        }
        let page = history.forward(&scope, after, 2).await.unwrap();
        assert_eq!((page.events.len(), page.more, page.through), (0, false, after));
    }
}
