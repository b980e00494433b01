//! Pages: everything that was acknowledged before the call, and how far that is proven.

use parlor_common::{conversation::ConversationKey, position::Position, tenant::TenantId};
use parlor_log::{Filter, LogError};

use super::{
    Bounds, Harness,
    tools::{
        ahead, append, append_from_many, append_to, conversation, end, id, persist, positions,
        record, shard, tenant, try_append, within,
    },
};

pub(crate) async fn a_page_holds_everything_acknowledged_before<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    let busy = append_from_many(&log, 3, 60);
    let checking = async {
        let mut last = start;
        for number in 0..60_usize {
            // The page is asked for in the very moment in which the append returned.
            let position = append_to(&log, 9, number).await;
            let page = log.read(&Filter::Conversation(conversation(9)), last, 1000).await.unwrap();
            assert_eq!(page.from, last);
            assert_eq!(positions(&page.entries), [position]);
            assert!(page.through >= position);
            let tenants = log.read(&Filter::Tenant(tenant()), last, 1000).await.unwrap();
            assert!(positions(&tenants.entries).contains(&position));
            last = page.through;
        }
    };
    tokio::join!(busy, checking);
}

pub(crate) async fn a_conversation_and_a_tenant_are_read_by_themselves<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    let other = ConversationKey { tenant: TenantId::parse("shop").unwrap(), ..conversation(1) };
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for number in 0..6 {
        first.push(append_to(&log, 1, number).await);
        second.push(append_to(&log, 2, number).await);
        // The same conversation id of another tenant is another conversation.
        try_append(&log, &other, &id(), record("foreign")).await.unwrap();
    }
    let read =
        async |filter: Filter| within("a page", log.read(&filter, start, 100)).await.unwrap();
    let of_first = read(Filter::Conversation(conversation(1))).await;
    assert_eq!(positions(&of_first.entries), first);
    assert!(of_first.entries.iter().all(|entry| entry.conversation == conversation(1)));
    assert_eq!(positions(&read(Filter::Conversation(conversation(2))).await.entries), second);

    let mut both = [first, second].concat();
    both.sort();
    let of_tenant = read(Filter::Tenant(tenant())).await;
    assert_eq!(positions(&of_tenant.entries), both);
    assert!(of_tenant.entries.iter().all(|entry| entry.conversation.tenant == tenant()));
}

pub(crate) async fn a_full_page_is_complete_through_its_last_event<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    let mut appended = Vec::new();
    for number in 0..10 {
        appended.push(append_to(&log, 1, number).await);
        append_to(&log, 2, number).await;
    }
    for filter in [Filter::Conversation(conversation(1)), Filter::Tenant(tenant())] {
        let whole = log.read(&filter, start, 100).await.unwrap();
        let (mut after, mut seen) = (start, Vec::new());
        loop {
            let page = log.read(&filter, after, 3).await.unwrap();
            assert_eq!(page.from, after);
            assert!(page.entries.len() <= 3);
            seen.extend(page.entries.iter().map(|entry| entry.position));
            after = page.through;
            if page.entries.len() < 3 {
                break;
            }
            assert!(page.through >= page.entries[2].position);
        }
        assert_eq!(seen, positions(&whole.entries));
        assert!(after >= appended[9]);
    }
}

pub(crate) async fn an_empty_page_tells_how_far_it_looked<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let start = end(&log).await;
    let empty = log.read(&Filter::Conversation(conversation(1)), start, 10).await.unwrap();
    assert_eq!((empty.entries.len(), empty.from, empty.through), (0, start, start));

    let last = append_to(&log, 2, "of another conversation").await;
    let page = log.read(&Filter::Conversation(conversation(1)), start, 10).await.unwrap();
    assert_eq!((page.entries.len(), page.from, page.through), (0, start, last));
    let at_end = log.read(&Filter::Tenant(tenant()), last, 10).await.unwrap();
    assert_eq!((at_end.entries.len(), at_end.from, at_end.through), (0, last, last));
}

pub(crate) async fn from_before_the_start_a_page_is_complete_after_the_start<H: Harness>() {
    let mut harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let first = append(&log, "first").await;
    for number in 0..4 {
        append(&log, number).await;
    }
    persist(&log, 5).await;
    harness.forget().await;
    let log = harness.log();
    let new = append(&log, "new").await;
    let start = log.state(shard(&log)).await.unwrap().start;
    assert!(start > first);
    for after in [Position::ZERO, first.epoch().start(), first] {
        let page = log.read(&Filter::Tenant(tenant()), after, 10).await.unwrap();
        assert_eq!(page.from, start, "after {after}");
        assert_eq!(page.entries.last().map(|entry| entry.position), Some(new));
        assert!(page.entries.iter().all(|entry| entry.position > start));
        assert_eq!(page.through, new);
    }
}

pub(crate) async fn ahead_of_the_end_or_of_a_later_epoch_is_rejected<H: Harness>() {
    let harness = H::fresh(Bounds::default()).await;
    let log = harness.log();
    let last = append(&log, "last").await;
    for after in [ahead(last, 1), last.epoch().next().unwrap().start(), Position::MAX] {
        for filter in [Filter::Conversation(conversation(1)), Filter::Tenant(tenant())] {
            let refused = within("a page", log.read(&filter, after, 10)).await;
            assert!(matches!(refused, Err(LogError::Rejected(_))), "after {after}: {refused:?}");
        }
    }
}
