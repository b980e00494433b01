//! Settings of the trimmer.

use std::time::Duration;

use parlor_common::settings::duration;
use parlor_log::MIN_KEEP;
use serde::{Deserialize, Serialize};

/// When stored entries of the log go before their age makes them: `[trim]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrimSettings {
    /// `trim.every`: how often each shard is looked at.
    #[serde(with = "duration")]
    pub every: Duration,
    /// `trim.above`: how full a shard is, in percent of its bound, before something goes. At 100
    /// nothing ever does.
    pub above: u8,
    /// `trim.down_to`: how full it is left.
    pub down_to: u8,
    /// `trim.keep`: nothing younger goes, so that clients can resume that long.
    #[serde(with = "duration")]
    pub keep: Duration,
    /// `trim.pressed_above`: how full a shard is before `pressed_keep` counts.
    pub pressed_above: u8,
    /// `trim.pressed_keep`: nothing younger goes then.
    #[serde(with = "duration")]
    pub pressed_keep: Duration,
}

// === impl TrimSettings ===

impl TrimSettings {
    /// Says what cannot work.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn check(&self) -> Result<(), &'static str> {
        let Self { every, above, down_to, keep, pressed_above, pressed_keep } = self;
        if every.is_zero() {
            Err("trim.every must be longer than 0")
        } else if !(1..=100).contains(above) || down_to >= above {
            Err("trim.above must be 1 to 100, and trim.down_to smaller")
        } else if pressed_above < above || *pressed_above > 100 {
            Err("trim.pressed_above must be trim.above or more, 100 at most")
        } else if *pressed_keep < MIN_KEEP || pressed_keep > keep {
            Err("trim.pressed_keep must be 3m or more, and not longer than trim.keep")
        } else {
            Ok(())
        }
    }
}
