//! The age rule: when a client message id needs no lookup, because the log's duplicate window still
//! covers every earlier attempt under it. Pure, so that it can be tested as arithmetic.
//!
//! 45 s of age, 30 s into the future, two clocks 5 s off and 12 s of the log's own retries stay
//! under its window of 120 s.

use std::time::Duration;

use parlor_common::{clock::Timestamp, id::ClientMessageId};

/// Younger than this an id is not looked up.
pub(crate) const YOUNG: Duration = Duration::from_secs(45);
/// Further ahead than this an id is refused, before it can become young later.
pub(crate) const AHEAD: Duration = Duration::from_secs(30);

/// What must be done before a draft with a client's id may be appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// The window covers the conversation that is written to; others of the same visitor must be
    /// looked at.
    Young,
    /// An earlier attempt may lie before the window: every conversation must be looked at.
    Old,
    /// More than 30 s ahead: to be refused.
    FromFuture,
}

/// Judges `id` at `now`, right before the append. `now` is the log's time as well as is known;
/// `clock_right` tells whether the node's own clock agrees with it.
pub(crate) fn judge(id: &ClientMessageId, now: Timestamp, clock_right: bool) -> Age {
    let Some(time) = id.time() else { return Age::Old };
    if time > now.plus(AHEAD) {
        Age::FromFuture
    } else if clock_right && now.since(time) < YOUNG {
        Age::Young
    } else {
        Age::Old
    }
}

#[cfg(test)]
mod tests {
    use parlor_common::random::Random;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn made(offset_ms: i64) -> ClientMessageId {
        ClientMessageId::made(
            Timestamp::from_millis(NOW.as_millis() + offset_ms),
            &Random::seeded(1),
        )
    }

    #[test]
    fn a_uuidv7_is_young_below_45_seconds() {
        assert_eq!(judge(&made(0), NOW, true), Age::Young);
        assert_eq!(judge(&made(-44_999), NOW, true), Age::Young);
        assert_eq!(judge(&made(-45_000), NOW, true), Age::Old);
    }

    #[test]
    fn a_uuidv7_is_refused_above_30_seconds_ahead() {
        assert_eq!(judge(&made(30_000), NOW, true), Age::Young);
        assert_eq!(judge(&made(30_001), NOW, true), Age::FromFuture);
        assert_eq!(judge(&made(1_000_000_000_000), NOW, true), Age::FromFuture);
    }

    #[test]
    fn an_id_without_a_time_is_always_looked_up() {
        for id in ["m1", "f47ac10b-58cc-4372-a567-0e02b2c3d479"] {
            assert_eq!(judge(&ClientMessageId::parse(id).unwrap(), NOW, true), Age::Old);
        }
    }

    #[test]
    fn a_node_whose_clock_is_wrong_looks_everything_up() {
        assert_eq!(judge(&made(0), NOW, false), Age::Old);
        assert_eq!(judge(&made(30_001), NOW, false), Age::FromFuture);
    }

    #[test]
    fn what_is_young_was_first_tried_within_the_logs_window() {
        let (skew, retries, window) =
            (Duration::from_secs(5), Duration::from_secs(12), Duration::from_secs(120));
        assert!(YOUNG + AHEAD + 2 * skew + retries < window);
    }
}
