//! What is told on standard error while a run goes on: one screen that is drawn again every second
//! on a terminal, lines in a pipe.

mod line;
mod picture;
mod screen;

use std::{
    convert::Infallible,
    io::{IsTerminal, stderr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

use self::{picture::Picture, screen::Screen};
use crate::{client::World, plan::Plan};

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everyone connects.
    Connect,
    Load {
        begin: Instant,
        end: Instant,
    },
    /// Everything arrives.
    Arrive,
    /// Histories and rows are read.
    ReadBack,
    Over,
}

/// Tells.
#[derive(Debug)]
pub(crate) struct Progress {
    scenario: &'static str,
    sockets: u32,
    started: Instant,
    /// When the load should begin and end, seconds from the start; as far as is known.
    load: Mutex<Option<(f64, f64)>>,
    phase: Mutex<Phase>,
    /// `None` where lines are printed.
    screen: Option<Mutex<Screen>>,
}

// === impl Progress ===

impl Progress {
    /// Tells of a run that starts at `started`.
    pub(crate) fn new(plan: &Plan, started: Instant) -> Self {
        let evidence = &plan.options.evidence;
        let has_screen = !evidence.plain && stderr().is_terminal();
        Self {
            scenario: plan.scenario,
            sockets: plan.sockets(),
            started,
            load: Mutex::default(),
            phase: Mutex::new(Phase::Connect),
            screen: has_screen.then(|| Mutex::new(Screen::new(!evidence.no_color))),
        }
    }

    /// The run has come so far.
    pub(crate) fn enter(&self, phase: Phase) {
        *lock(&self.phase) = phase;
        if let Phase::Load { begin, end } = phase {
            let at = |instant: Instant| instant.duration_since(self.started).as_secs_f64();
            *lock(&self.load) = Some((at(begin), at(end)));
        }
        if self.screen.is_none()
            && let Some(sentence) = phase.sentence()
        {
            eprintln!("{sentence}");
        }
    }

    /// Tells every second.
    pub(crate) async fn show(&self, world: &World) -> Infallible {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            let point = world.scores.tick();
            match &self.screen {
                Some(screen) => lock(screen).draw(&self.picture(world)),
                None => eprintln!("{}", line::line(&point, world.ledger.counts().faults)),
            }
        }
    }

    /// Draws the last screen, which stays.
    pub(crate) fn last(&self, world: &World) {
        if let Some(screen) = &self.screen {
            lock(screen).draw(&self.picture(world));
        }
    }

    fn picture(&self, world: &World) -> Picture {
        Picture {
            scenario: self.scenario,
            phase: lock(&self.phase).word(),
            now: self.started.elapsed().as_secs_f64(),
            load: *lock(&self.load),
            sockets: self.sockets,
            counts: world.ledger.counts(),
            score: world.scores.score(),
            marks: world.line.marks(),
        }
    }
}

// === impl Phase ===

impl Phase {
    const fn word(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::Load { .. } => "under load",
            Self::Arrive => "waiting for everything to arrive",
            Self::ReadBack => "reading everything back",
            Self::Over => "over",
        }
    }

    const fn sentence(self) -> Option<&'static str> {
        match self {
            Self::Load { .. } => Some("everyone is connected; the load begins"),
            Self::Arrive => Some("the load is over; waiting for everything to arrive"),
            Self::ReadBack => Some("reading everything back"),
            Self::Connect | Self::Over => None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
