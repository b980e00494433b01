use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use super::play::{self, STEPS};

/// Runs `seed`; a failure tells how to see it again.
fn run(seed: u64, steps: u64) -> (u64, u64) {
    catch_unwind(AssertUnwindSafe(|| play::play(seed, steps))).unwrap_or_else(|failure| {
        eprintln!(
            "replay it: PARLOR_SIMULATION_SEED={seed} PARLOR_SIMULATION_STEPS={steps} \
             cargo test -p parlor-fanout --lib simulation::tests::a_seed -- --nocapture"
        );
        resume_unwind(failure)
    })
}

/// So many steps, of seeds from `first` on.
fn steps(first: u64, steps: u64) {
    let began = Instant::now();
    let gaps: u64 = (0..steps / STEPS).map(|number| run(first.wrapping_add(number), STEPS).0).sum();
    println!("{steps} steps from seed {first} in {:?}; {gaps} gaps were told", began.elapsed());
}

#[expect(clippy::disallowed_methods, reason = "who replays a seed names it so")]
fn setting(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// The one that was asked for; or random ones, where only a number of steps was asked for; else the
/// same ones as always, so that a change is not stopped by what others have left.
#[test]
fn a_seed() {
    match (setting("PARLOR_SIMULATION_SEED"), setting("PARLOR_SIMULATION_STEPS")) {
        (Some(seed), count) => {
            run(seed, count.unwrap_or(STEPS));
        }
        (None, Some(count)) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            steps(u64::try_from(now.as_nanos() & 0xffff_ffff_ffff).unwrap(), count);
        }
        (None, None) => steps(2_000_000, 300_000),
    }
}

#[test]
fn seeds_from_1() {
    steps(1, 350_000);
}

#[test]
fn seeds_from_1000000() {
    steps(1_000_000, 350_000);
}

/// Each has found something that other seeds of these tests had not.
#[test]
fn seeds_that_have_found_something() {
    for seed in [188_974_311_686_965, 189_431_514_190_096] {
        run(seed, STEPS);
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..5 {
        assert_eq!(run(seed, STEPS), run(seed, STEPS), "seed {seed}");
    }
}
