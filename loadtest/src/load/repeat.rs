//! The same drafts again and again: at once, within the log's duplicate window, and long after it.

use std::time::Duration;

use parlor_common::{id::ClientMessageId, random::Random};
use tokio::time::{Instant, sleep, sleep_until};

use super::{below, choice};
use crate::{
    client::{Known, World},
    ledger::{Client, Expects, Sending, Transport},
    plan::{Plan, Repeats},
    stage::{Line, Stage},
};

/// One send of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Send {
    at: Duration,
    id: u32,
}

/// Until this age a UUIDv7 needs no lookup, and this long the log knows a duplicate by itself.
const YOUNG: Duration = Duration::from_secs(45);
const WINDOW: Duration = Duration::from_secs(120);
/// Of this many ids, one has no time in it, so that each of its sends is looked up.
const TIMELESS: u32 = 10;
/// How often what was not accepted is sent again in the end, and how many of these at once.
const PAUSE: Duration = Duration::from_secs(3);
const AT_ONCE: usize = 500;

/// Sends every id as often as the schedule says, from `begin` on, and then what was not accepted.
pub(crate) async fn repeat(
    world: &World,
    stage: &Stage,
    plan: &Plan,
    repeats: Repeats,
    begin: Instant,
) {
    let choice = choice(world, plan);
    let author = world.ledger.client(Expects::Nothing, 0);
    let mut known: Vec<Option<Known>> = vec![None; repeats.ids as usize];
    let send = |id: u32, known: &mut Option<Known>, intended| {
        let line = &stage.lines[id as usize % stage.lines.len()];
        let of = known.get_or_insert_with(|| first(world, author, line, id, intended));
        let writer = &line.writers[below(&choice, line.writers.len())];
        world.offer(writer, &line.visitor, intended, Some(of.clone()));
    };
    for Send { at, id } in schedule(repeats, &choice) {
        let intended = begin + at;
        sleep_until(intended).await;
        send(id, &mut known[id as usize], intended);
    }
    // A client goes on with what it was told to try again.
    let end = Instant::now() + plan.options.pace.drain;
    while Instant::now() < end {
        sleep(PAUSE).await;
        let is_open = |known: &Option<Known>| {
            known.as_ref().is_some_and(|known| !world.ledger.is_answered(known.tag))
        };
        let open = (0_u32..).zip(&mut known).filter(|(_, known)| is_open(known));
        let mut is_done = true;
        for (id, known) in open.take(AT_ONCE) {
            is_done = false;
            send(id, known, Instant::now());
        }
        if is_done {
            return;
        }
    }
}

/// A draft before its first send. Each is a session of its own: one that is refused for now and
/// accepted later comes behind others, rightly.
fn first(world: &World, author: Client, line: &Line, number: u32, intended: Instant) -> Known {
    let tag = world.ledger.sends(Sending {
        author,
        conversation: line.visitor.conversation,
        transport: Transport::Identified,
        session: number,
        intended,
    });
    let made = ClientMessageId::made(world.time.now(), &world.random);
    let timeless = || ClientMessageId::parse(&format!("load-{:016x}", world.random.number())).ok();
    let id = match number % TIMELESS {
        0 => timeless().unwrap_or(made),
        _ => made,
    };
    Known { tag, id }
}

/// Every send, in order. The first sends of the ids are spread evenly over most of the time.
fn schedule(repeats: Repeats, choice: &Random) -> Vec<Send> {
    let Repeats { ids, most, over } = repeats;
    let mut sends = Vec::new();
    let rest = over / 3;
    for id in 0..ids {
        let first = (over - rest).mul_f64(f64::from(id) / f64::from(ids));
        sends.push(Send { at: first, id });
        for _ in 1..times(id, most, choice) {
            let within = |from: Duration, to: Duration| from + (to - from).mul_f64(part(choice));
            let later = match choice.below(4) {
                0 => Duration::ZERO,
                1 => within(Duration::ZERO, YOUNG),
                2 => within(YOUNG, WINDOW),
                _ => within(WINDOW, WINDOW.max(over)),
            };
            // What does not fit is sent some time before the end.
            let at = first + later;
            let at = if at < over { at } else { within(first, over) };
            sends.push(Send { at, id });
        }
    }
    sends.sort_unstable();
    sends
}

/// How often an id is sent: once to `most` times, often few times and seldom many. The first id is
/// sent `most` times in any case.
fn times(id: u32, most: u32, choice: &Random) -> u32 {
    if id == 0 {
        return most;
    }
    // As many ids are sent n times as n⁻² says.
    let lot = 1.0 / (1.0 - part(choice) * (1.0 - 1.0 / (f64::from(most) + 1.0)));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to most + 1")]
    let times = lot as u32;
    times.clamp(1, most)
}

/// A number from 0 to 1.
fn part(choice: &Random) -> f64 {
    f64::from(u32::try_from(choice.below(1 << 24)).unwrap_or(0)) / f64::from(1_u32 << 24)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_id_is_sent_once_to_most_times_and_some_beyond_the_window() {
        let over = Duration::from_secs(600);
        let repeats = Repeats { ids: 10_000, most: 50, over };
        let sends = schedule(repeats, &Random::seeded(1));
        let mut by_id: BTreeMap<u32, Vec<Duration>> = BTreeMap::new();
        for send in &sends {
            assert!(send.at < over);
            by_id.entry(send.id).or_default().push(send.at);
        }
        assert_eq!(by_id.len(), 10_000);
        assert_eq!(by_id[&0].len(), 50);
        assert!(by_id.values().all(|times| times.len() <= 50));
        let count = |is: fn(&Vec<Duration>) -> bool| by_id.values().filter(|of| is(of)).count();
        assert!((4000..7000).contains(&count(|of| of.len() == 1)));
        assert!(count(|of| of.len() >= 10) > 500);
        assert!(count(|of| of[of.len() - 1] - of[0] > WINDOW) > 1000);
        assert!(count(|of| of.len() > 1 && of[1] == of[0]) > 1000);
    }

    #[test]
    fn a_short_schedule_keeps_within_its_time() {
        let over = Duration::from_secs(3);
        let sends = schedule(Repeats { ids: 20, most: 5, over }, &Random::seeded(1));
        assert!(sends.iter().all(|send| send.at < over) && sends.len() > 20);
    }
}
