//! The load: which drafts are offered when, and to whom.

mod climb;
mod repeat;

use parlor_common::random::Random;
use tokio::time::{Instant, sleep_until};

pub(crate) use self::{
    climb::{Step, climb},
    repeat::repeat,
};
use crate::{
    client::World,
    plan::{Plan, rate::Course},
    stage::Stage,
};

/// Offers drafts from `begin` to `end`, whatever becomes of them. Each knows the time at which it
/// should be sent.
pub(crate) async fn offer(
    world: &World,
    stage: &Stage,
    plan: &Plan,
    course: Course,
    begin: Instant,
    end: Instant,
) {
    let choice = choice(world, plan);
    let times = course.times().map(|time| begin + time);
    for intended in times.take_while(|intended| *intended < end) {
        sleep_until(intended).await;
        let line = &stage.lines[match plan.hot {
            Some(hot) if below(&choice, 100) < hot.percent as usize => 0,
            _ => below(&choice, stage.lines.len()),
        }];
        let visitor = &line.visitor;
        let replies = plan.options.pace.replies as usize;
        let is_reply = below(&choice, 100) < replies && visitor.is_answerable();
        let writer = match is_reply {
            true => &stage.agents[visitor.conversation.tenant as usize - 1],
            false => &line.writers[below(&choice, line.writers.len())],
        };
        world.offer(writer, visitor, intended, None);
    }
}

/// Who chooses: the seed, where one is given.
fn choice(world: &World, plan: &Plan) -> Random {
    plan.options.pace.seed.map_or_else(|| world.random.clone(), Random::seeded)
}

fn below(choice: &Random, bound: usize) -> usize {
    usize::try_from(choice.below(bound as u64)).unwrap_or(0)
}
