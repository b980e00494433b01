//! The time line: what was broken when, and when it was mended; and who breaks it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::time::Instant;

/// Breaks and mends things while the load runs.
pub(crate) trait Faults {
    /// Plays from `begin` to `end`, and marks what it does. What it broke it mends, even after
    /// `end`, where it is to be mended at all.
    ///
    /// # Errors
    /// What could not be broken or mended: the run cannot be judged by what was asked for.
    async fn play(&self, line: &TimeLine, begin: Instant, end: Instant) -> anyhow::Result<()>;
}

/// Everything that happened to the installation, in the order in which it began.
#[derive(Debug)]
pub(crate) struct TimeLine {
    started: Instant,
    marks: Mutex<Vec<Mark>>,
}

/// Something was broken. Times are seconds since the start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Mark {
    pub(crate) what: String,
    pub(crate) began: f64,
    /// `None` while it lasts, and where it was never mended.
    pub(crate) ended: Option<f64>,
}

/// A mark that has begun.
#[derive(Debug)]
pub(crate) struct Open(usize);

// === impl TimeLine ===

impl TimeLine {
    /// Nothing yet, of a run that starts at `started`.
    pub(crate) fn new(started: Instant) -> Self {
        Self { started, marks: Mutex::default() }
    }

    /// Marks that `what` begins now.
    pub(crate) fn begin(&self, what: impl Into<String>) -> Open {
        let began = self.started.elapsed().as_secs_f64();
        let mut marks = self.lock();
        marks.push(Mark { what: what.into(), began, ended: None });
        Open(marks.len() - 1)
    }

    /// Marks that it ends now.
    #[expect(clippy::needless_pass_by_value, reason = "what has ended cannot end again")]
    pub(crate) fn end(&self, open: Open) {
        let now = self.started.elapsed().as_secs_f64();
        if let Some(mark) = self.lock().get_mut(open.0) {
            mark.ended = Some(now);
        }
    }

    /// Marks something that is over at once.
    pub(crate) fn moment(&self, what: impl Into<String>) {
        let open = self.begin(what);
        self.end(open);
    }

    /// What has begun so far.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Mark ===

impl Mark {
    /// For people, such as `kill ingress-1 from 20.1 s to 23.2 s`.
    pub(crate) fn sentence(&self) -> String {
        let Self { what, began, ended } = self;
        match ended {
            Some(ended) if ended - began < 0.1 => format!("{what} at {began:.1} s"),
            Some(ended) => format!("{what} from {began:.1} s to {ended:.1} s"),
            None => format!("{what} from {began:.1} s on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_mark_lasts_until_it_is_ended() {
        let line = TimeLine::new(Instant::now());
        tokio::time::advance(Duration::from_secs(2)).await;
        let open = line.begin("kill a");
        line.moment("storm");
        assert_eq!(line.marks()[0].sentence(), "kill a from 2.0 s on");
        tokio::time::advance(Duration::from_secs(3)).await;
        line.end(open);
        let said: Vec<_> = line.marks().iter().map(Mark::sentence).collect();
        assert_eq!(said, ["kill a from 2.0 s to 5.0 s", "storm at 2.0 s"]);
    }
}
