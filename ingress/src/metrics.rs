//! What the door and REST tell the operator.

use std::time::Instant;

use http::StatusCode;
use parlor_common::action::Action;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::busy::Busy;

/// Figures of the door and of REST.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) lookups: IntCounter,
    accept_seconds: Histogram,
    in_flight: IntGauge,
    outcomes: [[IntCounter; OUTCOMES.len()]; Action::NAMES.len()],
    busy: [IntCounter; Busy::ALL.len()],
    requests: IntCounterVec,
}

/// The answers of one route, by class of status.
#[derive(Clone, Debug)]
pub(crate) struct Answered([IntCounter; STATUSES.len()]);

/// What became of an action at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The log has it.
    Accepted,
    /// The log had it before.
    Duplicate,
    /// Over a rate.
    Limited,
    /// There are too many in flight, the log is full, or the store lags too far.
    Busy,
    /// The log or the history did not answer.
    Unavailable,
    /// It will never be taken.
    Refused,
    /// The client went away first; the log may have it.
    Abandoned,
}

/// One action at the door. Dropped without an outcome it was abandoned.
pub(crate) struct Watch<'a> {
    metrics: &'a Metrics,
    outcomes: &'a [IntCounter; OUTCOMES.len()],
    started: Instant,
    /// `None` for one that has no answer and will be back.
    outcome: Option<Outcome>,
}

const OUTCOMES: [(Outcome, &str); 7] = [
    (Outcome::Accepted, "accepted"),
    (Outcome::Duplicate, "duplicate"),
    (Outcome::Limited, "limited"),
    (Outcome::Busy, "busy"),
    (Outcome::Unavailable, "unavailable"),
    (Outcome::Refused, "refused"),
    (Outcome::Abandoned, "abandoned"),
];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

// === impl Metrics ===

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        // From an append without fsync to the longest wait for an election.
        let accept_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "parlor_door_accept_seconds",
                "From an action at the door to its receipt.",
            )
            .buckets(vec![
                0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0,
                5.0, 15.0,
            ]),
        )?;
        let in_flight =
            IntGauge::new("parlor_door_in_flight_actions", "Actions between arrival and receipt.")?;
        let lookups = IntCounter::new(
            "parlor_door_lookups_total",
            "Drafts whose id had to be looked up first.",
        )?;
        let actions = IntCounterVec::new(
            Opts::new("parlor_door_actions_total", "Actions, by what became of them."),
            &["action", "outcome"],
        )?;
        let busy = IntCounterVec::new(
            Opts::new("parlor_door_busy_total", "Actions refused as busy, by what is full."),
            &["full"],
        )?;
        let requests = IntCounterVec::new(
            Opts::new(
                "parlor_rest_requests_total",
                "REST requests answered, by route and class of status.",
            ),
            &["route", "status"],
        )?;
        registry.register(Box::new(accept_seconds.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(lookups.clone()))?;
        registry.register(Box::new(actions.clone()))?;
        registry.register(Box::new(busy.clone()))?;
        registry.register(Box::new(requests.clone()))?;
        Ok(Self {
            accept_seconds,
            in_flight,
            lookups,
            outcomes: Action::NAMES.map(|action| {
                OUTCOMES.map(|(_, outcome)| actions.with_label_values(&[action, outcome]))
            }),
            busy: Busy::ALL.map(|full| busy.with_label_values(&[full.name()])),
            requests,
        })
    }

    /// An action is at the door.
    pub(crate) fn watch(&self, action: &Action) -> Watch<'_> {
        self.in_flight.inc();
        let named = Action::NAMES.iter().position(|name| *name == action.name());
        let outcomes = &self.outcomes[named.expect("an action's name is one of the names")];
        let outcome = Some(Outcome::Abandoned);
        Watch { metrics: self, outcomes, started: Instant::now(), outcome }
    }

    /// An action is refused as busy.
    pub(crate) fn busy(&self, full: Busy) {
        self.busy[full as usize].inc();
    }

    /// What counts the answers of a route.
    pub(crate) fn answered(&self, route: &str) -> Answered {
        Answered(STATUSES.map(|status| self.requests.with_label_values(&[route, status])))
    }
}

// === impl Answered ===

impl Answered {
    /// One more, with this status.
    pub(crate) fn with(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUSES.len()) - 1;
        self.0[class].inc();
    }
}

// === impl Watch ===

impl Watch<'_> {
    /// It has its answer.
    pub(crate) fn ended(mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    /// It is to come again, and counts then.
    pub(crate) fn put_off(mut self) {
        self.outcome = None;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        let Some(outcome) = self.outcome else { return };
        self.outcomes[outcome as usize].inc();
        self.metrics.accept_seconds.observe(self.started.elapsed().as_secs_f64());
    }
}
