//! What signals tell the operator.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::signal::Class;

/// Counters of signals. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    passed: [[IntCounter; 2]; Class::ALL.len()],
    dropped: [IntCounter; Class::ALL.len()],
}

/// Which way a signal went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From this node to the others.
    Sent,
    /// From any node to this one.
    Heard,
}

// === impl Metrics ===

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let passed = IntCounterVec::new(
            Opts::new("parlor_signals_total", "Signals, by class, that were sent or heard."),
            &["class", "direction"],
        )?;
        let dropped = IntCounterVec::new(
            Opts::new("parlor_signals_dropped_total", "Signals that were shed, by class."),
            &["class"],
        )?;
        registry.register(Box::new(passed.clone()))?;
        registry.register(Box::new(dropped.clone()))?;
        Ok(Self {
            passed: Class::ALL.map(|class| {
                [Direction::Sent, Direction::Heard].map(|direction| {
                    passed.with_label_values(&[class.as_str(), direction.as_str()])
                })
            }),
            dropped: Class::ALL.map(|class| dropped.with_label_values(&[class.as_str()])),
        })
    }

    /// Metrics that nobody reads.
    ///
    /// # Panics
    /// Never: the registry is new.
    pub fn unregistered() -> Self {
        Self::new(&Registry::new()).expect("a new registry has no metric yet")
    }

    /// Counts a signal that is dropped, here or by whom it was meant for.
    pub fn dropped(&self, class: Class) {
        self.dropped[class as usize].inc();
    }

    /// How many of a class were dropped.
    pub fn count_of_dropped(&self, class: Class) -> u64 {
        self.dropped[class as usize].get()
    }

    pub(crate) fn passed(&self, class: Class, direction: Direction) {
        self.passed[class as usize][direction as usize].inc();
    }
}

// === impl Direction ===

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Heard => "heard",
        }
    }
}
