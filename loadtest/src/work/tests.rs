//! Recorded work, each with one thing wrong: the verdict must name it, and where.

use std::collections::HashSet;

use super::*;
use crate::ledger::{Entry, Tag};

const ONE: Conversation = Conversation { tenant: 1, number: 0 };
const FOREIGN: Conversation = Conversation { tenant: 2, number: 1 };
const DASHBOARD: Client = Client::of(0);
const SOCKET: Client = Client::of(1);
const STRANGER: Client = Client::of(2);
const TAG: Tag = Tag { conversation: ONE, number: 0 };

/// Two workers of a tenant and a dashboard, and a dashboard of another one; Ann has claimed a
/// conversation, read it, left a note, labelled and closed it, and everybody was shown it.
struct Run {
    work: Work,
    ann: usize,
    bob: usize,
    events: Vec<Event>,
    /// Events that one of the sockets is not shown.
    unseen: HashSet<(Client, usize)>,
    /// What a node tells otherwise than it is.
    told: Option<View>,
    listed: Vec<ConversationId>,
}

fn id(number: usize) -> EventId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    EventId::from_bytes(bytes)
}

fn conversation() -> ConversationId {
    ConversationId::from_bytes([7; 16])
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_000_000)
}

fn claim(name: &str) -> Asked {
    Asked { is_claim: true, assignee: Some(Some(name.to_owned())), ..Asked::default() }
}

fn release() -> Asked {
    Asked { assignee: Some(None), ..Asked::default() }
}

fn closing() -> Asked {
    Asked { status: Some("closed"), ..release() }
}

impl Run {
    fn new() -> Self {
        let work = Work::new(7);
        let worker = |name: &str| work.worker(Worker { tenant: 1, name: name.to_owned() });
        let (ann, bob) = (worker("ann"), worker("bob"));
        for (client, tenant, name) in [(DASHBOARD, 1, "dashboard"), (SOCKET, 1, "ann")] {
            work.listener(client, tenant, name.to_owned());
            work.subscribed(client, true);
        }
        work.listener(STRANGER, 2, "stranger".to_owned());
        work.subscribed(STRANGER, true);
        let (unseen, listed) = (HashSet::new(), vec![conversation()]);
        let mut run = Self { work, ann, bob, events: Vec::new(), unseen, told: None, listed };
        run.event(None, What::Message { tag: Some(TAG), is_visitors: true });
        run.changes(ann, &claim("ann"));
        run.reads(ann, 0);
        run.notes(ann);
        run.changes(ann, &Asked { add: vec!["vip"], ..Asked::default() });
        run.changes(ann, &closing());
        run
    }

    fn name(&self, worker: usize) -> String {
        if worker == self.ann { "ann" } else { "bob" }.to_owned()
    }

    fn event(&mut self, author: Option<String>, what: What) -> usize {
        let place = self.events.len();
        let is_mark = matches!(what, What::Read { .. });
        let id = (!is_mark).then(|| id(place));
        self.events.push(Event { id, author, cursor: format!("c{place}"), what });
        place
    }

    fn begins(&self, worker: usize, kind: Kind) -> (DeedId, String) {
        let deed = self.work.begins(worker, ONE, kind);
        (deed, self.work.tags().write(deed))
    }

    /// It happens, and the answer says so.
    fn changes(&mut self, worker: usize, asked: &Asked) -> usize {
        let (deed, team) = self.begins(worker, Kind::Change(asked.clone()));
        let place = self.changed(worker, &team, asked);
        self.work.answered(deed, Outcome::Accepted(None));
        place
    }

    /// It happens.
    fn changed(&mut self, worker: usize, team: &str, asked: &Asked) -> usize {
        let owned = |labels: &[&str]| labels.iter().map(ToString::to_string).collect();
        let change = Change {
            status: asked.status.map(ToOwned::to_owned),
            until: asked.until.map(|until| until.to_string()),
            assignee: asked.assignee.clone(),
            team: Some(Some(team.to_owned())),
            add: owned(&asked.add),
            remove: owned(&asked.remove),
        };
        self.event(Some(self.name(worker)), What::Change(change))
    }

    fn notes(&mut self, worker: usize) -> usize {
        let (deed, text) = self.begins(worker, Kind::Note);
        let place = self.event(Some(self.name(worker)), What::Note(text));
        self.work.answered(deed, Outcome::Accepted(self.events[place].id));
        place
    }

    fn reads(&mut self, worker: usize, place: usize) {
        let up_to = format!("c{place}");
        let (deed, _) = self.begins(worker, Kind::Mark);
        self.work.answered(deed, Outcome::Accepted(None));
        self.work.marked(worker, ONE, up_to.clone());
        self.event(None, What::Read { agent: Some(self.name(worker)), up_to });
    }

    fn timeline(&self) -> Vec<Event> {
        let is_listed = |event: &&Event| !matches!(event.what, What::Read { .. });
        self.events.iter().filter(is_listed).cloned().collect()
    }

    /// Shows the events, and judges with the timeline that has them all.
    fn judge(&self) -> (Verdict, WorkScore) {
        self.judge_with(self.timeline())
    }

    fn judge_with(&self, timeline: Vec<Event>) -> (Verdict, WorkScore) {
        for client in [DASHBOARD, SOCKET] {
            for (place, event) in self.events.iter().enumerate() {
                if !self.unseen.contains(&(client, place)) {
                    self.work.shown(client, conversation(), event);
                }
            }
        }
        let expected = self.work.expected(ONE, now()).unwrap();
        let told = self.told.clone().unwrap_or_else(|| expected.clone());
        let state = StateReading {
            conversation: ONE,
            node: "node".to_owned(),
            told: Ok((expected, told)),
            is_late: false,
        };
        let list = ListReading {
            tenant: 1,
            node: "node".to_owned(),
            list: List::Status("closed"),
            told: Ok((vec![conversation()], self.listed.clone())),
            is_late: true,
        };
        let entries = Ok(vec![Entry { tag: Some(TAG), id: id(0) }]);
        let history = History { id: Some(conversation()), entries, rows: None };
        let readings = Readings {
            timelines: [(ONE, Ok(timeline))].into(),
            states: vec![state],
            lists: vec![list],
        };
        let mut verdict = Verdict::default();
        let score = self.work.judge(&readings, &[(ONE, history)].into(), &mut verdict).unwrap();
        (verdict, score)
    }

    /// The first fault, of which there are so many of this kind and no others.
    fn assert_found(&self, kind: FaultKind, count: usize, words: &[&str]) {
        assert_says(&self.judge().0, kind, count, words);
    }
}

fn assert_says(verdict: &Verdict, kind: FaultKind, count: usize, words: &[&str]) {
    assert_eq!(verdict.faults.len(), count, "{:#?}", verdict.faults);
    assert!(verdict.unread.is_empty(), "{:?}", verdict.unread);
    assert!(verdict.faults.iter().all(|fault| fault.kind == kind), "{:#?}", verdict.faults);
    let said = verdict.faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

#[test]
fn work_that_went_well_is_clean_and_counted() {
    let run = Run::new();
    let (deed, _) = run.begins(run.bob, Kind::Change(claim("bob")));
    run.work.answered(deed, Outcome::Conflict);
    let (verdict, score) = run.judge();
    assert_eq!(verdict.total(), 0, "{:#?}", verdict.faults);
    assert_eq!((score.workers, score.claims_won, score.claims_lost), (2, 1, 1));
    assert_eq!((score.changes, score.notes, score.marks), (3, 1, 1));
    assert_eq!((score.states, score.lists, score.late), (1, 1, 1));
    assert_eq!(run.work.awaited(), 0);
}

#[test]
fn a_change_that_was_accepted_and_is_not_there_is_lost() {
    let run = Run::new();
    let (deed, _) = run.begins(run.ann, Kind::Change(release()));
    run.work.answered(deed, Outcome::Accepted(None));
    run.assert_found(FaultKind::Lost, 1, &["tenant 1 conversation 0", "ann's", "was accepted"]);
    assert_eq!(run.work.awaited(), 2, "two sockets wait for it");
}

#[test]
fn a_note_that_was_accepted_and_is_not_there_is_lost() {
    let run = Run::new();
    let (deed, _) = run.begins(run.bob, Kind::Note);
    run.work.answered(deed, Outcome::Accepted(Some(id(99))));
    run.assert_found(FaultKind::Lost, 1, &["bob's", "work 00000007 5"]);
}

#[test]
fn a_note_that_is_there_twice_is_doubled_in_the_timeline_and_at_each_socket() {
    let mut run = Run::new();
    let place = run.notes(run.ann);
    let what = run.events[place].what.clone();
    run.event(Some("ann".to_owned()), what);
    run.assert_found(FaultKind::Doubled, 3, &["the timeline of", "dashboard", "ann was shown"]);
}

#[test]
fn a_change_that_a_socket_is_shown_twice_is_doubled() {
    let run = Run::new();
    run.judge();
    run.work.shown(SOCKET, conversation(), &run.events[5]);
    let verdict = run.work.book().faults.clone();
    assert!(verdict.iter().any(|fault| fault.kind == FaultKind::Doubled), "{verdict:?}");
}

#[test]
fn a_change_that_a_socket_was_not_shown_is_missing_and_its_state_another() {
    let mut run = Run::new();
    run.unseen.insert((SOCKET, 4));
    let (verdict, _) = run.judge();
    assert_eq!((verdict.missing, verdict.states), (1, 1), "{:#?}", verdict.faults);
    assert_eq!(verdict.total(), 2);
    assert_eq!(run.work.awaited(), 1);
}

#[test]
fn what_came_before_a_gap_that_was_told_is_excused() {
    let mut run = Run::new();
    run.unseen.extend((0..6).map(|place| (SOCKET, place)));
    run.work.subscribed(SOCKET, false);
    let (verdict, _) = run.judge();
    assert_eq!(verdict.total(), 0, "{:#?}", verdict.faults);
}

#[test]
fn a_claim_of_what_another_holds_is_a_second_winner() {
    let mut run = Run::new();
    run.changes(run.ann, &claim("ann"));
    run.changes(run.bob, &claim("bob"));
    run.assert_found(FaultKind::Winners, 1, &["bob claims what ann holds", "tenant 1"]);
}

#[tokio::test(start_paused = true)]
async fn two_who_were_told_that_they_won_are_found_by_their_answers_too() {
    let mut run = Run::new();
    let (deed, team) = run.begins(run.ann, Kind::Change(claim("ann")));
    run.changed(run.ann, &team, &claim("ann"));
    run.work.answered(deed, Outcome::Accepted(None));
    let (deed, other) = run.begins(run.bob, Kind::Change(claim("bob")));
    run.work.answered(deed, Outcome::Accepted(None));
    let second = std::time::Duration::from_secs(1);
    tokio::time::advance(second).await;
    // The timeline tells another story than the answers: the release came between.
    run.changes(run.ann, &release());
    run.changed(run.bob, &other, &claim("bob"));
    run.assert_found(FaultKind::Winners, 1, &["ann and bob were both told"]);
}

#[test]
fn one_after_another_both_win() {
    let mut run = Run::new();
    run.changes(run.bob, &claim("bob"));
    run.changes(run.bob, &closing());
    run.changes(run.ann, &claim("ann"));
    assert_eq!(run.judge().0.total(), 0);
}

#[test]
fn a_change_that_was_refused_or_is_another_than_was_asked_for_is_invented() {
    let mut run = Run::new();
    let (deed, team) = run.begins(run.bob, Kind::Change(claim("bob")));
    run.changed(run.bob, &team, &claim("bob"));
    run.work.answered(deed, Outcome::Conflict);
    run.assert_found(FaultKind::Invented, 1, &["which was refused: bob's"]);

    let mut run = Run::new();
    let (deed, team) = run.begins(run.ann, Kind::Change(closing()));
    run.changed(run.ann, &team, &release());
    run.work.answered(deed, Outcome::Accepted(None));
    run.assert_found(FaultKind::Invented, 1, &["was asked for as", "closed"]);
}

#[test]
fn a_claim_that_was_refused_at_a_later_try_may_be_there_and_may_be_told_again() {
    let mut run = Run::new();
    let (deed, team) = run.begins(run.bob, Kind::Change(claim("bob")));
    run.work.answered(deed, Outcome::LateConflict);
    run.changed(run.bob, &team, &claim("bob"));
    // It is bob's own by then, so that claiming it again changes nothing.
    let (deed, _) = run.begins(run.bob, Kind::Change(claim("bob")));
    run.work.answered(deed, Outcome::Accepted(None));
    let (verdict, score) = run.judge();
    assert_eq!(verdict.total(), 0, "{:#?}", verdict.faults);
    assert_eq!((score.claims_won, score.claims_lost), (2, 1));
}

#[test]
fn work_out_of_the_order_of_doing_is_reordered() {
    let mut run = Run::new();
    let first = run.notes(run.ann);
    let second = run.notes(run.ann);
    run.events.swap(first, second);
    run.assert_found(FaultKind::Reordered, 1, &["the timeline of", "ann's"]);
}

#[test]
fn a_socket_that_is_shown_work_in_another_order_is_reordered() {
    let mut run = Run::new();
    let first = run.notes(run.ann);
    let second = run.notes(run.ann);
    let timeline = run.timeline();
    run.events.swap(first, second);
    let (verdict, _) = run.judge_with(timeline);
    assert_says(&verdict, FaultKind::Reordered, 2, &["dashboard", "ann was shown"]);
}

#[test]
fn a_state_that_a_node_tells_otherwise_is_named() {
    let mut run = Run::new();
    run.told = Some(View { status: "open".to_owned(), ..View::default() });
    run.assert_found(FaultKind::States, 1, &["node", "status \"closed\" and \"open\"", "labels"]);
}

#[test]
fn a_list_without_a_conversation_that_belongs_there_is_named() {
    let mut run = Run::new();
    run.listed.clear();
    run.assert_found(FaultKind::States, 1, &["status=closed", "0 instead of 1", "too few: [0707"]);
}

#[test]
fn a_mark_that_is_less_than_was_told_is_lost() {
    let run = Run::new();
    run.work.marked(run.ann, ONE, "c5".to_owned());
    run.assert_found(FaultKind::Lost, 1, &["ann was told that it had read further"]);
}

#[test]
fn anothers_work_is_foreign() {
    let run = Run::new();
    run.work.shown(DASHBOARD, conversation(), &run.events[0]);
    run.work.shown(STRANGER, conversation(), &run.events[3]);
    assert_eq!(run.work.book().faults[0].kind, FaultKind::Foreign);
    let deed = run.work.begins(run.ann, FOREIGN, Kind::Note);
    let mut timeline = run.timeline();
    let what = What::Note(run.work.tags().write(deed));
    let cursor = "c90".to_owned();
    timeline.push(Event { id: Some(id(90)), author: Some("ann".to_owned()), cursor, what });
    let (verdict, _) = run.judge_with(timeline);
    assert!(verdict.faults.iter().any(|fault| fault.place.contains("timeline")), "{verdict:#?}");
    assert!(verdict.foreign >= 2, "{verdict:#?}");
}

#[test]
fn a_status_ends_with_the_visitors_next_message_and_with_its_time() {
    let mut run = Run::new();
    let mut fold = Fold::default();
    let until = Some(now());
    run.changes(run.ann, &Asked { status: Some("snoozed"), until, ..Asked::default() });
    run.events.iter().for_each(|event| fold.apply(event));
    let before = fold.view(Timestamp::from_millis(999_999));
    assert_eq!((before.status.as_str(), before.until), ("snoozed", until));
    assert_eq!(fold.view(now()).status, "open");
    assert!(!before.unread, "ann has read it");
    run.event(None, What::Message { tag: None, is_visitors: true });
    fold.apply(run.events.last().unwrap());
    let after = fold.view(Timestamp::from_millis(0));
    assert_eq!((after.status.as_str(), after.until, after.unread), ("open", None, true));
    assert_eq!(after.waiting.as_deref(), Some("team"));
}
