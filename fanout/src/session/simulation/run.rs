//! A run: everybody who takes part in it, and its steps.

use std::time::Duration;

use tokio::task::yield_now;

use super::{
    dice::Dice,
    follower::Follower,
    gate::{Gate, Verdict},
    line::Line,
    page::Page,
    world::{SimNode, World},
};

/// Everybody who takes part in a run.
pub(crate) struct Run {
    pub(crate) dice: Dice,
    pub(crate) world: World,
    pub(crate) node: SimNode,
    /// Nodes that stop, with the sessions that they still have.
    pub(crate) leaving: Vec<(SimNode, Vec<Line>)>,
    /// Sessions whose client has gone on without them.
    pub(crate) old: Vec<Line>,
    pub(crate) followers: Vec<Follower>,
    pub(crate) pages: Vec<Page>,
    /// How many of a hundred answers fail.
    pub(crate) failing: usize,
    /// How often the clock moves.
    pub(crate) hurried: usize,
}

// === impl Run ===

impl Run {
    pub(crate) async fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let world = World::new(&mut dice);
        world.log.gate.open(true);
        let node = world.node().await;
        world.log.gate.open(false);
        let who = [Some(0), Some(1), None, None, Some(0)];
        let followers = who.into_iter().map(|visitor| Follower::new(&world, visitor)).collect();
        let pages = (0..world.visitors.len()).map(|visitor| Page::new(&world, visitor)).collect();
        Self {
            failing: dice.one_of(&[0, 5, 30]),
            hurried: dice.one_of(&[20, 200, 2_000]),
            dice,
            world,
            node,
            leaving: Vec::new(),
            old: Vec::new(),
            followers,
            pages,
        }
    }

    pub(crate) async fn step(&mut self) {
        let dice = &mut self.dice;
        match dice.below(100) {
            0..=9 => self.world.post(dice),
            10..=19 => {
                let count = dice.below(4);
                self.world.log.deliver(count);
                yield_now().await;
            }
            20..=31 => {
                let log = dice.percent(60);
                self.answer(log).await;
            }
            32..=39 => self.act(),
            40..=59 => self.read(),
            60..=67 => {
                let by = self.hurried;
                tokio::time::advance(self.dice.millis(by)).await;
            }
            68 => self.seldom().await,
            _ => self.turn(),
        }
    }

    /// One call that waits at the log or the store, or at the door, is answered.
    async fn answer(&mut self, log: bool) {
        let gate: &Gate = if log { &self.world.log.gate } else { &self.world.door.gate };
        let waiting = gate.waiting();
        if waiting == 0 {
            return;
        }
        let verdict = if self.dice.percent(self.failing) {
            self.dice.one_of(&[Verdict::Failed, Verdict::Lost, Verdict::Refused])
        } else {
            self.dice.one_of(&[Verdict::Early, Verdict::Late])
        };
        gate.answer(self.dice.below(waiting), verdict);
        yield_now().await;
    }

    fn act(&mut self) {
        let (dice, world, node) = (&mut self.dice, &mut self.world, &self.node);
        let who = dice.below(self.followers.len() + self.pages.len());
        if let Some(follower) = self.followers.get_mut(who) {
            if follower.line.as_ref().is_none_or(Line::is_hung_up) {
                self.old.extend(follower.line.take());
                follower.connect(world, node, dice);
            } else {
                follower.act(world, dice);
            }
        } else {
            let page = &mut self.pages[who - self.followers.len()];
            if page.line.as_ref().is_none_or(Line::is_hung_up) {
                self.old.extend(page.line.take());
                page.connect(world, node, dice);
            } else {
                page.act(world, dice);
            }
        }
    }

    fn read(&mut self) {
        let (dice, world) = (&mut self.dice, &self.world);
        let who = dice.below(self.followers.len() + self.pages.len());
        let most = dice.one_of(&[10, 200, 4_000]);
        if let Some(follower) = self.followers.get_mut(who) {
            follower.read(world, most);
        } else {
            let answers = !dice.percent(5);
            self.pages[who - self.followers.len()].read(world, most, answers);
        }
    }

    fn turn(&mut self) {
        let (dice, world) = (&mut self.dice, &self.world);
        let who = dice.below(self.followers.len() + self.pages.len() + 2);
        if let Some(follower) = self.followers.get_mut(who) {
            if let Some(line) = &mut follower.line {
                line.flush();
                line.turn(dice);
            }
        } else if let Some(page) = self.pages.get_mut(who.wrapping_sub(self.followers.len())) {
            page.go_on(world, dice);
            if let Some(line) = &mut page.line {
                line.flush();
                line.turn(dice);
            }
        } else {
            self.turn_old();
        }
    }

    /// A turn of the sessions that nobody listens to any more.
    pub(crate) fn turn_old(&mut self) {
        let (dice, door) = (&mut self.dice, &self.world.door);
        let finish_within = self.world.settings.0.finish_within;
        self.old.retain_mut(|line| {
            line.turn(dice);
            if line.is_over() {
                if !door.sends_again(line.session) {
                    judge_end(line, finish_within, |number| door.knows(line.session, number));
                }
                door.over(line.session);
            }
            !line.is_over()
        });
    }

    /// What happens seldom: tails break, the store gets on, the log lets go, a tenant is suspended,
    /// a node stops or dies.
    async fn seldom(&mut self) {
        let dice = &mut self.dice;
        match dice.below(12) {
            0..=3 => self.world.log.break_tails(),
            4..=6 => {
                let mut truth = self.world.log.truth();
                truth.persisted += dice.below(truth.entries.len() - truth.persisted + 1);
            }
            7 | 8 => {
                let mut truth = self.world.log.truth();
                let most = truth.persisted.min(truth.delivered);
                truth.trimmed += dice.below(most.saturating_sub(truth.trimmed) + 1);
            }
            9 => {
                let suspended = dice.percent(30);
                self.world.suspend(suspended);
            }
            10 => {
                let next = self.world.node().await;
                let before = std::mem::replace(&mut self.node, next);
                before.sockets.begin();
                self.leaving.push((before, Vec::new()));
            }
            _ => {
                let next = self.world.node().await;
                let killed = std::mem::replace(&mut self.node, next);
                killed.feeds.begin();
                self.followers.iter_mut().for_each(|follower| follower.line = None);
                self.pages.iter_mut().for_each(|page| page.killed());
                self.old.clear();
                for (node, _) in self.leaving.drain(..) {
                    node.feeds.begin();
                }
            }
        }
        yield_now().await;
    }

    /// Every task ends.
    pub(crate) async fn end(&mut self) {
        self.old.clear();
        self.followers.clear();
        self.pages.clear();
        self.leaving.drain(..).for_each(|(node, _)| node.feeds.begin());
        self.node.feeds.begin();
        assert!(self.node.feeds.finished(Duration::from_secs(60)).await, "a feed does not end");
    }
}

/// What a session has taken from its client has come to the door, unless that took too long.
fn judge_end(line: &Line, finish_within: Duration, knows: impl Fn(u64) -> bool) {
    let Some((ending, at)) = line.ended else { return };
    let in_time = at.elapsed() < finish_within;
    let failed = ending.code() == Some(parlor_common::close::CloseCode::Failed);
    if in_time && !failed {
        let lost: Vec<_> = line.taken.iter().filter(|number| !knows(**number)).collect();
        assert!(lost.is_empty(), "{lost:?} were taken, and never came to the door: {ending:?}");
    }
}
