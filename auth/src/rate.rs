//! Rates: the generic cell rate algorithm, whose state is one number.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// How much is let through in a second on average, and how much at once after a pause: messages,
/// bytes or requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How much in a second.
    pub per_second: NonZeroU32,
    /// How much at once.
    pub burst: NonZeroU32,
}

// === impl Rate ===

impl Rate {
    /// `per_second` on average and `burst` at once; 0 counts as 1.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        const fn at_least_one(number: u32) -> NonZeroU32 {
            match NonZeroU32::new(number) {
                Some(number) => number,
                None => NonZeroU32::MIN,
            }
        }
        Self { per_second: at_least_one(per_second), burst: at_least_one(burst) }
    }

    /// What is used up once `amount` more is let through at `now`, or how long to wait for it.
    /// Microseconds.
    ///
    /// An amount over the burst counts as the burst, since it could never be let through otherwise.
    pub(crate) fn let_through(self, amount: u32, used: &mut i64, now: i64) -> Result<i64, i64> {
        let most = now + self.span_of(self.burst.get());
        // After the clock was set back, this instant may lie far ahead; no more than a whole burst
        // is ever owed.
        *used = (*used).clamp(now, most);
        let after = *used + self.span_of(amount.min(self.burst.get()));
        if after > most { Err(after - most) } else { Ok(after) }
    }

    /// How long the rate takes to let `amount` through.
    fn span_of(self, amount: u32) -> i64 {
        (i64::from(amount) * 1_000_000 / i64::from(self.per_second.get())).max(1)
    }
}
