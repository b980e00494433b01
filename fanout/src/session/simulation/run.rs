//! A run: so many steps of one seed, then everything is mended and must come to rest.

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

/// How many rounds of 20 ms everybody may take to come to rest.
const ROUNDS: usize = 6_000;

struct Run {
    dice: Dice,
    world: World,
    node: SimNode,
    /// Nodes that stop, with the sessions that they still have.
    leaving: Vec<(SimNode, Vec<Line>)>,
    /// Sessions whose client has gone on without them.
    old: Vec<Line>,
    followers: Vec<Follower>,
    pages: Vec<Page>,
    /// How many of a hundred answers fail.
    failing: usize,
    /// How often the clock moves.
    hurried: usize,
}

/// Runs `steps` of `seed`; tells how often a client was told of a gap, and a number that is the
/// same for the same run.
pub(crate) fn run(seed: u64, steps: u64) -> (u64, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(tokio::task::unconstrained(async move {
        let mut run = Run::new(seed).await;
        let mut left = steps;
        while left > 0 {
            let part = left.min(3_000);
            for _ in 0..part {
                run.step().await;
            }
            run.rest().await;
            left -= part;
        }
        let gaps = run.followers.iter().map(|follower| follower.gaps).sum();
        run.end().await;
        (gaps, run.dice.number() ^ run.world.log.truth().end().as_u64())
    }))
}

// === impl Run ===

impl Run {
    async fn new(seed: u64) -> Self {
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

    async fn step(&mut self) {
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
    fn turn_old(&mut self) {
        let (dice, door) = (&mut self.dice, &self.world.door);
        let finish_within = self.world.settings.0.finish_within;
        self.old.retain_mut(|line| {
            line.turn(dice);
            if line.is_over() {
                judge_end(line, finish_within, |number| door.knows(line.session, number));
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

    /// Everything is mended, and everybody must get everything.
    async fn rest(&mut self) {
        self.world.suspend(false);
        self.world.log.gate.open(true);
        self.world.door.gate.open(true);
        // The nodes look how far the store has got.
        tokio::time::advance(Duration::from_millis(1_100)).await;
        yield_now().await;
        self.world.calm = true;
        for round in 0.. {
            self.world.log.deliver(usize::MAX / 2);
            tokio::time::advance(Duration::from_millis(20)).await;
            yield_now().await;
            let settled = self.round();
            if settled {
                break;
            }
            assert!(
                round < ROUNDS,
                "all is well, and not everybody has everything: {}",
                self.told()
            );
        }
        self.world.log.gate.open(false);
        self.world.door.gate.open(false);
        self.world.calm = false;
    }

    fn told(&self) -> String {
        let followers = self.followers.iter().map(Follower::told);
        followers.chain(self.pages.iter().map(Page::told)).collect::<Vec<_>>().join("\n")
    }

    /// Everybody has some turns; tells whether everybody has everything.
    fn round(&mut self) -> bool {
        let (dice, world, node) = (&mut self.dice, &self.world, &self.node);
        let mut settled = true;
        for follower in &mut self.followers {
            if follower.line.as_ref().is_none_or(Line::is_hung_up) {
                self.old.extend(follower.line.take());
                follower.connect(world, node, dice);
            }
            follower.go_on(world, dice);
            if let Some(line) = &mut follower.line {
                for _ in 0..3 {
                    line.flush();
                    line.turn(dice);
                }
            }
            follower.read(world, 4_000);
            settled &= follower.is_settled(world);
        }
        for page in &mut self.pages {
            page.reload();
            if page.line.as_ref().is_none_or(Line::is_hung_up) {
                self.old.extend(page.line.take());
                page.connect(world, node, dice);
            }
            page.go_on(world, dice);
            if let Some(line) = &mut page.line {
                for _ in 0..3 {
                    line.flush();
                    line.turn(dice);
                }
            }
            page.read(world, 4_000, true);
            settled &= page.is_settled(world);
        }
        self.turn_old();
        settled
    }

    /// Every task ends.
    async fn end(&mut self) {
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
