//! A replay is driven as a session drives it, against a model of a log whose ring moves on
//! meanwhile.

use bytes::Bytes;
use parlor_common::{
    author::{Author, AuthorKind},
    clock::Timestamp,
    conversation::ConversationKey,
    event::{Body, MessageBody, Record, Transport},
    id::{ClientMessageId, ConversationId, EventId},
    position::Epoch,
    tenant::TenantId,
};
use proptest::prelude::*;

use super::*;
use crate::feed::ring::{Ring, RingBound};

fn at(sequence: u64) -> Position {
    Position::new(Epoch::FIRST, sequence).unwrap()
}

fn event(sequence: u64) -> Event {
    Event {
        conversation: ConversationKey {
            tenant: TenantId::parse("a").unwrap(),
            id: ConversationId::from_bytes([1; 16]),
        },
        position: at(sequence),
        record: Record {
            id: EventId::from_bytes([0; 16]),
            author: Author { kind: AuthorKind::Agent, id: "a".to_owned(), name: None },
            session: None,
            transport: Transport::Rest,
            at: Timestamp::from_millis(0),
            arrived: Timestamp::from_millis(0),
            acceptance: sequence,
            body: Body::Message(MessageBody {
                text: "t".to_owned(),
                client_message_id: ClientMessageId::parse("m").unwrap(),
            }),
        },
        raw: Bytes::new(),
    }
}

/// A shard: what is ours of it, where it ends, and the ring of a node, which may lag behind the
/// end.
struct Model {
    ours: Vec<u64>,
    end: u64,
    ring: Ring<u64>,
}

impl Model {
    fn append(&mut self, ours: bool) {
        self.end += 1;
        if ours {
            self.ours.push(self.end);
        }
    }

    /// The tail brings the next one.
    fn follow(&mut self) {
        if self.ring.end() < at(self.end) {
            let next = self.ring.end().sequence() + 1;
            self.ring.push(at(next), 1, next);
        }
    }

    /// A page of the log: full, it is complete through its last event; else through the end.
    fn page(&self, after: Position, limit: usize) -> (Vec<Event>, Position) {
        let events: Vec<_> = self
            .ours
            .iter()
            .filter(|sequence| at(**sequence) > after)
            .take(limit)
            .map(|&s| event(s))
            .collect();
        let through = if events.len() == limit { events[limit - 1].position } else { at(self.end) };
        (events, through)
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_exactly_what_lies_after_since(
        before in prop::collection::vec(any::<bool>(), 0..40),
        during in prop::collection::vec((any::<bool>(), 0..3_u32), 40),
        lag in 0..10_usize,
        ring in 0..12_usize,
        page in 1..6_usize,
        since in 0..40_u64,
    ) {
        let ring = Ring::new(RingBound { events: ring, bytes: 1_000 }, at(0));
        let mut model = Model { ours: Vec::new(), end: 0, ring };
        before.iter().for_each(|ours| model.append(*ours));
        (0..before.len().saturating_sub(lag)).for_each(|_| model.follow());
        let since = since.min(model.end);
        let mut resume = Resume::new(at(since), 1_000, None);
        let mut shown: Vec<u64> = Vec::new();
        let mut moves = during.into_iter();
        let live_after = loop {
            // The ring as `Hub::attach` judges it.
            let (position, apart) = match resume.begin() {
                Begin::Claimed(position) => {
                    let (floor, end) = (model.ring.floor(), model.ring.end());
                    (position, position < floor || position > end)
                }
                Begin::Proven(position) => (position, position < model.ring.floor()),
                Begin::Now => unreachable!("a resume has a position"),
            };
            if !apart {
                let replayed = model.ring.after(position).map(|(_, sequence)| *sequence);
                shown.extend(replayed.filter(|sequence| model.ours.contains(sequence)));
                break model.ring.end().max(position);
            }
            let after = resume.read_after().unwrap();
            let (events, through) = model.page(after, page);
            let page = resume.page(events, through);
            shown.extend(page.iter().map(|event| event.position.sequence()));
            if let Some((ours, follows)) = moves.next() {
                model.append(ours);
                (0..follows).for_each(|_| model.follow());
            }
        };
        // From here on the hub shows what comes after that position.
        let before_live = model.ring.end();
        for _ in 0..50 {
            model.append(true);
            model.follow();
        }
        while model.ring.end() < at(model.end) {
            model.follow();
        }
        shown.extend(model.ours.iter().copied().filter(|sequence| at(*sequence) > live_after));
        let ours = model.ours.iter().copied();
        let expected: Vec<u64> = ours.filter(|sequence| *sequence > since).collect();
        prop_assert_eq!(shown, expected);
        prop_assert!(live_after >= before_live);
    }
}

#[test]
fn a_claimed_position_is_proven_by_the_first_page() {
    let mut resume = Resume::new(at(7), 3, None);
    assert_eq!(resume.begin(), Begin::Claimed(at(7)));
    assert_eq!(resume.read_after(), Ok(at(7)));
    assert!(resume.page(Vec::new(), at(7)).is_empty());
    assert_eq!(resume.begin(), Begin::Proven(at(7)));
}

#[test]
fn a_page_shows_nothing_beyond_what_it_is_complete_through() {
    let mut resume = Resume::new(at(1), 3, None);
    let shown = resume.page(vec![event(1), event(2), event(5)], at(4));
    assert_eq!(shown.iter().map(|event| event.position).collect::<Vec<_>>(), [at(2)]);
    assert_eq!(resume.begin(), Begin::Proven(at(4)));
    let shown = resume.page(vec![event(5)], at(6));
    assert_eq!(shown.len(), 1, "and shows it when it is");
}

#[test]
fn there_is_never_a_partial_replay() {
    let mut resume = Resume::new(at(1), 1, None);
    assert_eq!(resume.give_up(), GiveUp::Gap);
    resume.read_after().unwrap();
    resume.page(vec![event(2)], at(2));
    assert_eq!(
        resume.give_up(),
        GiveUp::Again,
        "what was shown stays right: the client goes on from there"
    );
    assert_eq!(resume.read_after(), Err(GiveUp::Again), "no more pages than allowed");
}

#[test]
fn what_was_shown_before_is_not_shown_again() {
    let mut resume = Resume::new(at(1), 3, Some(Coverage::new(at(3), at(5))));
    let shown = resume.page((2..=7).map(event).collect(), at(7));
    assert_eq!(
        shown.iter().map(|event| event.position.sequence()).collect::<Vec<_>>(),
        [2, 3, 6, 7]
    );
    assert_eq!(resume.coverage(), Coverage::new(at(1), at(7)));
}

#[test]
fn stretches_that_do_not_touch_are_not_one() {
    let resume = Resume::new(at(9), 3, Some(Coverage::new(at(3), at(5))));
    assert_eq!(resume.coverage(), Coverage::new(at(9), at(9)));
}
