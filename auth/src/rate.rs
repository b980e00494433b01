//! Rates: the generic cell rate algorithm, whose state is one number.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// How many are let through in a second on average, and how many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many in a second.
    pub per_second: NonZeroU32,
    /// How many at once.
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

    /// Lets one more through at `now` and adds it to `used`, or says how long to wait.
    /// Microseconds.
    pub(crate) fn let_through(self, used: &mut i64, now: i64) -> Result<(), i64> {
        let each = (1_000_000 / i64::from(self.per_second.get())).max(1);
        let most = now + each * i64::from(self.burst.get());
        // After the clock was set back, this instant may lie far ahead; no more than a whole burst
        // is ever owed.
        *used = (*used).clamp(now, most);
        let after = *used + each;
        if after > most {
            return Err(after - most);
        }
        *used = after;
        Ok(())
    }
}
