use proptest::prelude::*;

use super::*;
use crate::{
    author::Author,
    conversation::ConversationKey,
    event::{MessageBody, Record, Transport},
    id::{ClientMessageId, ConversationId, EventId},
    position::Epoch,
    tenant::TenantId,
};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn at(sequence: u64) -> Position {
    Position::new(Epoch::FIRST, sequence).unwrap()
}

fn event(sequence: u64, kind: AuthorKind, body: Body) -> Event {
    let id = match kind {
        AuthorKind::Visitor => VisitorId::from_bytes([1; 16]).to_string(),
        AuthorKind::Agent | AuthorKind::Bot => "ann".to_owned(),
    };
    let record = Record {
        id: EventId::from_bytes([0; 16]),
        author: Author { kind, id, name: None },
        session: None,
        transport: Transport::Rest,
        at: Timestamp::from_millis(i64::try_from(sequence).unwrap()),
        arrived: NOW,
        acceptance: 0,
        body,
    };
    Event {
        conversation: ConversationKey {
            tenant: TenantId::parse("a").unwrap(),
            id: ConversationId::from_bytes([1; 16]),
        },
        position: at(sequence),
        raw: record.encode().unwrap(),
        record,
    }
}

fn message(sequence: u64, kind: AuthorKind) -> Event {
    let client_message_id = ClientMessageId::parse("m").unwrap();
    let text = format!("message {sequence}");
    event(sequence, kind, Body::Message(MessageBody { text, client_message_id }))
}

fn set(sequence: u64, is: Status, until: Option<i64>) -> Event {
    let until = until.map(Timestamp::from_millis);
    let change = ChangeBody { status: Some(StatusSet { is, until }), ..ChangeBody::default() };
    event(sequence, AuthorKind::Agent, Body::Change(change))
}

fn state(events: &[Event]) -> ConversationState {
    let mut state = ConversationState::default();
    events.iter().for_each(|event| state.apply(event));
    state
}

fn words() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[ab]{1,2}")
}

fn body() -> impl Strategy<Value = (AuthorKind, Body)> {
    let agents = |body| (AuthorKind::Agent, body);
    let status = prop::sample::select([Status::Open, Status::Snoozed, Status::Closed].as_slice());
    let client_message_id = ClientMessageId::parse("m").unwrap();
    prop_oneof![
        (any::<bool>(), "[a-z]{1,4}").prop_map(move |(by_visitor, text)| {
            let kind = if by_visitor { AuthorKind::Visitor } else { AuthorKind::Agent };
            let client_message_id = client_message_id.clone();
            (kind, Body::Message(MessageBody { text, client_message_id }))
        }),
        (any::<bool>(), 0_u64..50).prop_map(|(visitor, up_to)| {
            let reader = if visitor { Reader::Visitor } else { Reader::Agent };
            (AuthorKind::Visitor, Body::Delivered(DeliveredBody::of(reader, at(up_to))))
        }),
        (words(), 0_u64..50).prop_map(move |(agent, up_to)| {
            agents(Body::Read(ReadBody { agent, up_to: at(up_to) }))
        }),
        (prop::option::of(status), words(), prop::option::of(words()), "[xy]", any::<bool>())
            .prop_map(move |(status, team, assignee, label, added)| {
                let status = status.map(|is| StatusSet { is, until: None });
                let (team, labels) = (team.map(Some), [(label, added)].into());
                agents(Body::Change(ChangeBody { status, assignee, team, labels }))
            }),
        (prop::option::of(words()), words(), any::<bool>()).prop_map(|(name, plan, proven)| {
            let attributes = [("plan".to_owned(), plan)].into();
            let profile = ProfileBody { name, attributes, proven, ..ProfileBody::default() };
            (AuthorKind::Visitor, Body::Profile(profile))
        }),
        (1_u8..=5).prop_map(|score| {
            (AuthorKind::Visitor, Body::Rating(RatingBody { score, comment: None }))
        }),
    ]
}

proptest! {
    #[test]
    fn events_that_come_late_or_twice_end_in_the_same_state(
        (once, shuffled, split) in prop::collection::vec(body(), 0..20).prop_flat_map(|bodies| {
            let once: Vec<Event> = (1..)
                .zip(bodies)
                .map(|(sequence, (kind, body))| event(sequence, kind, body))
                .collect();
            let twice = [once.clone(), once.clone()].concat();
            (Just(once), Just(twice).prop_shuffle(), any::<prop::sample::Index>())
        })
    ) {
        let whole = state(&once);
        prop_assert_eq!(&whole, &state(&shuffled));
        if !shuffled.is_empty() {
            let (first, second) = shuffled.split_at(split.index(shuffled.len()));
            let mut merged = state(second);
            merged.merge(state(first));
            prop_assert_eq!(whole, merged);
        }
    }
}

#[test]
fn a_closed_conversation_is_open_once_its_visitor_writes_again() {
    use AuthorKind::{Agent, Visitor};
    let closed = [message(1, Visitor), set(2, Status::Closed, None), message(3, Agent)];
    assert_eq!(state(&closed).status(NOW), (Status::Closed, None));
    let again = [&closed[..], &[message(4, Visitor)]].concat();
    assert_eq!(state(&again).status(NOW), (Status::Open, None));
    let closed_again = [&again[..], &[set(5, Status::Closed, None)]].concat();
    assert_eq!(state(&closed_again).status(NOW), (Status::Closed, None));
}

#[test]
fn a_snoozed_conversation_is_open_once_its_time_has_passed() {
    let snoozed = state(&[set(2, Status::Snoozed, Some(NOW.as_millis() + 1))]);
    let until = NOW.plus(std::time::Duration::from_millis(1));
    assert_eq!(snoozed.status(NOW), (Status::Snoozed, Some(until)));
    assert_eq!(snoozed.status(until), (Status::Open, None));
}

#[test]
fn what_the_visitor_wrote_is_unread_until_an_agent_has_read_it() {
    let read = |agent: &str, up_to| {
        let read = ReadBody { agent: Some(agent.to_owned()), up_to: at(up_to) };
        event(9, AuthorKind::Agent, Body::Read(read))
    };
    let written = [message(3, AuthorKind::Visitor), message(5, AuthorKind::Agent)];
    assert!(state(&written).is_unread());
    let half = state(&[&written[..], &[read("ann", 2)]].concat());
    assert!(half.is_unread() && half.is_unread_by("ann"));
    let all = state(&[&written[..], &[read("ann", 3)]].concat());
    assert!(!all.is_unread() && !all.is_unread_by("ann") && all.is_unread_by("ben"));
    assert_eq!(all.waiting(), Some(Waiting::Visitor));
    assert!(!state(&[message(1, AuthorKind::Agent)]).is_unread());
}

#[test]
fn what_the_tenant_says_of_the_visitor_goes_before_what_is_claimed_whenever_it_comes() {
    let profile = |sequence, name: Option<&str>, plan: Option<&str>, proven| {
        let name = Some(name.map(ToOwned::to_owned));
        let attributes = [("plan".to_owned(), plan.map(ToOwned::to_owned))].into();
        let profile = ProfileBody { name, attributes, proven, ..ProfileBody::default() };
        (profile.clone(), event(sequence, AuthorKind::Visitor, Body::Profile(profile)))
    };
    let (_, claimed) = profile(2, Some("Mallory"), Some("gold"), false);
    let (said, proven) = profile(1, Some("Vera"), Some("free"), true);
    let only_claimed = state(std::slice::from_ref(&claimed));
    let both = state(&[claimed.clone(), proven.clone()]);
    assert_eq!(both.value(&Register::Name), Some("Vera"));
    assert_eq!(both.attributes(), [("plan", "free")].into());
    assert!(both.is_proven(&Register::Name) && !both.is_proven(&Register::Email));
    assert!(both.knows(&said) && !only_claimed.knows(&said));
    assert_eq!((both.proven_at(), only_claimed.proven_at()), (at(1), Position::ZERO));

    let (_, withdrawn) = profile(3, None, None, true);
    let after = state(&[withdrawn, claimed, proven]);
    assert_eq!(after.value(&Register::Name), Some("Mallory"), "it is only claimed now");
    assert_eq!(after.attributes(), [("plan", "gold")].into());
    assert!(!after.is_proven(&Register::Name) && !after.knows(&said));
}
