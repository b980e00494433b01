//! The verdict: what is wrong, where, and how much of it.

use std::fmt;

use serde::Serialize;

use super::Tag;

/// So many faults are kept and told; the counts go on.
pub(super) const MOST_FAULTS: usize = 1000;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    /// Who noticed: a client's name, `history` or `rows`.
    pub(crate) place: String,
    /// Which draft it is about.
    pub(crate) tag: Option<Tag>,
    pub(crate) detail: String,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FaultKind {
    /// Accepted, and absent from history.
    Lost,
    /// In history, and never shown to a client that was promised it.
    Missing,
    /// Twice in history, or shown twice to one client.
    Doubled,
    /// Not in the order of sending or of history.
    Reordered,
    /// Shown to someone it is not for.
    Foreign,
    /// Nobody sent it like this, or the server had refused it.
    Invented,
    /// The database and history disagree.
    Rows,
    /// A claim was won of what somebody else held.
    Winners,
    /// Two views of a conversation's state disagree.
    States,
}

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    /// Answered so, or shown to anybody.
    pub(crate) accepted: u64,
    /// Refused for good.
    pub(crate) refused: u64,
    /// Refused for now, by a retryable answer.
    pub(crate) failed: u64,
    /// Neither answered nor seen.
    pub(crate) unknown: u64,
    /// Shown to anybody.
    pub(crate) seen: u64,
    /// Showings, to all clients together.
    pub(crate) shown: u64,
    /// Shown again to a widget after a lost connection, as it may be.
    pub(crate) repeats: u64,
    /// Subscriptions whose past the server could not give.
    pub(crate) gaps: u64,
    /// Noticed while the run went on.
    pub(crate) faults: u64,
}

/// Where in its conversation a lost message lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Split {
    /// Before everything that is there.
    pub(crate) prefix: u64,
    pub(crate) middle: u64,
    /// After everything that is there.
    pub(crate) postfix: u64,
}

/// The judgement of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) lost: u64,
    pub(crate) missing: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
    pub(crate) foreign: u64,
    pub(crate) invented: u64,
    pub(crate) rows: u64,
    pub(crate) winners: u64,
    pub(crate) states: u64,
    /// Of the lost ones.
    pub(crate) lost_at: Split,
    /// Of the missing ones.
    pub(crate) missing_at: Split,
    /// Messages that history holds.
    pub(crate) in_history: u64,
    /// Rows that the database holds, where it was asked.
    pub(crate) in_rows: Option<u64>,
    /// Drafts without an answer that are in history, and that are not.
    pub(crate) unknown_present: u64,
    pub(crate) unknown_absent: u64,
    /// Of the latter, those that should have been answered: all but frames of the widget.
    pub(crate) unanswered: u64,
    /// Messages of others that widgets were shown live, of those they could have been.
    pub(crate) widgets_shown: u64,
    pub(crate) widgets_of: u64,
    /// Conversations that could not be read back, and so are not judged.
    pub(crate) unread: Vec<String>,
    /// The first faults.
    pub(crate) faults: Vec<Fault>,
}

// === impl Verdict ===

impl Verdict {
    /// All faults.
    pub(crate) const fn total(&self) -> u64 {
        self.lost
            + self.missing
            + self.doubled
            + self.reordered
            + self.foreign
            + self.invented
            + self.rows
            + self.winners
            + self.states
    }

    /// Counts a fault, and keeps it while there is room.
    pub(crate) fn fault(&mut self, fault: Fault) {
        *match fault.kind {
            FaultKind::Lost => &mut self.lost,
            FaultKind::Missing => &mut self.missing,
            FaultKind::Doubled => &mut self.doubled,
            FaultKind::Reordered => &mut self.reordered,
            FaultKind::Foreign => &mut self.foreign,
            FaultKind::Invented => &mut self.invented,
            FaultKind::Rows => &mut self.rows,
            FaultKind::Winners => &mut self.winners,
            FaultKind::States => &mut self.states,
        } += 1;
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }
}

// === impl Split ===

impl Split {
    /// Notes what is missing at `place`, where the first and last that are there lie at `present`;
    /// tells where.
    pub(super) fn note(&mut self, place: usize, present: Option<(usize, usize)>) -> &'static str {
        let (count, word) = match present {
            Some((first, _)) if place < first => (&mut self.prefix, "before all that is there"),
            Some((_, last)) if place > last => (&mut self.postfix, "after all that is there"),
            Some(_) => (&mut self.middle, "in the middle"),
            None => (&mut self.postfix, "nothing is there"),
        };
        *count += 1;
        word
    }
}

// === impl Fault ===

impl Fault {
    pub(super) fn at_client(
        kind: FaultKind,
        client: String,
        tag: Option<Tag>,
        detail: impl Into<String>,
    ) -> Self {
        Self { kind, place: client, tag, detail: detail.into() }
    }

    pub(super) fn in_history(kind: FaultKind, tag: Option<Tag>, detail: impl Into<String>) -> Self {
        Self { kind, place: "history".to_owned(), tag, detail: detail.into() }
    }

    pub(super) fn in_rows(tag: Option<Tag>, detail: impl Into<String>) -> Self {
        Self { kind: FaultKind::Rows, place: "rows".to_owned(), tag, detail: detail.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind)?;
        if let Some(tag) = self.tag {
            write!(f, "{} draft {}: ", tag.conversation, tag.number)?;
        }
        write!(f, "{} {}", self.place, self.detail)
    }
}

impl Serialize for Fault {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "lost",
            Self::Missing => "missing",
            Self::Doubled => "doubled",
            Self::Reordered => "reordered",
            Self::Foreign => "foreign",
            Self::Invented => "invented",
            Self::Rows => "rows",
            Self::Winners => "winners",
            Self::States => "states",
        })
    }
}
