use std::time::Duration;

use futures_util::FutureExt;
use parlor_common::{
    author::{Author, AuthorKind},
    clock::Timestamp,
    conversation::{ConversationKey, ConversationSet},
    event::{Audience, Body, MessageBody, Record, Transport},
    id::{ClientMessageId, ConversationId, EventId, SessionId},
    keys::{InstallationKeys, Secret},
    metrics::Registry,
    position::Epoch,
};

use super::*;
use crate::{
    dialect::{Dialect, parlor1::Parlor1, widget::Widget},
    session::outbox::{Outbox, OutboxBound},
};

const SHARD: Shard = Shard::ONLY;

fn at(sequence: u64) -> Position {
    Position::new(Epoch::FIRST, sequence).unwrap()
}

fn hub(ring_events: usize) -> Arc<Hub> {
    let settings = FeedSettings {
        ring_events,
        ring_bytes: 64 << 20,
        linger: Duration::from_secs(30),
        live_within: Duration::from_secs(1),
        unwell_after: Duration::from_secs(15),
        stale_after: Duration::from_secs(16),
    };
    let keys = InstallationKeys::new(Secret::new(vec![1; 32]).unwrap(), None);
    let hub = Hub::new(
        Shards::ONE,
        &settings,
        Cursors::new(&keys),
        Metrics::new(&Registry::new()).unwrap(),
    );
    hub.begin(SHARD, at(0));
    hub
}

fn key(conversation: u8) -> ConversationKey {
    ConversationKey { tenant: tenant(), id: ConversationId::from_bytes([conversation; 16]) }
}

fn tenant() -> TenantId {
    TenantId::parse("a").unwrap()
}

fn session(byte: u8) -> SessionId {
    SessionId::from_bytes([byte; 16])
}

fn viewer(dialect: &'static dyn Dialect, frames: usize) -> Arc<Viewer> {
    let outbox = Outbox::new(OutboxBound { frames, bytes: 16 << 20 });
    Viewer::new(session(9), dialect, Audience::Visitor, outbox)
}

/// An entry whose text is its sequence.
fn entry(sequence: u64, conversation: u8, change: impl FnOnce(&mut Record)) -> Entry {
    let mut record = Record {
        id: EventId::from_bytes([0; 16]),
        author: Author { kind: AuthorKind::Visitor, id: "v".to_owned(), name: None },
        session: None,
        transport: Transport::Socket,
        at: Timestamp::from_millis(0),
        arrived: Timestamp::from_millis(100),
        acceptance: 0,
        body: Body::Message(MessageBody {
            text: format!("<{sequence}>"),
            client_message_id: ClientMessageId::parse("m").unwrap(),
        }),
    };
    change(&mut record);
    Entry {
        conversation: key(conversation),
        position: at(sequence),
        stored_at: Timestamp::from_millis(0),
        record: record.encode().unwrap(),
    }
}

fn publish(hub: &Hub, sequence: u64) {
    hub.publish(SHARD, entry(sequence, 1, |_| {}));
}

/// The sequences that were shown, in order; 0 for a frame of the session's own.
fn shown(viewer: &Viewer) -> Vec<u64> {
    let sequence = |frame: &Bytes| {
        let text = String::from_utf8_lossy(frame);
        text.split_once('<').and_then(|(_, rest)| rest.split_once('>')?.0.parse().ok()).unwrap_or(0)
    };
    viewer.outbox().take().frames.iter().map(sequence).collect()
}

fn own() -> Scope {
    Scope::Conversations(ConversationSet::only(&key(1)))
}

fn attach(
    hub: &Arc<Hub>,
    viewer: &Arc<Viewer>,
    scope: &Scope,
    begin: Begin,
) -> Result<Subscription, Apart> {
    hub.attach(viewer, scope, begin, None, |_| Some(Bytes::from_static(b"subscribed")))
}

#[test]
fn what_the_ring_holds_is_replayed_then_announced_then_all_that_follows() {
    let hub = hub(8);
    (1..=3).for_each(|sequence| publish(&hub, sequence));
    let viewer = viewer(&Parlor1, 100);
    let subscription = attach(&hub, &viewer, &own(), Begin::Claimed(at(1))).unwrap();
    publish(&hub, 4);
    assert_eq!(shown(&viewer), [2, 3, 0, 4]);
    drop(subscription);
    publish(&hub, 5);
    assert!(shown(&viewer).is_empty(), "a subscription that is dropped is over");
}

#[test]
fn a_position_below_the_floor_or_unproven_ahead_is_refused() {
    let hub = hub(2);
    (1..=4).for_each(|sequence| publish(&hub, sequence));
    let viewer = viewer(&Parlor1, 100);
    assert_eq!(attach(&hub, &viewer, &own(), Begin::Claimed(at(1))).unwrap_err(), Apart::Below);
    assert_eq!(attach(&hub, &viewer, &own(), Begin::Proven(at(1))).unwrap_err(), Apart::Below);
    assert_eq!(attach(&hub, &viewer, &own(), Begin::Claimed(at(5))).unwrap_err(), Apart::Ahead);
    let _at_the_floor = attach(&hub, &viewer, &own(), Begin::Claimed(at(2))).unwrap();
    assert_eq!(shown(&viewer), [3, 4, 0]);
}

#[test]
fn a_proven_position_ahead_of_a_ring_that_lags_skips_up_to_it() {
    let hub = hub(8);
    publish(&hub, 1);
    let viewer = viewer(&Parlor1, 100);
    let _subscription = attach(&hub, &viewer, &own(), Begin::Proven(at(3))).unwrap();
    (2..=5).for_each(|sequence| publish(&hub, sequence));
    assert_eq!(shown(&viewer), [0, 4, 5]);
}

#[test]
fn more_than_an_outbox_has_room_for_comes_in_parts() {
    let hub = hub(64);
    (1..=10).for_each(|sequence| publish(&hub, sequence));
    let viewer = viewer(&Parlor1, 8);
    let Err(Apart::Far(frames, through)) = attach(&hub, &viewer, &own(), Begin::Claimed(at(0)))
    else {
        panic!("ten do not fit into half of eight");
    };
    assert_eq!((frames.len(), through), (4, at(4)));
    assert!(shown(&viewer).is_empty(), "nothing has been shown, and nothing is live");
    let Err(Apart::Far(_, through)) = attach(&hub, &viewer, &own(), Begin::Proven(through)) else {
        panic!("six do not fit either");
    };
    let _subscription = attach(&hub, &viewer, &own(), Begin::Proven(through)).unwrap();
    assert_eq!(shown(&viewer), [9, 10, 0]);
}

#[test]
fn a_visitor_is_shown_the_own_conversation_and_an_agent_all_of_the_tenants() {
    let hub = hub(8);
    let (visitor, agent) = (viewer(&Parlor1, 100), viewer(&Parlor1, 100));
    let _visitor = attach(&hub, &visitor, &own(), Begin::Now).unwrap();
    let _agent = attach(&hub, &agent, &Scope::Tenant(tenant()), Begin::Now).unwrap();
    hub.publish(SHARD, entry(1, 1, |_| {}));
    hub.publish(SHARD, entry(2, 2, |_| {}));
    assert_eq!(shown(&visitor), [0, 1]);
    assert_eq!(shown(&agent), [0, 1, 2]);
}

#[test]
fn the_widget_is_never_shown_what_it_sent() {
    let hub = hub(8);
    let (widget, parlor1) = (viewer(&Widget, 100), viewer(&Parlor1, 100));
    let _widget = hub.attach(&widget, &own(), Begin::Now, None, |_| None).unwrap();
    let _parlor1 = hub.attach(&parlor1, &own(), Begin::Now, None, |_| None).unwrap();
    hub.publish(SHARD, entry(1, 1, |record| record.session = Some(session(9))));
    hub.publish(SHARD, entry(2, 1, |record| record.session = Some(session(8))));
    assert_eq!(shown(&widget), [2]);
    assert_eq!(shown(&parlor1), [1, 2], "protocol 1 is shown everything");
}

#[test]
fn a_post_is_shown_to_the_widget_only_if_it_had_answered_a_ping_before() {
    let hub = hub(8);
    let viewer = viewer(&Widget, 100);
    let _subscription = hub.attach(&viewer, &own(), Begin::Now, None, |_| None).unwrap();
    let posted = |sequence, arrived| {
        entry(sequence, 1, |record| {
            record.transport = Transport::Rest;
            record.arrived = Timestamp::from_millis(arrived);
        })
    };
    hub.publish(SHARD, posted(1, 100));
    viewer.answered(Timestamp::from_millis(200));
    viewer.answered(Timestamp::from_millis(400));
    hub.publish(SHARD, posted(2, 200));
    hub.publish(SHARD, posted(3, 201));
    hub.publish(
        SHARD,
        entry(4, 1, |record| {
            record.transport = Transport::Rest;
            record.author.kind = AuthorKind::Agent;
        }),
    );
    assert_eq!(shown(&viewer), [3, 4], "an agent's is shown whenever it came");
}

#[test]
fn a_slow_outbox_does_not_hold_up_the_others() {
    let hub = hub(8);
    let (slow, fast) = (viewer(&Parlor1, 1), viewer(&Parlor1, 100));
    let _slow = hub.attach(&slow, &own(), Begin::Now, None, |_| None).unwrap();
    let _fast = hub.attach(&fast, &own(), Begin::Now, None, |_| None).unwrap();
    (1..=3).for_each(|sequence| publish(&hub, sequence));
    assert_eq!(slow.outbox().ended(), Some(Ended::Slow));
    assert_eq!(shown(&fast), [1, 2, 3]);
}

#[test]
fn a_hole_sends_the_sessions_back_and_a_tail_that_goes_on_does_not() {
    let hub = hub(8);
    let viewer = viewer(&Parlor1, 100);
    let subscription = hub.attach(&viewer, &own(), Begin::Now, None, |_| None).unwrap();
    publish(&hub, 1);
    hub.begin(SHARD, at(1));
    publish(&hub, 2);
    assert_eq!(viewer.outbox().ended(), None);
    hub.begin(SHARD, at(5));
    assert_eq!(viewer.outbox().ended(), Some(Ended::Again));
    drop(subscription);
    hub.lost(SHARD);
    assert_eq!(attach(&hub, &viewer, &own(), Begin::Now).unwrap_err(), Apart::NotLive);
}

#[test]
fn what_an_earlier_subscription_has_shown_is_not_shown_again() {
    let hub = hub(8);
    (1..=2).for_each(|sequence| publish(&hub, sequence));
    let viewer = viewer(&Parlor1, 100);
    let first = attach(&hub, &viewer, &own(), Begin::Now).unwrap();
    publish(&hub, 3);
    let mut told = None;
    let first = first
        .replace(Begin::Claimed(at(2)), |attached| {
            told = Some(attached);
            None
        })
        .expect("it begins within the first one");
    assert_eq!(told, Some(Attached { position: at(3), replayed: 0 }));
    let ahead = attach(&hub, &self::viewer(&Parlor1, 100), &own(), Begin::Now).unwrap();
    assert_eq!(
        ahead.replace(Begin::Claimed(at(4)), |_| None).unwrap_err(),
        Coverage::new(at(3), at(3))
    );
    let shown_before = first.replace(Begin::Claimed(at(1)), |_| None).unwrap_err();
    assert_eq!(shown_before, Coverage::new(at(2), at(3)));
    let _second =
        hub.attach(&viewer, &own(), Begin::Claimed(at(0)), Some(shown_before), |_| None).unwrap();
    assert_eq!(shown(&viewer), [0, 3, 1, 2]);
}

#[test]
fn what_is_no_record_is_shown_to_nobody() {
    let hub = hub(8);
    let viewer = viewer(&Parlor1, 100);
    let _subscription = hub.attach(&viewer, &own(), Begin::Now, None, |_| None).unwrap();
    hub.publish(SHARD, Entry { record: Bytes::from_static(b"junk"), ..entry(1, 1, |_| {}) });
    publish(&hub, 2);
    assert_eq!(shown(&viewer), [2]);
}

/// The feed brings events at the very moment at which second subscriptions replace the first.
#[test]
fn a_replaced_subscription_shows_nothing_twice_or_out_of_order() {
    let hub = hub(20_000);
    (1..=2).for_each(|sequence| publish(&hub, sequence));
    let resubscribe = || {
        // The feed may bring all of it before this thread's next turn.
        let viewer = viewer(&Parlor1, 20_000);
        let before = hub.end(SHARD).unwrap().sequence() - 2;
        let begin = Begin::Claimed(at(before));
        let first = hub.attach(&viewer, &own(), Begin::Now, None, |_| None).unwrap();
        let by_first = first.replace(begin, |_| None).unwrap_err();
        let second = hub.attach(&viewer, &own(), begin, Some(by_first), |_| None).unwrap();
        drop(second);
        (before, shown(&viewer))
    };
    let resubscribed = std::thread::scope(|threads| {
        let feed = threads.spawn(|| (3..=15_000).for_each(|sequence| publish(&hub, sequence)));
        let mut resubscribed = Vec::new();
        while !feed.is_finished() {
            resubscribed.push(resubscribe());
        }
        resubscribed
    });
    for (before, shown) in resubscribed {
        // What the first one showed, what lies before that, and what follows it.
        let split = shown.iter().position(|&sequence| sequence == before + 1).unwrap();
        let (first, rest) = shown.split_at(split);
        let last = *shown.iter().max().unwrap();
        let expected: Vec<_> = match (first.first(), first.last()) {
            (Some(&from), Some(&to)) => (before + 1..from).chain(to + 1..=last).collect(),
            _ => (before + 1..=last).collect(),
        };
        assert!(first.is_sorted_by(|one, next| one + 1 == *next), "{shown:?}");
        assert_eq!(rest, expected, "{shown:?}");
    }
}

/// The sessions that were woken since the last look.
fn woken(viewers: &[Arc<Viewer>]) -> usize {
    let is_woken = |viewer: &&Arc<Viewer>| viewer.outbox().changed().now_or_never().is_some();
    viewers.iter().filter(is_woken).count()
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_woken_for_many_events_at_once_and_nothing_of_it_is_late() {
    let hub = hub(100);
    let crowd: Vec<_> = (0..100).map(|_| viewer(&Parlor1, 12)).collect();
    let all = Scope::Tenant(tenant());
    let _subscriptions: Vec<_> =
        crowd.iter().map(|member| attach(&hub, member, &all, Begin::Now).unwrap()).collect();
    let lone = viewer(&Parlor1, 8);
    let _lone = attach(&hub, &lone, &own(), Begin::Now).unwrap();
    crowd.iter().chain([&lone]).for_each(|member| drop(shown(member)));
    woken(&crowd);
    let alone = [lone];
    woken(&alone);

    publish(&hub, 1);
    assert_eq!((woken(&crowd), woken(&alone)), (100, 1), "after a silence");
    publish(&hub, 2);
    assert_eq!((woken(&crowd), woken(&alone)), (0, 1), "who is no crowd does not wait");
    let due = hub.wake(SHARD).expect("something waits");
    assert!(due - Instant::now() <= Duration::from_millis(25));
    // Three frames are a quarter of an outbox.
    crowd[..50].iter().for_each(|member| assert_eq!(shown(member), [1, 2]));
    publish(&hub, 3);
    assert_eq!(woken(&crowd), 50, "those whose outboxes fill up");
    tokio::time::sleep_until(due).await;
    assert_eq!((hub.wake(SHARD), woken(&crowd)), (None, 100));
    crowd[50..].iter().for_each(|member| assert_eq!(shown(member), [1, 2, 3]));

    crowd[..50].iter().for_each(|member| assert_eq!(shown(member), [3]));
    tokio::time::advance(Duration::from_micros(100)).await;
    publish(&hub, 4);
    assert_eq!(woken(&crowd), 0);
    hub.wake_all(SHARD);
    assert_eq!((woken(&crowd), hub.wake(SHARD)), (100, None), "the tail has ended");
}
