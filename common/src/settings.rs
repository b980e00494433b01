//! What all settings have in common: the file of their defaults, and durations as people write
//! them.

use serde::de::DeserializeOwned;

/// Every setting with its default and its bounds, and what it means: the documentation of the
/// settings.
pub const DEFAULTS: &str = include_str!("../../parlor/defaults.toml");

/// The defaults of a section, such as `cql` or `embedded.log`, for what needs them without the
/// binary: tests.
///
/// # Panics
/// Where the file has no such section, or it is another part's.
pub fn defaults<T: DeserializeOwned>(section: &str) -> T {
    let file: toml::Value = toml::from_str(DEFAULTS).expect("the file of the defaults is TOML");
    let found = section.split('.').try_fold(&file, |place, name| place.get(name));
    let found = found.unwrap_or_else(|| panic!("{section} is no section of the defaults")).clone();
    found.try_into().unwrap_or_else(|error| panic!("the defaults of {section}: {error}"))
}

/// A duration as a number and a unit, such as `250ms`, `10s`, `5m`, `12h` or `7d`; for
/// `#[serde(with = …)]`.
pub mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

    /// Reads a duration.
    ///
    /// # Errors
    /// A sentence where it is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| {
            D::Error::custom(format!("{text:?} is no duration such as 250ms, 10s, 5m, 12h or 7d"))
        })
    }

    /// Writes a duration in the largest unit that divides it.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (unit, size) = UNITS
            .into_iter()
            .rev()
            .find(|(_, size)| millis % size == 0 && millis > 0)
            .unwrap_or(("s", 1));
        serializer.serialize_str(&format!("{}{unit}", millis / size))
    }

    fn parse(text: &str) -> Option<Duration> {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(digits);
        let size = UNITS.into_iter().find(|(name, _)| *name == unit)?.1;
        number.parse::<u64>().ok()?.checked_mul(size).map(Duration::from_millis)
    }

    #[cfg(test)]
    mod tests {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn what_anybody_writes_is_a_duration_or_none(
                text in any::<String>(),
                near in "[0-9]{0,22}[a-zµ§]{0,2}",
            ) {
                parse(&text);
                let said = parse(&near);
                let digits = near.trim_end_matches(|c: char| !c.is_ascii_digit());
                prop_assert_eq!(said.is_some_and(|said| said.is_zero()), {
                    said.is_some() && digits.trim_matches('0').is_empty()
                });
            }
        }

        #[test]
        fn a_duration_is_a_number_and_a_unit() {
            assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
            assert_eq!(parse("12s"), Some(Duration::from_secs(12)));
            assert_eq!(parse("7d"), Some(Duration::from_secs(7 * 86_400)));
            for text in ["", "5", "s", "-1s", "1.5s", "5 s", "5y", "99999999999999999999s"] {
                assert_eq!(parse(text), None, "{text}");
            }
        }
    }
}
