//! Kinds of visitors, and their shares.

use std::{collections::BTreeMap, str::FromStr};

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

    /// Whether some speak the widget's contract.
    pub(crate) fn have_widgets(&self) -> bool {
        self.0.iter().any(|(kind, &share)| kind.is_widget() && share > 0)
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
}
