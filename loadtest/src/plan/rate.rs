//! Rates and durations, and how a rate changes over a run.

use std::{fmt, str::FromStr, time::Duration};

use parlor_common::settings::duration;
use serde::de::{IntoDeserializer, value};

/// Drafts a second, such as `300/s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate(f64);

/// How the rate changes: it is the same all the time, but for bursts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    pub(crate) base: Rate,
    pub(crate) burst: Option<Burst>,
}

/// At the end of each period, the rate is another one for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    pub(crate) rate: Rate,
    pub(crate) lasts: Duration,
    pub(crate) every: Duration,
}

// === impl Rate ===

impl Rate {
    /// So many a second, where that is a rate.
    pub(crate) fn new(number: f64) -> Option<Self> {
        (0.001..=1_000_000.0).contains(&number).then_some(Self(number))
    }

    /// The time from one draft to the next.
    pub(crate) fn gap(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }

    /// So many a second.
    pub(crate) const fn number(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix("/s").unwrap_or(text).parse().ok();
        number.and_then(Self::new).ok_or_else(|| "a rate such as 300/s is expected".to_owned())
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

// === impl Course ===

impl Course {
    /// The same rate all the time.
    pub(crate) const fn steady(base: Rate) -> Self {
        Self { base, burst: None }
    }

    /// When each draft is due, from the beginning; without an end.
    pub(crate) fn times(self) -> impl Iterator<Item = Duration> {
        let next = move |&at: &Duration| at.checked_add(self.at(at).gap());
        std::iter::successors(Some(Duration::ZERO), next)
    }

    /// The rate at this time from the beginning.
    fn at(self, time: Duration) -> Rate {
        let is_burst = |burst: &Burst| {
            let within = time.as_secs_f64() % burst.every.as_secs_f64();
            within >= burst.every.saturating_sub(burst.lasts).as_secs_f64()
        };
        self.burst.filter(is_burst).map_or(self.base, |burst| burst.rate)
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.base)?;
        match self.burst {
            Some(Burst { rate, lasts, every }) => {
                write!(f, " and {rate} for {lasts:?} in every {every:?}")
            }
            None => Ok(()),
        }
    }
}

/// A duration as settings have it: `250ms`, `10s`, `5m`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let deserializer: value::StrDeserializer<'_, value::Error> = text.into_deserializer();
    duration::deserialize(deserializer).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_a_second() {
        assert_eq!("300/s".parse::<Rate>().unwrap().gap(), Duration::from_secs(1) / 300);
        for text in ["", "0", "-1/s", "NaN", "1/m"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_burst_comes_at_the_end_of_each_period() {
        let second = Duration::from_secs(1);
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        let burst = Burst { rate: rate("100/s"), lasts: 2 * second, every: 10 * second };
        let course = Course { base: rate("10/s"), burst: Some(burst) };
        let count = |from: u32, to: u32| {
            let times = course.times().take_while(|&time| time < to * second);
            times.filter(|&time| time >= from * second).count()
        };
        for (from, to, drafts) in [(0, 8, 80), (8, 10, 200), (10, 18, 80), (18, 20, 200)] {
            let counted = count(from, to);
            assert!(counted.abs_diff(drafts) <= 2, "{from}..{to}: {counted}, not {drafts}");
        }
    }
}
