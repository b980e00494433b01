//! Playing a seed: so many steps, then everything is mended and must come to rest.

use std::time::Duration;

use tokio::task::yield_now;

use super::{follower::Follower, line::Line, page::Page, run::Run};

/// The steps between two rests.
pub(crate) const STEPS: u64 = 5_000;
/// How many rounds of 50 ms everybody may take to come to rest.
const ROUNDS: usize = 3_000;

/// Runs `steps` of `seed`; tells how often a client was told of a gap, and a number that is the
/// same for the same run.
pub(crate) fn play(seed: u64, steps: u64) -> (u64, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(tokio::task::unconstrained(async move {
        let mut run = Run::new(seed).await;
        let mut left = steps;
        while left > 0 {
            let part = left.min(STEPS);
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
    /// Everything is mended, and everybody must get everything.
    pub(crate) async fn rest(&mut self) {
        self.world.suspend(false);
        self.world.log.gate.open(true);
        self.world.door.gate.open(true);
        // The nodes look how far the store has got.
        tokio::time::advance(Duration::from_millis(1_100)).await;
        yield_now().await;
        self.world.calm = true;
        for round in 0.. {
            self.world.log.deliver(usize::MAX / 2);
            tokio::time::advance(Duration::from_millis(50)).await;
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
}
