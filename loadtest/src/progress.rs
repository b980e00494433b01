//! What is told while a run goes on.

mod line;

use std::{
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

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

/// Tells, on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    sockets: u32,
    phase: Mutex<Phase>,
}

// === impl Progress ===

impl Progress {
    pub(crate) fn new(plan: &Plan, _started: Instant) -> Self {
        Self { sockets: plan.sockets(), phase: Mutex::new(Phase::Connect) }
    }

    /// The run has come so far.
    pub(crate) fn enter(&self, phase: Phase) {
        *self.lock() = phase;
        match phase {
            Phase::Connect => {}
            Phase::Load { .. } => eprintln!("{} sockets are connected", self.sockets),
            Phase::Arrive => eprintln!("the load is over; waiting for everything to arrive"),
            Phase::ReadBack => eprintln!("reading everything back"),
            Phase::Over => {}
        }
    }

    /// Tells every second.
    pub(crate) async fn show(&self, world: &World) -> Infallible {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        seconds.tick().await;
        loop {
            seconds.tick().await;
            let point = world.scores.tick();
            eprintln!("{}", line::line(&point, world.ledger.counts().faults));
        }
    }

    /// Tells for the last time.
    pub(crate) fn last(&self, _world: &World) {}

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
