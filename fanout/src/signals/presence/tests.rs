use std::{collections::HashMap, time::Duration};

use parlor_common::{author::AuthorKind, frame::Person, random::Random};
use parlor_testbed::defaults;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(250);

/// Nodes of one tenant, what is on its way between them, and what their clients were told.
struct World {
    now: Instant,
    nodes: Vec<Option<Presence>>,
    /// When it comes, to which node.
    on_its_way: Vec<(Instant, usize, Option<ConversationId>, Said)>,
    told: HashMap<SeatId, Vec<Notice>>,
    /// How long a signal takes, and which part of them is lost.
    delay: Duration,
    lost_of_1000: u64,
    random: Random,
    seats: u64,
    made: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At(usize, SeatId);

impl World {
    fn of(nodes: usize) -> Self {
        let mut world = Self {
            now: Instant::now(),
            nodes: Vec::new(),
            on_its_way: Vec::new(),
            told: HashMap::new(),
            delay: Duration::ZERO,
            lost_of_1000: 0,
            random: Random::seeded(7),
            seats: 0,
            made: 0,
        };
        for _ in 0..nodes {
            world.begin();
        }
        world
    }

    /// One more node, which hears the others.
    fn begin(&mut self) -> usize {
        self.made += 1;
        let settings = defaults::section("signals");
        self.nodes.push(Some(Presence::new(NodeId(self.made), settings, true, self.now)));
        self.nodes.len() - 1
    }

    fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
    }

    fn does(&mut self, node: usize, act: impl FnOnce(&mut Presence, Instant, &mut Effects)) {
        let mut out = Effects::new();
        let Some(presence) = &mut self.nodes[node] else { return };
        act(presence, self.now, &mut out);
        for effect in out {
            match effect {
                Effect::Tell(seat, notice) => self.told.entry(seat).or_default().push(notice),
                Effect::Say(conversation, said) => {
                    for to in 0..self.nodes.len() {
                        if self.random.below(1_000) >= self.lost_of_1000 {
                            let at = self.now + self.delay;
                            self.on_its_way.push((at, to, conversation, said.clone()));
                        }
                    }
                }
            }
        }
        if self.delay.is_zero() {
            self.deliver();
        }
    }

    fn deliver(&mut self) {
        while let Some(place) = self.on_its_way.iter().position(|(at, ..)| *at <= self.now) {
            let (_, node, conversation, said) = self.on_its_way.remove(place);
            self.does(node, |presence, now, out| presence.heard(conversation, said, now, out));
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += TICK;
            self.deliver();
            for node in 0..self.nodes.len() {
                self.does(node, Presence::tick);
            }
        }
    }

    fn enter(&mut self, node: usize, who: Who) -> At {
        self.seats += 1;
        let seat = SeatId(self.seats);
        self.does(node, |presence, now, out| presence.enter(seat, who, now, out));
        self.does(node, |presence, now, out| presence.live(seat, now, out));
        At(node, seat)
    }

    fn visitor(&mut self, node: usize, number: u8) -> At {
        let (author, conversations) = (visitor(number), vec![conversation(number)]);
        self.enter(node, Who::Visitor { author, conversations, is_told: true })
    }

    fn agent(&mut self, node: usize, name: &str) -> At {
        self.enter(node, Who::Agent(agent(name)))
    }

    fn looks(&mut self, at: At, open: Option<u8>, visible: &[u8]) {
        let visible = visible.iter().map(|number| conversation(*number)).collect();
        let look = Look { open: open.map(conversation), visible };
        self.does(at.0, |presence, now, out| presence.look(at.1, look, now, out));
    }

    fn types(&mut self, at: At, number: u8) {
        self.does(at.0, |presence, now, out| {
            presence.types(at.1, Some(conversation(number)), true, now, out).unwrap();
        });
    }

    fn leave(&mut self, at: At, closed: bool) {
        self.does(at.0, |presence, now, out| presence.leave(at.1, closed, now, out));
    }

    /// What this client was told since it was asked last.
    fn told(&mut self, at: At) -> Vec<Notice> {
        self.told.remove(&at.1).unwrap_or_default()
    }
}

fn conversation(number: u8) -> ConversationId {
    ConversationId::from_bytes([number; 16])
}

fn visitor(number: u8) -> Author {
    Author { kind: AuthorKind::Visitor, id: format!("visitor {number}"), name: None }
}

fn agent(name: &str) -> Author {
    Author { kind: AuthorKind::Agent, id: name.to_owned(), name: None }
}

fn online(number: u8, online: bool) -> Notice {
    Notice::Visitor { conversation: conversation(number), online }
}

fn open(number: u8, names: &[&str]) -> Notice {
    let person = |name: &&str| Person { id: Some((*name).to_owned()), name: None };
    let agents = names.iter().map(person).collect();
    Notice::Agents { conversation: conversation(number), agents }
}

const HERE: Notice = Notice::Here(Some(true));
const NOBODY: Notice = Notice::Here(Some(false));
const UNKNOWN: Notice = Notice::Here(None);

#[test]
fn a_new_node_knows_nothing_until_the_roll_call_is_over() {
    let mut world = World::of(2);
    let first = world.visitor(0, 1);
    assert_eq!(world.told(first), [UNKNOWN]);
    world.pass(3 * SECOND / 2);
    assert_eq!(world.told(first), []);
    world.pass(SECOND);
    assert_eq!(world.told(first), [NOBODY]);
    let _ann = world.agent(1, "ann");
    assert_eq!(world.told(first), [HERE]);
    let node = world.begin();
    let second = world.visitor(node, 2);
    assert_eq!(world.told(second), [HERE], "the others have answered the call");
}

#[test]
fn programs_of_the_team_are_nobody_who_is_here() {
    let mut world = World::of(1);
    let visitor = world.visitor(0, 1);
    world.enter(0, Who::Agent(Author { kind: AuthorKind::Bot, ..agent("bot") }));
    world.pass(3 * SECOND);
    assert_eq!(world.told(visitor), [UNKNOWN, NOBODY]);
}

#[test]
fn somebody_is_there_while_any_node_has_her_and_for_a_while_after_her_socket_broke() {
    let mut world = World::of(3);
    let visitor = world.visitor(0, 1);
    let (first, second) = (world.agent(1, "ann"), world.agent(2, "ann"));
    assert_eq!(world.told(visitor), [UNKNOWN, HERE]);
    world.leave(first, true);
    world.leave(second, false);
    world.pass(14 * SECOND);
    assert_eq!(world.told(visitor), [], "it may come back");
    let third = world.agent(1, "ann");
    world.pass(10 * SECOND);
    assert_eq!(world.told(visitor), [], "it came back, to another node");
    world.leave(third, true);
    assert_eq!(world.told(visitor), [NOBODY], "what is closed is gone at once");
}

#[test]
fn who_was_at_a_node_that_is_killed_is_gone_within_30_seconds_and_nobody_else_is() {
    let mut world = World::of(3);
    let _stays = world.agent(1, "eve");
    let [ann, bob] = ["ann", "bob"].map(|name| world.agent(0, name));
    let [killed, _] = ["bob", "zoe"].map(|name| world.agent(2, name));
    let (shown, _away) = (world.visitor(1, 1), world.visitor(2, 2));
    world.looks(bob, Some(7), &[]);
    world.looks(killed, Some(7), &[]);
    world.looks(ann, Some(7), &[1, 2]);
    world.pass(3 * SECOND);
    let told = world.told(ann);
    assert!(told.contains(&open(7, &["bob"])) && told.contains(&online(1, true)), "{told:?}");
    assert!(told.contains(&online(2, true)), "{told:?}");
    world.told(shown);
    world.kill(2);
    world.pass(14 * SECOND);
    assert_eq!(world.told(ann), [], "too early to tell");
    world.pass(16 * SECOND);
    // Bob has it open at another node as well.
    assert_eq!(world.told(ann), [online(2, false)]);
    assert_eq!(world.told(shown), [], "eve is here");

    let node = world.begin();
    let carol = world.agent(node, "carol");
    world.looks(carol, Some(7), &[]);
    assert_eq!(world.told(ann), [open(7, &["bob", "carol"])]);
    world.kill(node);
    world.pass(30 * SECOND);
    assert_eq!(world.told(ann), [open(7, &["bob"])]);
    for node in [0, 1] {
        assert_eq!(world.told(shown), []);
        world.kill(node);
        let shown = world.begin();
        let shown = world.visitor(shown, 1);
        world.pass(30 * SECOND);
        let left = if node == 0 { HERE } else { NOBODY };
        assert_eq!(world.told(shown).last(), Some(&left));
    }
}

#[test]
fn fifty_kills_make_nobody_offline_who_is_there() {
    let mut world = World::of(3);
    let ann = world.agent(0, "ann");
    let visitor = world.visitor(1, 1);
    let moves = ["carol", "dave"];
    world.looks(ann, Some(1), &[]);
    world.pass(3 * SECOND);
    world.told(ann);
    assert_eq!(world.told(visitor), [HERE]);
    for _ in 0..50 {
        let node = world.begin();
        for name in moves {
            world.agent(node, name);
        }
        let seconds = u32::try_from(world.random.below(40)).unwrap();
        world.pass(SECOND * seconds);
        world.kill(node);
    }
    world.pass(30 * SECOND);
    assert_eq!((world.told(ann), world.told(visitor)), (vec![], vec![]));
}

#[test]
fn a_node_answers_for_its_visitors_and_says_when_that_changes() {
    let mut world = World::of(2);
    let first = world.visitor(1, 1);
    let ann = world.agent(0, "ann");
    world.looks(ann, Some(1), &[2, 3]);
    assert_eq!(world.told(ann), [online(1, true)]);
    world.pass(3 * SECOND);
    let mut told = world.told(ann);
    told.sort_by_key(|notice| format!("{notice:?}"));
    assert_eq!(told, [online(2, false), online(3, false)]);
    let tabs = [world.visitor(1, 2), world.visitor(0, 2)];
    assert_eq!(world.told(ann), [online(2, true)]);
    world.leave(tabs[0], true);
    assert_eq!(world.told(ann), [], "another tab is at this node");
    world.leave(tabs[1], true);
    assert_eq!(world.told(ann), [online(2, false)]);
    world.leave(first, false);
    world.pass(14 * SECOND);
    assert_eq!(world.told(ann), []);
    world.pass(2 * SECOND);
    assert_eq!(world.told(ann), [online(1, false)]);
    // Who looks away is told nothing more.
    world.looks(ann, None, &[]);
    let _back = world.visitor(1, 1);
    assert_eq!(world.told(ann), []);
    world.looks(ann, None, &[1]);
    assert_eq!(world.told(ann), [online(1, true)]);
}

#[test]
fn a_visitor_who_leaves_while_others_may_answer_is_offline_once_they_have_not() {
    let mut world = World::of(2);
    let tab = world.visitor(1, 1);
    let ann = world.agent(0, "ann");
    world.looks(ann, Some(1), &[]);
    world.pass(SECOND);
    world.leave(tab, true);
    assert_eq!(world.told(ann), [online(1, true)]);
    world.pass(3 * SECOND / 2);
    assert_eq!(world.told(ann), [online(1, false)]);
}

#[test]
fn a_visitor_who_goes_on_at_a_node_that_is_new_stays_online() {
    let mut world = World::of(2);
    let tab = world.visitor(1, 1);
    let ann = world.agent(0, "ann");
    world.looks(ann, Some(1), &[]);
    world.pass(3 * SECOND);
    let node = world.begin();
    let next = world.visitor(node, 1);
    world.leave(tab, true);
    world.pass(30 * SECOND);
    assert_eq!(world.told(ann), [online(1, true)]);
    world.leave(next, true);
    assert_eq!(world.told(ann), [online(1, false)]);
}

#[test]
fn what_is_looked_at_for_long_is_still_answered_for() {
    let mut world = World::of(2);
    let _visitor = world.visitor(1, 1);
    let ann = world.agent(0, "ann");
    world.looks(ann, Some(1), &[2]);
    world.pass(300 * SECOND);
    world.told(ann);
    let _late = world.visitor(1, 2);
    assert_eq!(world.told(ann), [online(2, true)]);
}

#[test]
fn a_visitor_who_turned_out_to_be_another_is_seen_there_too() {
    let mut world = World::of(2);
    let tab = world.visitor(1, 1);
    let ann = world.agent(0, "ann");
    world.looks(ann, Some(9), &[1]);
    world.pass(3 * SECOND);
    assert_eq!(world.told(ann), [online(1, true), online(9, false)]);
    let set = vec![conversation(9), conversation(1)];
    world.does(1, |presence, now, out| presence.link(tab.1, visitor(9), set, now, out));
    assert_eq!(world.told(ann), [online(9, true)]);
    world.types(tab, 0);
    let types = Notice::Typing {
        conversation: conversation(9),
        by: AuthorKind::Visitor,
        author: Person { id: Some("visitor 9".to_owned()), name: None },
        on: true,
    };
    assert_eq!(world.told(ann), [types]);
}

#[test]
fn many_looks_in_a_short_time_are_put_together() {
    let mut world = World::of(1);
    let (ann, bob) = (world.agent(0, "ann"), world.agent(0, "bob"));
    world.looks(bob, Some(9), &[]);
    for number in 1..=9 {
        world.looks(ann, Some(number), &[]);
    }
    assert_eq!(world.told(bob), []);
    world.pass(2 * SECOND);
    assert!(world.told(bob).contains(&open(9, &["ann"])), "the last one counts");
    assert!(world.told(ann).contains(&open(9, &["bob"])));
}

#[test]
fn lost_signals_are_made_good_by_the_next_ones() {
    let mut world = World::of(4);
    (world.delay, world.lost_of_1000) = (SECOND / 10, 300);
    let ann = world.agent(0, "ann");
    let visitors: Vec<_> =
        (1..=3).map(|number| world.visitor(usize::from(number), number)).collect();
    let bob = world.agent(1, "bob");
    world.looks(ann, Some(1), &[2, 3]);
    world.looks(bob, Some(1), &[]);
    world.pass(60 * SECOND);
    world.lost_of_1000 = 0;
    world.pass(15 * SECOND);
    let last = |told: &[Notice], like: fn(&Notice) -> bool| {
        told.iter().rev().find(|notice| like(notice)).cloned()
    };
    let told = world.told(ann);
    for number in 1..=3 {
        let about =
            |notice: &&Notice| [online(number, true), online(number, false)].contains(notice);
        assert_eq!(told.iter().rev().find(about), Some(&online(number, true)));
    }
    assert_eq!(last(&told, |n| matches!(n, Notice::Agents { .. })), Some(open(1, &["bob"])));
    for visitor in visitors {
        let told = world.told(visitor);
        assert_eq!(last(&told, |notice| matches!(notice, Notice::Here(_))), Some(HERE));
    }
}

#[test]
fn what_comes_late_replaces_nothing_that_was_said_after_it() {
    let mut world = World::of(2);
    let ann = world.agent(0, "ann");
    world.looks(ann, Some(1), &[]);
    let mut said = Vec::new();
    let bob = SeatId(99);
    let mut out = Effects::new();
    let Some(other) = &mut world.nodes[1] else { panic!("the node is there") };
    other.enter(bob, Who::Agent(agent("bob")), world.now, &mut out);
    other.look(bob, Look { open: Some(conversation(1)), visible: vec![] }, world.now, &mut out);
    other.leave(bob, true, world.now, &mut out);
    for effect in out {
        if let Effect::Say(id, what) = effect {
            said.push((id, what));
        }
    }
    for (id, what) in said.into_iter().rev() {
        world.does(0, |presence, now, out| presence.heard(id, what, now, out));
    }
    assert_eq!(world.told(ann), [], "he has left");
}

#[test]
fn a_deaf_node_takes_nobody_for_absent_and_calls_the_roll_when_it_hears_again() {
    let mut world = World::of(2);
    let (visitor, ann, eve) = (world.visitor(0, 1), world.agent(1, "ann"), world.agent(0, "eve"));
    let _at_another = world.visitor(1, 2);
    world.looks(eve, None, &[2]);
    world.pass(3 * SECOND);
    world.leave(eve, true);
    let eve = world.agent(0, "eve");
    world.looks(eve, None, &[2]);
    assert_eq!(world.told(visitor), [UNKNOWN, HERE]);
    world.told(eve);
    world.lost_of_1000 = 1_000;
    world.does(0, Presence::deaf);
    world.does(1, Presence::deaf);
    world.pass(120 * SECOND);
    world.leave(eve, true);
    assert_eq!((world.told(visitor), world.told(eve)), (vec![], vec![]), "ann may be there");
    world.leave(ann, true);
    world.lost_of_1000 = 0;
    world.does(1, Presence::hears);
    world.does(0, Presence::hears);
    assert_eq!(world.told(visitor), []);
    world.pass(3 * SECOND);
    assert_eq!(world.told(visitor), [NOBODY], "she was not there when the roll was called");
}

#[test]
fn a_state_that_could_not_be_told_is_told_again() {
    let mut world = World::of(1);
    let visitor = world.visitor(0, 1);
    let ann = world.agent(0, "ann");
    world.looks(ann, Some(1), &[]);
    assert_eq!(world.told(visitor), [UNKNOWN, HERE]);
    assert_eq!(world.told(ann), [online(1, true)]);
    world.does(0, |presence, _, _| [visitor, ann].iter().for_each(|at| presence.untold(at.1)));
    world.pass(TICK);
    assert_eq!(world.told(visitor), [HERE]);
    assert_eq!(world.told(ann), [online(1, true), open(1, &[])]);
    world.pass(SECOND);
    assert_eq!((world.told(visitor), world.told(ann)), (vec![], vec![]));
}

#[test]
fn a_node_that_nobody_is_at_any_more_knows_nothing() {
    let mut world = World::of(1);
    let (visitor, ann) = (world.visitor(0, 1), world.agent(0, "ann"));
    world.looks(ann, Some(1), &[2]);
    world.leave(visitor, true);
    world.leave(ann, false);
    assert!(!world.nodes[0].as_ref().unwrap().is_empty());
    world.pass(16 * SECOND);
    let presence = world.nodes[0].as_ref().unwrap();
    assert!(presence.is_empty() && presence.said.is_empty());
    assert!(presence.undecided.is_empty() && presence.seats.watched().is_empty());
}
