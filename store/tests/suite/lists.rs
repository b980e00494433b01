//! Lists of conversations, and the registers that they are made of.

use parlor_common::{
    clock::Timestamp,
    event::{Audience, Body, ChangeBody, Event, NoteBody, ProfileBody, RatingBody, StatusSet},
    id::ClientMessageId,
    position::Position,
    state::{Register, Status, Waiting},
};
use parlor_store::{InboxFilter, List, PageRange};

use super::harness::{Harness, NOON, at, last_sequences, sequences};

fn some(text: &str) -> Option<Option<String>> {
    Some(Some(text.to_owned()))
}

fn assigned_to(agent: &str) -> ChangeBody {
    ChangeBody { assignee: some(agent), ..ChangeBody::default() }
}

fn snoozed(until: i64) -> ChangeBody {
    let until = Some(Timestamp::from_millis(until));
    ChangeBody { status: Some(StatusSet { is: Status::Snoozed, until }), ..ChangeBody::default() }
}

fn of_status(status: Status) -> InboxFilter {
    InboxFilter { status: Some(status), ..InboxFilter::default() }
}

fn of_list(list: List) -> InboxFilter {
    InboxFilter { list, ..InboxFilter::default() }
}

async fn listed(t: &Harness, filter: &InboxFilter) -> Vec<u64> {
    let page = t.list(filter, Position::MAX, 100).await;
    assert_eq!(page.next, None);
    last_sequences(&page)
}

pub(crate) async fn changes_in_any_order_and_twice_end_the_same(t: &Harness) {
    let label = |label: &str, added| ChangeBody {
        labels: [(label.to_owned(), added)].into(),
        ..ChangeBody::default()
    };
    let all = [
        t.change(1, at(2), assigned_to("ann")),
        t.change(1, at(3), ChangeBody { team: some("sales"), ..assigned_to("ben") }),
        t.change(1, at(4), label("vip", true)),
        t.change(1, at(5), label("vip", false)),
        t.change(1, at(6), label("new", true)),
        t.change(1, at(7), ChangeBody { assignee: Some(None), ..ChangeBody::default() }),
        t.message(1, at(8)).event(),
    ];
    for turn in 0..all.len() {
        let mut shuffled: Vec<Event> = all.to_vec();
        shuffled.rotate_left(turn);
        t.insert(&shuffled[..3]).await;
        for event in shuffled.iter().rev() {
            t.insert(std::slice::from_ref(event)).await;
        }
        let state = t.state(1).await;
        assert_eq!(state.value(&Register::Assignee), None, "turned by {turn}");
        assert_eq!(state.value(&Register::Team), Some("sales"));
        assert_eq!(state.labels().collect::<Vec<_>>(), ["new"]);
        assert_eq!(state.registers()[&Register::Assignee].position, at(7));
    }
}

pub(crate) async fn a_list_holds_what_belongs_to_it_and_nothing_else(t: &Harness) {
    t.insert(&(1..=5).map(|n| t.message(n, at(u64::from(n))).event()).collect::<Vec<_>>()).await;
    t.insert(&[
        t.change(1, at(11), assigned_to("ann")),
        t.change(2, at(12), ChangeBody { team: some("sales"), ..assigned_to("ben") }),
        t.change(
            3,
            at(13),
            ChangeBody { labels: [("vip".to_owned(), true)].into(), ..ChangeBody::default() },
        ),
        t.message(4, at(14)).by_agent().event(),
    ])
    .await;
    assert_eq!(listed(t, &InboxFilter::default()).await, [14, 5, 3, 2, 1]);
    assert_eq!(listed(t, &of_list(List::Unassigned)).await, [14, 5, 3]);
    assert_eq!(listed(t, &of_list(List::Assignee("ann".to_owned()))).await, [1]);
    assert_eq!(listed(t, &of_list(List::Team("sales".to_owned()))).await, [2]);
    assert_eq!(listed(t, &of_list(List::Label("vip".to_owned()))).await, [3]);
    assert!(listed(t, &of_list(List::Label("ann".to_owned()))).await.is_empty());
    let waiting = |waiting| InboxFilter { waiting: Some(waiting), ..InboxFilter::default() };
    assert_eq!(listed(t, &waiting(Waiting::Visitor)).await, [14]);
    assert_eq!(listed(t, &waiting(Waiting::Team)).await, [5, 3, 2, 1]);
}

pub(crate) async fn a_closed_conversation_leaves_the_open_ones_until_its_visitor_writes(
    t: &Harness,
) {
    t.insert(&[t.message(1, at(1)).event(), t.message(2, at(2)).event()]).await;
    t.insert(&[t.change(1, at(3), ChangeBody::status(Status::Closed))]).await;
    assert_eq!(listed(t, &of_status(Status::Closed)).await, [1]);
    assert_eq!(listed(t, &of_status(Status::Open)).await, [2]);
    // What the team adds leaves it closed.
    t.insert(&[t.message(1, at(4)).by_agent().event()]).await;
    assert_eq!(listed(t, &of_status(Status::Closed)).await, [4]);
    t.insert(&[t.message(1, at(5)).event()]).await;
    assert_eq!(listed(t, &of_status(Status::Open)).await, [5, 2]);
    // Stored late, it changes nothing that came after it.
    t.insert(&[t.change(2, at(1), ChangeBody::status(Status::Closed))]).await;
    assert_eq!(listed(t, &of_status(Status::Open)).await, [5, 2]);
    assert!(listed(t, &of_status(Status::Closed)).await.is_empty());
}

pub(crate) async fn a_snoozed_conversation_comes_back_by_itself(t: &Harness) {
    t.insert(&[t.message(1, at(1)).event(), t.message(2, at(2)).event()]).await;
    t.insert(&[t.change(1, at(3), snoozed(NOON + 1)), t.change(2, at(4), snoozed(NOON))]).await;
    assert_eq!(listed(t, &of_status(Status::Snoozed)).await, [1]);
    assert_eq!(listed(t, &of_status(Status::Open)).await, [2]);
}

pub(crate) async fn a_visitor_is_found_by_the_last_e_mail_address(t: &Harness) {
    let email = |number, position, email: Option<&str>| {
        let email = Some(email.map(ToOwned::to_owned));
        t.other(number, position, Body::Profile(ProfileBody { email, ..ProfileBody::default() }))
    };
    t.insert(&(1..=3).map(|n| t.message(n, at(u64::from(n))).event()).collect::<Vec<_>>()).await;
    t.insert(&[
        email(1, at(11), Some("a@example.com")),
        email(2, at(12), Some("a@example.com")),
        email(2, at(13), Some("b@example.com")),
        email(3, at(14), Some("a@example.com")),
        email(3, at(15), None),
    ])
    .await;
    let by = |email: &str| InboxFilter { email: Some(email.to_owned()), ..InboxFilter::default() };
    assert_eq!(listed(t, &by("a@example.com")).await, [1]);
    assert_eq!(listed(t, &by("b@example.com")).await, [2]);
    assert!(listed(t, &by("A@example.com")).await.is_empty(), "it is found exactly");
    let proven =
        |email: &str, proven| ProfileBody { email: some(email), proven, ..ProfileBody::default() };
    t.insert(&[
        t.other(3, at(16), Body::Profile(proven("p@example.com", true))),
        t.other(3, at(17), Body::Profile(proven("c@example.com", false))),
    ])
    .await;
    assert_eq!(listed(t, &by("p@example.com")).await, [3], "by the one that is proven");
    assert!(listed(t, &by("c@example.com")).await.is_empty(), "though another is claimed later");
    let closed = InboxFilter { status: Some(Status::Closed), ..by("a@example.com") };
    assert!(listed(t, &closed).await.is_empty());
}

pub(crate) async fn pages_of_a_list_hold_each_conversation_once(t: &Harness) {
    let messages = (1..=60).map(|n| t.message(n, at(u64::from(n))).event());
    t.insert(&messages.collect::<Vec<_>>()).await;
    let changes = (1..=60_u32).filter(|n| n % 3 == 0);
    let changes = changes.map(|n| t.change(n, at(100 + u64::from(n)), assigned_to("ann")));
    t.insert(&changes.collect::<Vec<_>>()).await;
    let mine = of_list(List::Assignee("ann".to_owned()));
    for limit in [1, 7, 19, 20, 100] {
        let (mut met, mut before) = (Vec::new(), Position::MAX);
        loop {
            let page = t.list(&mine, before, limit).await;
            met.extend(last_sequences(&page));
            let Some(next) = page.next else { break };
            assert!(next < before, "the pages do not come to an end");
            before = next;
        }
        let all: Vec<u64> = (1..=60).rev().filter(|n| n % 3 == 0).collect();
        assert_eq!(met, all, "by {limit}");
    }
}

pub(crate) async fn what_is_known_of_a_visitor_comes_back_as_it_was(t: &Harness) {
    let odd = "  \u{202e}<b>é🦀\"\n 1 ";
    let profile = ProfileBody {
        name: some(odd),
        locale: some("pt-BR"),
        attributes: [
            (odd.to_owned(), Some(String::new())),
            ("gone".to_owned(), None),
            ("plan".to_owned(), Some(odd.to_owned())),
        ]
        .into(),
        ..ProfileBody::default()
    };
    t.insert(&[t.other(1, at(5), Body::Profile(profile))]).await;
    t.insert(&[t.other(1, at(6), Body::Rating(RatingBody { score: 4, comment: None }))]).await;
    let state = t.state(1).await;
    assert_eq!(state.value(&Register::Name), Some(odd));
    assert_eq!(state.value(&Register::Email), None);
    assert_eq!(state.value(&Register::Score), Some("4"));
    assert_eq!(state.attributes(), [(odd, ""), ("plan", odd)].into());
}

pub(crate) async fn notes_and_changes_are_rows_of_the_agents_alone(t: &Harness) {
    let client_message_id = ClientMessageId::parse("n").unwrap();
    let note = Body::Note(NoteBody { text: "psst".to_owned(), client_message_id });
    t.insert(&[
        t.message(1, at(1)).event(),
        t.other(1, at(2), note),
        t.change(1, at(3), assigned_to("ann")),
        t.message(1, at(4)).event(),
    ])
    .await;
    assert_eq!(sequences(&t.before(1, Position::MAX, 10).await), [1, 4]);
    let newest = PageRange::Before(Position::MAX);
    let page = t.store.page(&t.conversation(1), Audience::Agents, newest, 10).await.unwrap();
    assert_eq!(sequences(&page), [1, 2, 3, 4]);
    assert_eq!(page.events[1].record.body.kind().as_str(), "note");
    let last = t.inbox(Position::MAX, 10).await.rows.remove(0).state.last.unwrap();
    assert_eq!((last.position, last.preview.as_str()), (at(4), "message 1:4"));
}
