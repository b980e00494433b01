//! What must be seen: a figure and its bound.

use serde::Serialize;

/// A figure that has a bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) figure: Figure,
    must: Must,
    /// Another bound in the short form, which runs on machines that are busy with other things;
    /// `None` where it is not judged there.
    short: Option<Must>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Must {
    AtMost(f64),
    AtLeast(f64),
    /// Whatever there is: another bound of the fault judges it.
    Any,
}

/// What a run comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// Accepted, and absent from history.
    Lost,
    /// In history, and never shown to a client that was promised it.
    Missing,
    Doubled,
    Reordered,
    Foreign,
    Invented,
    /// Conversations in which the database and history disagree.
    Rows,
    /// Claims of agents that were won of what another held.
    Winners,
    /// Views of conversations' states that disagree.
    States,
    /// Conversations that could not be read back.
    Unread,
    /// Percent of the sends that were refused, failed, or have no answer.
    FailedPercent,
    /// Answers that were neither an acceptance nor a refusal in the protocol's form.
    OddAnswers,
    /// Subscriptions that were told that their past is not known.
    Gaps,
    /// Clients that will not come back.
    Gone,
    /// Milliseconds from the intended time to the answer, and to the showing to another client.
    AcceptP99,
    AcceptMax,
    DeliverMax,
    /// Milliseconds from the loss of a socket to the subscription of the next.
    BackP99,
    /// The answers' p99 while something is broken, by that before.
    AcceptRatio,
    /// The showings' p99 while something is broken, by that before.
    DeliverRatio,
    /// Seconds from the beginning of the last mending to the first acceptance.
    AcceptingAgain,
    /// Seconds from the end of the last mending to no backlog, and to every node's being ready.
    BacklogGone,
    ReadyAgain,
    /// The slowest answer of an operators' port, in milliseconds.
    AdminMax,
    /// Lines of logs that were lost and counted.
    LostLines,
    /// Sockets that were closed as too slow.
    SlowCloses,
    /// Tenants that are served although the file no longer names them.
    MissingTenants,
    /// Reads of the database for each socket that came back.
    StoreReadsPerResume,
    /// Publishes that were repeated, of 100.
    AppendRetries,
    /// Appends that the log refused or did not answer.
    LogRefusals,
    /// Tenants of which a message is there once that has an id of all tenants; and not once.
    IdsRight,
    IdsWrong,
    /// What became of a flood: accepted, told whose limit it is, and anything that is neither.
    FloodAccepted,
    FloodLimited,
    FloodOdd,
    /// Histories that were read: whole, refused, and with a hole.
    ReadsWhole,
    ReadsRefused,
    ReadsWithHoles,
    /// Sends to a shard that is gone: refused meanwhile, and whether the last one was accepted.
    ProbeRefused,
    ProbeAccepted,
}

/// A bound and what was seen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) figure: Figure,
    /// For people, such as `≤ 5`.
    pub(crate) must: String,
    /// `None` where there was nothing to see: that is not good enough where it is judged.
    pub(crate) seen: Option<f64>,
    /// `None` where it is not judged in this form.
    pub(crate) holds: Option<bool>,
}

/// Nothing lost, nothing twice, nothing out of order: what every fault must leave.
pub(crate) const NOTHING: [Bound; 10] = [
    most(Figure::Lost, 0.0),
    most(Figure::Missing, 0.0),
    most(Figure::Doubled, 0.0),
    most(Figure::Reordered, 0.0),
    most(Figure::Foreign, 0.0),
    most(Figure::Invented, 0.0),
    most(Figure::Rows, 0.0),
    most(Figure::Winners, 0.0),
    most(Figure::States, 0.0),
    most(Figure::Unread, 0.0),
];

/// At the most so much, in both forms.
pub(crate) const fn most(figure: Figure, value: f64) -> Bound {
    Bound { figure, must: Must::AtMost(value), short: Some(Must::AtMost(value)) }
}

/// At least so much, in both forms.
pub(crate) const fn least(figure: Figure, value: f64) -> Bound {
    Bound { figure, must: Must::AtLeast(value), short: Some(Must::AtLeast(value)) }
}

/// Told and not judged, in both forms.
pub(crate) const fn told(figure: Figure) -> Bound {
    Bound { figure, must: Must::Any, short: None }
}

// === impl Bound ===

impl Bound {
    /// The short form allows so much.
    pub(crate) const fn short(self, value: f64) -> Self {
        let short = match self.must {
            Must::AtMost(_) => Must::AtMost(value),
            Must::AtLeast(_) => Must::AtLeast(value),
            Must::Any => Must::Any,
        };
        Self { short: Some(short), ..self }
    }

    /// The short form tells it and does not judge it.
    pub(crate) const fn full_only(self) -> Self {
        Self { short: None, ..self }
    }

    /// Within how many seconds it must have been seen, where it is about that.
    pub(crate) fn patience(&self, is_short: bool) -> Option<f64> {
        let must = if is_short { self.short } else { Some(self.must) };
        match (self.figure, must) {
            (Figure::BacklogGone | Figure::ReadyAgain, Some(Must::AtMost(most))) => Some(most),
            _ => None,
        }
    }

    /// Judges what was seen.
    pub(crate) fn judge(&self, seen: Option<f64>, is_short: bool) -> Line {
        let must = if is_short { self.short } else { Some(self.must) };
        let must = must.filter(|must| *must != Must::Any);
        let holds = must.map(|must| seen.is_some_and(|seen| must.holds(seen)));
        Line { figure: self.figure, must: must.unwrap_or(self.must).to_string(), seen, holds }
    }
}

// === impl Must ===

impl Must {
    fn holds(self, seen: f64) -> bool {
        match self {
            Self::AtMost(most) => seen <= most,
            Self::AtLeast(least) => seen >= least,
            Self::Any => true,
        }
    }
}

impl std::fmt::Display for Must {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::Any => f.write_str("told"),
        }
    }
}

// === impl Figure ===

impl Figure {
    /// For people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lost => "accepted and lost",
            Self::Missing => "never shown to a client",
            Self::Doubled => "shown or kept twice",
            Self::Reordered => "out of order",
            Self::Foreign => "shown to a stranger",
            Self::Invented => "sent by nobody",
            Self::Rows => "rows that differ from history",
            Self::Winners => "claims won twice",
            Self::States => "states that disagree",
            Self::Unread => "conversations that could not be read back",
            Self::FailedPercent => "sends that failed, %",
            Self::OddAnswers => "sends without an answer of the protocol",
            Self::Gaps => "gaps told",
            Self::Gone => "clients that stay away",
            Self::AcceptP99 => "answer p99, ms",
            Self::AcceptMax => "slowest answer, ms",
            Self::DeliverMax => "slowest showing, ms",
            Self::BackP99 => "sockets back p99, ms",
            Self::AcceptRatio => "answer p99, during by before",
            Self::DeliverRatio => "showing p99, during by before",
            Self::AcceptingAgain => "accepting again after, s",
            Self::BacklogGone => "backlog gone after, s",
            Self::ReadyAgain => "every node ready after, s",
            Self::AdminMax => "slowest answer of an operators' port, ms",
            Self::LostLines => "log lines lost and counted",
            Self::SlowCloses => "sockets closed as slow",
            Self::MissingTenants => "tenants kept that the file lacks",
            Self::StoreReadsPerResume => "database reads by resume",
            Self::AppendRetries => "publishes repeated, %",
            Self::LogRefusals => "appends that the log did not take",
            Self::IdsRight => "tenants with the message once",
            Self::IdsWrong => "tenants without it, or with it twice",
            Self::FloodAccepted => "messages of the flood accepted",
            Self::FloodLimited => "messages of the flood told to wait",
            Self::FloodOdd => "messages of the flood answered otherwise",
            Self::ReadsWhole => "histories read whole",
            Self::ReadsRefused => "histories refused",
            Self::ReadsWithHoles => "histories with a hole",
            Self::ProbeRefused => "sends refused while the stream was gone",
            Self::ProbeAccepted => "accepted again at the end",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_holds_or_not_and_what_was_not_seen_does_not_hold() {
        let bound = most(Figure::BacklogGone, 5.0).short(20.0);
        assert_eq!(bound.judge(Some(5.0), false).holds, Some(true));
        assert_eq!(bound.judge(Some(5.1), false).holds, Some(false));
        assert_eq!(bound.judge(Some(5.1), true).holds, Some(true));
        assert_eq!(bound.judge(None, true).holds, Some(false), "nothing was seen");
        assert_eq!((bound.patience(false), bound.patience(true)), (Some(5.0), Some(20.0)));
        let bound = least(Figure::LostLines, 1.0).full_only();
        assert_eq!(bound.patience(false), None);
        assert_eq!(bound.judge(Some(0.0), false).holds, Some(false));
        assert_eq!(bound.judge(Some(0.0), true).holds, None, "it is told and not judged");
    }
}
