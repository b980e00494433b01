//! Marks: how far a client has got what it was shown, as its pongs tell. The log is told now and
//! then: there is at most one mark on its way, and the next one not too soon after it.

use std::{fmt, time::Duration};

use parlor_common::{
    event::SocketIs,
    planted::{self, Fault},
    position::Position,
};
use tokio::time::Instant;

use crate::session::drafts::Answer;

/// The least time between two marks of one session.
const APART: Duration = Duration::from_secs(2);

/// The delivered marks of one session. They only rise.
pub(crate) struct Marks {
    /// Everything up to here has gone to the writer.
    shown: Position,
    /// The last ping, and what had gone to the writer before it.
    pinged: Option<(u64, Position)>,
    /// The client has everything up to here.
    acknowledged: Position,
    /// The log has been told so of this socket; `None` before it has been told anything.
    noted: Option<Position>,
    /// The log is to be told that the page has come back.
    back: bool,
    with_door: Option<(Position, Answer)>,
    not_before: Instant,
}

// === impl Marks ===

impl Marks {
    /// Of a socket that opens now.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            shown: Position::ZERO,
            pinged: None,
            acknowledged: Position::ZERO,
            noted: None,
            back: false,
            with_door: None,
            not_before: now,
        }
    }

    /// The page comes back, and has everything up to here.
    pub(crate) fn comes_back(&mut self, up_to: Position) {
        self.back = true;
        self.acknowledged = up_to;
        self.shown = up_to;
    }

    /// Everything up to here has gone to the writer.
    pub(crate) fn shown(&mut self, through: Position) {
        self.shown = self.shown.max(through);
    }

    /// A ping goes out behind what was shown.
    pub(crate) fn pinged(&mut self, number: u64) {
        if planted::is(Fault::MarkBeforePong) {
            self.acknowledged = self.shown;
        }
        self.pinged = Some((number, self.shown));
    }

    /// This ping was answered. An earlier one than the last tells nothing yet: the answer to the
    /// last is on its way.
    pub(crate) fn answered(&mut self, number: u64) {
        if let Some((last, shown)) = self.pinged
            && last <= number
        {
            self.pinged = None;
            self.acknowledged = self.acknowledged.max(shown);
        }
    }

    /// When the next mark is to go to the door; `None` while there is none, or one is there.
    pub(crate) fn due_at(&self) -> Option<Instant> {
        let waits = self.with_door.is_none() && (self.back || self.is_ahead(self.noted));
        waits.then_some(self.not_before)
    }

    /// The mark that is to go to the door now, if one is, and what it tells of the socket.
    pub(crate) fn due(&self, now: Instant) -> Option<(Position, SocketIs)> {
        let is = if self.back { SocketIs::Back } else { SocketIs::Open };
        self.due_at().filter(|at| now >= *at).map(|_| (self.acknowledged, is))
    }

    /// The mark is with the door.
    pub(crate) fn begin(&mut self, up_to: Position, answer: Answer, now: Instant) {
        self.with_door = Some((up_to, answer));
        self.not_before = now + APART;
    }

    /// Waits for the door's answer; for ever where it has nothing. What could not be noted is due
    /// again. Cancel safe.
    pub(crate) async fn settled(&mut self) {
        let Some((up_to, answer)) = &mut self.with_door else {
            return std::future::pending().await;
        };
        if answer.await.is_ok() {
            self.noted = Some(*up_to);
            self.back = false;
        }
        self.with_door = None;
    }

    /// The session ends: what is with the door, and the mark with which the log is told of the end.
    /// There is none of a socket that the log does not know and that has nothing to tell.
    pub(crate) fn finish(&mut self) -> (Option<Answer>, Option<Position>) {
        let known = self.back || self.noted.is_some() || self.with_door.is_some();
        let tells = known || self.is_ahead(None);
        (self.with_door.take().map(|(_, answer)| answer), tells.then_some(self.acknowledged))
    }

    fn is_ahead(&self, noted: Option<Position>) -> bool {
        self.acknowledged > noted.unwrap_or(Position::ZERO)
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marks")
            .field("acknowledged", &self.acknowledged)
            .field("noted", &self.noted)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use parlor_common::{position::Epoch, problem::Problem};

    use super::*;

    fn at(sequence: u64) -> Position {
        Position::new(Epoch::FIRST, sequence).unwrap()
    }

    fn failed() -> Answer {
        Box::pin(std::future::ready(Err(Problem::unavailable("the log is down"))))
    }

    fn due(marks: &Marks, now: Instant) -> Option<Position> {
        marks.due(now).map(|(up_to, _)| up_to)
    }

    #[tokio::test]
    async fn a_page_that_comes_back_is_noted_at_once_and_every_known_socket_at_its_end() {
        let now = Instant::now();
        let mut unknown = Marks::new(now);
        assert!(unknown.finish().1.is_none(), "a page view leaves no record");
        let mut marks = Marks::new(now);
        marks.comes_back(at(5));
        assert_eq!(marks.due(now), Some((at(5), SocketIs::Back)));
        marks.begin(at(5), Box::pin(std::future::pending()), now);
        let (with_door, last) = marks.finish();
        assert!(with_door.is_some());
        assert_eq!(last, Some(at(5)));
    }

    #[tokio::test]
    async fn a_mark_covers_what_was_shown_before_the_ping_that_was_answered() {
        let now = Instant::now();
        let mut marks = Marks::new(now);
        marks.pinged(1);
        marks.answered(1);
        assert_eq!(marks.due(now), None, "nothing was shown");
        marks.shown(at(5));
        marks.pinged(2);
        marks.shown(at(6));
        assert_eq!(marks.due(now), None, "the ping is not answered");
        marks.answered(2);
        assert_eq!(due(&marks, now), Some(at(5)));
        marks.pinged(3);
        marks.answered(2);
        assert_eq!(due(&marks, now), Some(at(5)), "the same answer again tells nothing");
        marks.answered(3);
        assert_eq!(due(&marks, now), Some(at(6)));
    }

    #[tokio::test]
    async fn one_is_on_its_way_and_what_failed_is_due_again_a_while_later() {
        let now = Instant::now();
        let mut marks = Marks::new(now);
        marks.shown(at(5));
        marks.pinged(1);
        marks.answered(1);
        marks.begin(at(5), failed(), now);
        assert_eq!(marks.due_at(), None);
        marks.settled().await;
        assert_eq!((due(&marks, now), due(&marks, now + APART)), (None, Some(at(5))));
        marks.shown(at(3));
        marks.pinged(2);
        marks.answered(2);
        assert_eq!(due(&marks, now + APART), Some(at(5)), "a mark only rises");
    }
}
