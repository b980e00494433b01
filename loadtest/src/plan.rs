//! What is to be played: kinds of visitors, rates, durations and kills, and how they are written.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use parlor_common::settings::duration;
use serde::de::{IntoDeserializer, value};

/// How the visitor of a conversation speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The widget, by frames.
    Widget,
    /// The widget, by POST without ids; its tabs listen.
    WidgetPost,
    /// Protocol 1, by frames.
    Parlor1,
    /// Protocol 1, by POST with ids; its tabs listen.
    Rest,
}

/// Kinds and their shares, such as `widget=40,parlor1=50,rest=10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(BTreeMap<Kind, u32>);

/// Drafts a second, such as `300/s`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate(f64);

/// A node is killed, such as `ingress-1@20s,back=5s,every=30s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kill {
    pub(crate) node: String,
    /// When, from the beginning of the load.
    pub(crate) at: Duration,
    /// How much later it is started again; never where it is not given.
    pub(crate) back: Option<Duration>,
    /// Again and again, until the load ends.
    pub(crate) every: Option<Duration>,
}

// === impl Kinds ===

impl Kinds {
    /// The kind of the conversation with this number: a fixed pattern in which each kind has its
    /// share.
    pub(crate) fn of(&self, number: u32) -> Kind {
        let total: u32 = self.0.values().sum();
        // A step that shares no factor with 100, so that neighbours differ.
        let mut left = number.wrapping_mul(37) % total.max(1);
        for (&kind, &share) in &self.0 {
            if left < share {
                return kind;
            }
            left -= share;
        }
        Kind::Parlor1
    }
}

impl FromStr for Kinds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut kinds = BTreeMap::new();
        for part in text.split(',') {
            let (name, share) = part
                .split_once('=')
                .ok_or("kinds such as widget=40,parlor1=50,rest=10 are expected")?;
            let share: u32 =
                share.parse().ok().filter(|share| *share <= 1000).ok_or("a share is 0 to 1000")?;
            kinds.insert(name.parse()?, share);
        }
        if kinds.values().sum::<u32>() == 0 {
            Err("no kind has a share".to_owned())
        } else {
            Ok(Self(kinds))
        }
    }
}

// === impl Kind ===

impl Kind {
    /// Whether it speaks the widget's contract.
    pub(crate) const fn is_widget(self) -> bool {
        matches!(self, Self::Widget | Self::WidgetPost)
    }

    /// Whether it writes by REST.
    pub(crate) const fn is_rest(self) -> bool {
        matches!(self, Self::WidgetPost | Self::Rest)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "widget" => Ok(Self::Widget),
            "widget-post" => Ok(Self::WidgetPost),
            "parlor1" => Ok(Self::Parlor1),
            "rest" => Ok(Self::Rest),
            other => Err(format!("{other:?} is none of widget, widget-post, parlor1, rest")),
        }
    }
}

// === impl Rate ===

impl Rate {
    /// The time from one draft to the next.
    pub(crate) fn gap(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix("/s").unwrap_or(text).parse().ok();
        let is_rate = |rate: &f64| (0.001..=1_000_000.0).contains(rate);
        number
            .filter(is_rate)
            .map(Self)
            .ok_or_else(|| "a rate such as 300/s is expected".to_owned())
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

// === impl Kill ===

impl FromStr for Kill {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let (node, at) = parts
            .next()
            .and_then(|first| first.split_once('@'))
            .ok_or("a kill such as ingress-1@20s,back=5s is expected")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if node.is_empty() || !node.chars().all(is_name) {
            return Err(format!("{node:?} is no node's name"));
        }
        let mut kill =
            Self { node: node.to_owned(), at: parse_duration(at)?, back: None, every: None };
        for part in parts {
            match part.split_once('=') {
                Some(("back", after)) => kill.back = Some(parse_duration(after)?),
                Some(("every", period)) => kill.every = Some(parse_duration(period)?),
                _ => return Err(format!("{part:?} is neither back=… nor every=…")),
            }
        }
        if kill.every.is_some_and(|every| every <= kill.back.unwrap_or_default()) {
            return Err("every=… must be longer than back=…".to_owned());
        }
        Ok(kill)
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
    fn each_kind_has_its_share() {
        let kinds: Kinds = "widget=40,parlor1=50,rest=10".parse().unwrap();
        let count = |kind| (0..100).filter(|&number| kinds.of(number) == kind).count();
        assert_eq!([count(Kind::Widget), count(Kind::Parlor1), count(Kind::Rest)], [40, 50, 10]);
        for text in ["", "widget", "widget=x", "other=1", "rest=0"] {
            assert!(text.parse::<Kinds>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_kill_names_its_node_and_times() {
        let kill: Kill = "ingress-1@20s,back=500ms,every=5s".parse().unwrap();
        assert_eq!((kill.node.as_str(), kill.at), ("ingress-1", Duration::from_secs(20)));
        assert_eq!(
            (kill.back, kill.every),
            (Some(Duration::from_millis(500)), Some(Duration::from_secs(5)))
        );
        for text in ["", "x", "x@", "@1s", "a b@1s", "x@1s,later=2s", "x@1s,back=5s,every=5s"] {
            assert!(text.parse::<Kill>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rate_is_a_number_a_second() {
        assert_eq!("300/s".parse::<Rate>().unwrap().gap(), Duration::from_secs(1) / 300);
        for text in ["", "0", "-1/s", "NaN", "1/m"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
