use bytes::Bytes;
use parlor_common::{
    author::{Author, AuthorKind},
    conversation::ConversationKey,
    event::{MarkedSocket, MessageBody, Record, Transport},
    id::{ClientMessageId, ConversationId, EventId},
    position::Epoch,
    state::Reader,
    tenant::TenantId,
};

use super::*;

fn at(sequence: u64) -> Position {
    Position::new(Epoch::FIRST, sequence).unwrap()
}

fn session(number: u8) -> SessionId {
    SessionId::from_bytes([number; 16])
}

/// The pages after these events, one of which comes in each second.
#[derive(Default)]
struct Story {
    tabs: Tabs,
    seconds: u64,
}

impl Story {
    fn event(&mut self, session: Option<SessionId>, body: Body) {
        self.seconds += 1;
        let record = Record {
            id: EventId::from_bytes([0; 16]),
            author: Author { kind: AuthorKind::Visitor, id: "v".to_owned(), name: None },
            session,
            transport: Transport::Socket,
            at: self.now(),
            arrived: self.now(),
            acceptance: 0,
            body,
        };
        let conversation = ConversationKey {
            tenant: TenantId::parse("a").unwrap(),
            id: ConversationId::from_bytes([1; 16]),
        };
        let position = at(self.seconds);
        self.tabs.apply(&Event { conversation, position, record, raw: Bytes::new() });
    }

    fn mark(mut self, number: u8, is: SocketIs, up_to: u64) -> Self {
        let socket = Some(MarkedSocket { session: session(number), is });
        let mark = DeliveredBody { socket, ..DeliveredBody::of(Reader::Visitor, at(up_to)) };
        self.event(Some(session(number)), Body::Delivered(mark));
        self
    }

    fn writes(mut self, number: u8) -> Self {
        let client_message_id = ClientMessageId::parse("m").unwrap();
        let text = "t".to_owned();
        let message = MessageBody { text, client_message_id };
        self.event(Some(session(number)), Body::Message(message));
        self
    }

    fn later(mut self, seconds: u64) -> Self {
        self.seconds += seconds;
        self
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000 * i64::try_from(self.seconds).unwrap())
    }

    fn missing(&self) -> Option<u64> {
        self.missing_but(&[])
    }

    fn missing_but(&self, open: &[u8]) -> Option<u64> {
        let is_open = |id| open.iter().any(|&number| session(number) == id);
        self.tabs.lowest_missing(self.now(), is_open).map(Position::sequence)
    }
}

#[test]
fn a_page_that_is_alone_goes_on_after_its_own_mark() {
    use SocketIs::{Back, Closed, Lost, Open};
    let story = Story::default().mark(1, Open, 10).mark(1, Open, 20);
    assert_eq!(story.missing(), Some(20), "its node may have been killed");
    let story = story.mark(1, Lost, 21);
    assert_eq!(story.missing(), Some(21));
    let story = story.mark(2, Back, 21).mark(2, Open, 30);
    assert_eq!(story.missing(), Some(30), "what was lost has come back");
    let story = story.mark(2, Closed, 30).mark(3, Open, 40);
    assert_eq!(story.missing(), Some(40), "a page that is gone does not come back");
}

#[test]
fn of_two_pages_the_least_informed_counts_while_it_may_be_missing() {
    use SocketIs::{Lost, Open};
    let story = Story::default().mark(1, Open, 10).mark(2, Open, 10).mark(1, Lost, 10);
    let story = story.mark(2, Open, 20);
    assert_eq!(story.missing(), Some(10));
    assert_eq!(story.missing_but(&[2]), Some(10));
    let story = story.later(50);
    assert_eq!(story.missing(), Some(10));
    let story = story.later(20);
    assert_eq!(story.missing(), Some(20), "it was lost over a minute ago");
}

#[test]
fn a_page_whose_node_was_killed_has_noted_nothing_and_counts_all_the_same() {
    use SocketIs::Open;
    let story = Story::default().mark(1, Open, 10).mark(2, Open, 10).mark(2, Open, 20);
    assert_eq!(story.missing(), Some(10));
    // Where the other one is known to be open, it is this one that comes back.
    assert_eq!(story.missing_but(&[2]), Some(10));
    assert_eq!(story.missing_but(&[1]), Some(20));
    assert_eq!(story.missing_but(&[1, 2]), None);
}

#[test]
fn which_of_two_has_come_back_is_known_once_the_other_is_heard_of_or_is_back_too() {
    use SocketIs::{Back, Lost, Open};
    let story = || Story::default().mark(1, Open, 10).mark(2, Open, 20).mark(3, Back, 10);
    let story_of_one = story().mark(3, Open, 30);
    assert_eq!(story_of_one.missing(), Some(10), "it may have been the second");
    assert_eq!(story_of_one.mark(2, Open, 30).missing(), Some(30), "it was the first");
    assert_eq!(story().mark(3, Open, 30).mark(4, Back, 10).missing(), Some(10));
    let both = story().mark(3, Open, 30).mark(4, Back, 10).mark(4, Open, 30);
    assert_eq!(both.mark(3, Lost, 31).missing(), Some(30), "both are back");
    let lost = Story::default().mark(1, Open, 10).mark(2, Open, 20).mark(1, Lost, 10);
    assert_eq!(lost.mark(3, Back, 10).mark(3, Open, 20).missing(), Some(20), "the lost one");
}

#[test]
fn a_page_that_has_written_is_there_before_its_first_mark() {
    use SocketIs::Open;
    let story = Story::default().writes(1).mark(2, Open, 1).mark(2, Open, 5);
    assert_eq!(story.missing(), Some(1));
    assert_eq!(story.writes(1).missing(), Some(1), "writing is not reading");
}
