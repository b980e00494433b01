//! Recorded runs, each with one thing wrong: the verdict must name it, and where.

use super::*;

const ONE: Conversation = Conversation { tenant: 0, number: 0 };
const OTHER: Conversation = Conversation { tenant: 0, number: 2 };
const FOREIGN: Conversation = Conversation { tenant: 1, number: 1 };

/// A run of one visitor with two tabs of protocol 1, its widget, an agent and a stranger, which
/// went well so far.
struct Run {
    ledger: Ledger,
    author: Client,
    tab: Client,
    widget: Client,
    agent: Client,
    tags: Vec<Tag>,
    histories: HashMap<Conversation, History>,
}

impl Verdict {
    /// Whether nothing at all is wrong, and everything was judged.
    fn is_clean(&self) -> bool {
        self.total() == 0 && self.unread.is_empty()
    }
}

fn id(number: u32) -> EventId {
    let mut bytes = [0; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    EventId::from_bytes(bytes)
}

fn entry(tag: Tag) -> Entry {
    Entry { tag: Some(tag), id: id(tag.number + 1000 * tag.conversation.number) }
}

fn history(entries: Vec<Entry>) -> History {
    History { id: None, entries: Ok(entries), rows: None }
}

impl Run {
    /// Five drafts, accepted and in history; what is shown is up to the test.
    fn new() -> Self {
        let ledger = Ledger::new(Texts::new(1, 64), Instant::now());
        let client = |expects, tab| {
            let client = ledger.client(expects, tab);
            ledger.subscribed(client, true);
            client
        };
        let author = client(Expects::Conversation(ONE), 0);
        let tab = client(Expects::Conversation(ONE), 1);
        let widget = client(Expects::Widget(ONE), 2);
        let agent = client(Expects::Tenant(0), 0);
        let mut run = Self {
            ledger,
            author,
            tab,
            widget,
            agent,
            tags: Vec::new(),
            histories: HashMap::new(),
        };
        run.tags = (0..5).map(|_| run.accepted(author, ONE)).collect();
        run.histories.insert(ONE, history(run.tags.iter().copied().map(entry).collect()));
        run
    }

    fn sent(&self, author: Client, conversation: Conversation, transport: Transport) -> Tag {
        let intended = Instant::now();
        self.ledger.sends(Sending { author, conversation, transport, session: 0, intended })
    }

    fn accepted(&self, author: Client, conversation: Conversation) -> Tag {
        let tag = self.sent(author, conversation, Transport::Identified);
        self.ledger.answered(tag, Outcome::Accepted(Some(entry(tag).id)));
        tag
    }

    fn show(&self, client: Client, tags: &[Tag]) {
        for &tag in tags {
            self.ledger.shown(client, &self.ledger.texts().write(tag));
        }
    }

    /// Shows everything to all, except to `without`.
    fn show_all(&self, without: Option<Client>) {
        for client in [self.author, self.tab, self.widget, self.agent] {
            if Some(client) != without {
                self.show(client, &self.tags);
            }
        }
    }

    fn entries(&mut self) -> &mut Vec<Entry> {
        self.histories.get_mut(&ONE).unwrap().entries.as_mut().unwrap()
    }

    fn judge(&self) -> Verdict {
        self.ledger.judge(&self.histories)
    }

    /// The one fault that there is.
    fn fault(&self) -> (FaultKind, String) {
        let verdict = self.judge();
        assert_eq!(verdict.total(), 1, "{:#?}", verdict.faults);
        let fault = &verdict.faults[0];
        (fault.kind, fault.to_string())
    }
}

fn assert_says(fault: &(FaultKind, String), kind: FaultKind, words: &[&str]) {
    assert_eq!(fault.0, kind, "{}", fault.1);
    for word in words {
        assert!(fault.1.contains(word), "{word:?} is not in {:?}", fault.1);
    }
}

#[test]
fn a_run_that_went_well_is_clean() {
    let run = Run::new();
    run.show_all(None);
    assert_eq!(run.ledger.awaited(), 0);
    let verdict = run.judge();
    assert!(verdict.is_clean(), "{verdict:#?}");
    assert_eq!((verdict.in_history, verdict.widgets_shown, verdict.widgets_of), (5, 5, 5));
    assert_eq!(run.ledger.counts().accepted, 5);
}

#[test]
fn what_was_accepted_and_is_not_in_history_is_lost_and_where_is_told() {
    for (number, place) in [(0, "before all"), (2, "in the middle"), (4, "after all")] {
        let mut run = Run::new();
        run.show_all(None);
        run.entries().remove(number);
        let draft = format!("tenant 0 conversation 0 draft {number}");
        assert_says(&run.fault(), FaultKind::Lost, &["history", &draft, "was accepted", place]);
    }
    let mut run = Run::new();
    run.histories.get_mut(&ONE).unwrap().id = Some(ConversationId::from_bytes([7; 16]));
    run.entries().remove(0);
    run.show_all(None);
    assert_says(&run.fault(), FaultKind::Lost, &["the server calls the conversation 0707"]);
    let mut run = Run::new();
    run.entries().clear();
    run.show_all(None);
    let verdict = run.judge();
    assert_eq!((verdict.lost, verdict.lost_at.postfix), (5, 5));
}

#[test]
fn what_was_shown_was_accepted_and_is_lost_without_an_answer_too() {
    let run = Run::new();
    run.show_all(None);
    let tag = run.sent(run.author, ONE, Transport::Identified);
    assert!(run.judge().is_clean(), "an unknown draft may be absent");
    assert_eq!(run.judge().unanswered, 1);
    for client in [run.author, run.tab, run.agent, run.widget] {
        run.show(client, &[tag]);
    }
    assert_says(&run.fault(), FaultKind::Lost, &["draft 5", "was shown to a client", "after all"]);
}

#[test]
fn a_widgets_frame_may_be_absent_only_where_its_socket_ended() {
    let run = Run::new();
    run.show_all(None);
    run.sent(run.widget, ONE, Transport::Frame);
    assert_says(&run.fault(), FaultKind::Lost, &["draft 5", "on a socket that lived on"]);
    run.ledger.lost(run.widget);
    let verdict = run.judge();
    assert!(verdict.is_clean(), "{:#?}", verdict.faults);
    assert_eq!((verdict.unknown_absent, verdict.unanswered), (1, 0));
}

#[test]
fn an_unknown_or_failed_draft_may_be_there_but_never_twice() {
    for outcome in [Outcome::Unknown, Outcome::Failed] {
        let mut run = Run::new();
        let tag = run.sent(run.author, ONE, Transport::Identified);
        run.ledger.answered(tag, outcome);
        run.tags.push(tag);
        run.entries().push(entry(tag));
        run.show_all(None);
        assert!(run.judge().is_clean(), "{:#?}", run.judge());
        run.entries().push(Entry { tag: Some(tag), id: id(99) });
        assert_says(
            &run.fault(),
            FaultKind::Doubled,
            &["history", "draft 5", "at 5 and again at 6"],
        );
    }
}

#[test]
fn what_was_refused_must_not_be_there() {
    let mut run = Run::new();
    let tag = run.sent(run.author, ONE, Transport::Identified);
    run.ledger.answered(tag, Outcome::Refused);
    run.tags.push(tag);
    run.show_all(None);
    run.entries().push(entry(tag));
    assert_says(&run.fault(), FaultKind::Invented, &["draft 5", "refused"]);
}

#[test]
fn what_a_client_was_promised_and_not_shown_is_missing() {
    let run = Run::new();
    for (client, name) in [
        (run.tab, "parlor.1 client of tenant 0 conversation 0 (tab 1)"),
        (run.agent, "agent of tenant 0"),
        (run.widget, "widget of tenant 0 conversation 0 (tab 2)"),
    ] {
        let run = Run::new();
        run.show_all(Some(client));
        let shown: Vec<_> = run.tags.iter().copied().filter(|tag| tag.number != 3).collect();
        run.show(client, &shown);
        assert_says(
            &run.fault(),
            FaultKind::Missing,
            &[name, "draft 3", "never shown", "in the middle"],
        );
    }
    run.show_all(Some(run.tab));
    assert_eq!(run.ledger.awaited(), 5);
}

#[test]
fn a_client_is_promised_nothing_before_its_subscription_or_an_owned_gap() {
    let run = Run::new();
    let late = run.ledger.client(Expects::Tenant(0), 1);
    run.ledger.subscribed(late, true);
    run.show_all(Some(run.tab));
    assert_eq!(run.judge().missing, 5);
    run.ledger.lost(run.tab);
    run.ledger.subscribed(run.tab, true);
    assert_eq!(
        run.judge().missing,
        5,
        "one that came back is promised everything since its first subscription"
    );
    run.ledger.subscribed(run.tab, false);
    assert!(run.judge().is_clean());
    assert_eq!(run.ledger.counts().gaps, 1);
}

#[test]
fn a_widget_that_was_away_misses_nothing_it_was_promised() {
    let run = Run::new();
    run.show_all(Some(run.widget));
    run.ledger.lost(run.widget);
    let verdict = run.judge();
    assert!(verdict.is_clean(), "{verdict:#?}");
    assert_eq!((verdict.widgets_shown, verdict.widgets_of), (0, 5));
}

#[test]
fn a_repeat_is_doubled_at_once() {
    let run = Run::new();
    run.show_all(None);
    for client in [run.tab, run.agent, run.widget] {
        let before = run.ledger.counts().faults;
        run.show(client, &run.tags[1..2]);
        assert_eq!(run.ledger.counts().faults, before + 1);
    }
    let verdict = run.judge();
    assert_eq!((verdict.doubled, verdict.total()), (3, 3));
    assert!(
        verdict.faults[0].to_string().contains("draft 1: parlor.1 client"),
        "{}",
        verdict.faults[0]
    );
}

#[test]
fn a_resume_that_replays_one_too_many_is_doubled() {
    let run = Run::new();
    run.show_all(None);
    run.ledger.lost(run.tab);
    run.ledger.subscribed(run.tab, true);
    run.show(run.tab, &run.tags[4..]);
    assert_says(&run.fault(), FaultKind::Doubled, &["draft 4", "tab 1", "twice"]);
}

#[test]
fn a_widget_may_see_again_what_its_lost_connection_saw_and_nothing_older() {
    let run = Run::new();
    run.show_all(None);
    run.ledger.lost(run.widget);
    run.show(run.widget, &run.tags[4..]);
    assert!(run.judge().is_clean());
    assert_eq!(run.ledger.counts().repeats, 1);
    run.ledger.lost(run.widget);
    run.show(run.widget, &run.tags[4..]);
    assert!(run.judge().is_clean());
    run.show(run.widget, &run.tags[3..4]);
    assert_says(&run.fault(), FaultKind::Doubled, &["draft 3", "widget"]);
}

#[test]
fn a_widget_is_never_shown_what_it_sent() {
    let mut run = Run::new();
    let tag = run.sent(run.widget, ONE, Transport::Frame);
    run.entries().push(entry(tag));
    for client in [run.author, run.tab, run.agent] {
        run.show(client, &[tag]);
    }
    run.show_all(None);
    run.show(run.widget, &[tag]);
    let verdict = run.judge();
    assert_eq!(verdict.doubled, 1, "{:#?}", verdict.faults);
    assert!(verdict.faults[0].to_string().contains("had sent itself"));
}

#[test]
fn an_order_that_is_not_historys_is_reordered() {
    for swap_history in [false, true] {
        let mut run = Run::new();
        run.show_all(Some(run.tab));
        let mut swapped = run.tags.clone();
        swapped.swap(2, 3);
        run.show(run.tab, if swap_history { &run.tags } else { &swapped });
        if !swap_history {
            assert_says(&run.fault(), FaultKind::Reordered, &["draft 2", "tab 1", "after draft 3"]);
            continue;
        }
        run.entries().swap(2, 3);
        let verdict = run.judge();
        // The author's own order is broken in history, and each of the four clients saw the other
        // one.
        assert_eq!((verdict.reordered, verdict.total()), (5, 5), "{:#?}", verdict.faults);
        assert!(
            verdict.faults[0].to_string().contains("history holds it at 2, before draft 2 at 3"),
            "{}",
            verdict.faults[0]
        );
    }
}

#[test]
fn authors_are_not_ordered_among_each_other() {
    let mut run = Run::new();
    let theirs = run.accepted(run.tab, ONE);
    run.entries().insert(2, entry(theirs));
    let order: Vec<_> = run.entries().iter().filter_map(|entry| entry.tag).collect();
    run.tags = order;
    run.show_all(None);
    assert!(run.judge().is_clean(), "{:#?}", run.judge());
}

#[test]
fn anothers_message_is_foreign_to_a_client_and_in_history() {
    let mut run = Run::new();
    let stranger = run.ledger.client(Expects::Nothing, 0);
    let (theirs, foreign) = (run.accepted(stranger, OTHER), run.accepted(stranger, FOREIGN));
    run.histories.insert(OTHER, history(vec![entry(theirs)]));
    run.histories.insert(FOREIGN, history(vec![entry(foreign)]));
    run.show(run.agent, &[theirs]);
    run.show_all(None);
    assert!(run.judge().is_clean(), "an agent sees all conversations of the tenant");
    run.show(run.agent, &[foreign]);
    run.show(run.tab, &[theirs]);
    run.entries().push(entry(foreign));
    let verdict = run.judge();
    assert_eq!((verdict.foreign, verdict.total()), (3, 3), "{:#?}", verdict.faults);
    let said: Vec<_> = verdict.faults.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("tenant 1 conversation 1 draft 0: agent of tenant 0"), "{said:?}");
    assert!(
        said[1].contains(
            "tenant 0 conversation 2 draft 0: parlor.1 client of tenant 0 conversation 0"
        ),
        "{said:?}"
    );
    assert!(said[2].contains("history of tenant 0 conversation 0 holds another's"), "{said:?}");
}

#[test]
fn a_text_that_nobody_sent_is_invented() {
    let mut run = Run::new();
    run.show_all(None);
    run.ledger.shown(run.agent, "hello");
    let text = run.ledger.texts().write(run.tags[0]);
    run.ledger.shown(run.tab, &text[..text.len() - 1]);
    run.show(run.tab, &[Tag { conversation: ONE, number: 77 }]);
    run.entries().push(Entry { tag: None, id: id(9) });
    run.entries()[0].id = id(12);
    let verdict = run.judge();
    assert_eq!((verdict.invented, verdict.total()), (5, 5), "{:#?}", verdict.faults);
}

#[test]
fn rows_are_compared_with_history() {
    let mut run = Run::new();
    run.show_all(None);
    let rows: Vec<_> = run.tags.iter().copied().map(entry).collect();
    let with = |run: &mut Run, rows: Vec<Entry>| {
        run.histories.get_mut(&ONE).unwrap().rows = Some(Ok(rows));
        run.judge()
    };
    assert!(with(&mut run, rows.clone()).is_clean());
    assert_eq!(with(&mut run, rows[1..].to_vec()).rows, 1);
    let mut more = rows.clone();
    more.push(Entry { tag: None, id: id(44) });
    let verdict = with(&mut run, more);
    assert_eq!(verdict.rows, 1);
    assert!(verdict.faults[0].to_string().contains("which history does not"));
    let mut twice = rows.clone();
    twice.insert(1, rows[0].clone());
    assert_eq!(with(&mut run, twice).rows, 1);
    let mut swapped = rows;
    swapped.swap(0, 1);
    assert_eq!(with(&mut run, swapped).rows, 1);
}

#[test]
fn what_cannot_be_read_back_is_not_judged_and_not_clean() {
    let mut run = Run::new();
    run.show_all(None);
    run.histories.get_mut(&ONE).unwrap().entries = Err("503".to_owned());
    let verdict = run.judge();
    assert_eq!((verdict.total(), verdict.unread.len()), (0, 1));
    assert!(!verdict.is_clean());
    run.histories.clear();
    assert!(!run.judge().is_clean());
}

#[test]
fn a_draft_that_is_sent_again_has_one_id() {
    let run = Run::new();
    run.show_all(None);
    let first = entry(run.tags[0]).id;
    run.ledger.answered(run.tags[0], Outcome::Accepted(Some(first)));
    run.ledger.answered(run.tags[0], Outcome::Failed);
    run.ledger.answered(run.tags[0], Outcome::Refused);
    assert!(run.judge().is_clean(), "what was accepted stays accepted: {:#?}", run.judge());
    assert_eq!(run.ledger.counts().accepted, 5);
    run.ledger.answered(run.tags[0], Outcome::Accepted(Some(id(77))));
    assert_says(&run.fault(), FaultKind::Doubled, &["draft 0", "its author", "accepted as"]);
}

#[test]
fn a_draft_is_open_until_it_is_accepted_or_refused() {
    let run = Run::new();
    let tag = run.sent(run.author, ONE, Transport::Identified);
    assert!(!run.ledger.is_answered(tag));
    run.ledger.answered(tag, Outcome::Failed);
    assert!(!run.ledger.is_answered(tag), "it is to be tried again");
    run.ledger.answered(tag, Outcome::Accepted(None));
    assert!(run.ledger.is_answered(tag));
}

#[test]
fn the_four_views_are_counted() {
    let mut run = Run::new();
    run.show_all(Some(run.widget));
    let unseen = run.accepted(run.author, OTHER);
    run.histories.insert(OTHER, history(vec![entry(unseen)]));
    let counts = run.ledger.counts();
    assert_eq!((counts.accepted, counts.seen), (6, 5));
    let verdict = run.judge();
    assert_eq!((verdict.in_history, verdict.in_rows), (6, None), "no rows were asked for");
    run.histories.get_mut(&ONE).unwrap().rows =
        Some(Ok(run.tags.iter().copied().map(entry).collect()));
    assert_eq!(run.judge().in_rows, Some(5));
}
