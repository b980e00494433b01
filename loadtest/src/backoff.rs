//! When a client comes back: the rules of its protocol.

use std::time::Duration;

use parlor_common::random::Random;

/// The widget waits so long after a loss, then after each failure, and then gives up until a
/// reload.
const WIDGET: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(7),
    Duration::from_secs(15),
    Duration::from_secs(31),
];
/// Protocol 1's shortest and longest delay.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(20);

/// How long to wait before the try with this number, counted from 0 after each success.
pub(crate) fn widget(tries: usize) -> Option<Duration> {
    WIDGET.get(tries).copied()
}

/// The same for protocol 1: full jitter, doubled at each failure, unless the server named a time.
pub(crate) fn protocol(tries: u32, named: Option<Duration>, random: &Random) -> Duration {
    if let Some(named) = named {
        return named.min(LONGEST);
    }
    let most = SHORTEST.saturating_mul(2_u32.saturating_pow(tries.saturating_add(1))).min(LONGEST);
    let spread = u64::try_from((most - SHORTEST).as_micros()).unwrap_or(0);
    SHORTEST + Duration::from_micros(random.below(spread + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widget_gives_up_after_five_tries() {
        assert_eq!(widget(0), Some(Duration::from_secs(1)));
        assert_eq!(widget(4), Some(Duration::from_secs(31)));
        assert_eq!(widget(5), None);
    }

    #[test]
    fn protocol_1_doubles_its_jitter_and_obeys_the_server() {
        let random = Random::seeded(1);
        for tries in 0..100 {
            let delay = protocol(tries, None, &random);
            assert!(delay >= SHORTEST && delay <= LONGEST, "{delay:?}");
            assert!(tries > 0 || delay <= Duration::from_secs(1), "{delay:?}");
        }
        assert_eq!(protocol(9, Some(Duration::from_millis(7)), &random), Duration::from_millis(7));
    }
}
