//! The scores: counts, latencies and their course over time.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::time::Instant;

/// What is counted while the run goes on. One lock, held for an increment.
#[derive(Debug)]
pub(crate) struct Scores {
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Latencies count from the end of the warm-up to the end of the load.
    is_measured: bool,
    totals: Totals,
    accept: Histogram<u64>,
    deliver: Histogram<u64>,
    back: Histogram<u64>,
    second: Totals,
    second_accept: Histogram<u64>,
    second_deliver: Histogram<u64>,
    sockets: i64,
    series: Vec<Point>,
    /// Answers that were no acceptance, by the server's code; at most [`MOST_CODES`] different ones.
    refusals: BTreeMap<String, u64>,
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    /// Drafts whose intended time came.
    pub(crate) offered: u64,
    /// Drafts that no client could take, because its queue was full: the load was less than asked for.
    pub(crate) unsent: u64,
    pub(crate) accepted: u64,
    /// Answers that were no acceptance.
    pub(crate) failed: u64,
    /// First showings to a client.
    pub(crate) shown: u64,
    /// Connections lost.
    pub(crate) losses: u64,
    /// Messages replayed to clients that came back.
    pub(crate) replayed: u64,
    /// Clients that will not come back.
    pub(crate) gone: u64,
}

/// One second.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Point {
    /// Seconds since the start.
    pub(crate) at: f64,
    pub(crate) sockets: i64,
    pub(crate) counts: Totals,
    pub(crate) accept: Quantiles,
    pub(crate) deliver: Quantiles,
}

/// A latency's quantiles, in milliseconds; zeros where nothing was counted.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

/// Everything at the end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Score {
    pub(crate) totals: Totals,
    /// From the intended time to the answer.
    pub(crate) accept: Quantiles,
    /// From the intended time to the showing to another client.
    pub(crate) deliver: Quantiles,
    /// From the loss of a connection to the subscription of the next.
    pub(crate) back: Quantiles,
    pub(crate) refusals: BTreeMap<String, u64>,
    pub(crate) series: Vec<Point>,
}

const MOST_CODES: usize = 32;
/// Latencies are kept in microseconds up to five minutes, to two digits.
const LONGEST: u64 = 300_000_000;

// === impl Scores ===

impl Scores {
    /// Nothing yet, of a run that starts at `started`.
    pub(crate) fn new(started: Instant) -> Self {
        let inner = Inner {
            is_measured: false,
            totals: Totals::default(),
            accept: histogram(),
            deliver: histogram(),
            back: histogram(),
            second: Totals::default(),
            second_accept: histogram(),
            second_deliver: histogram(),
            sockets: 0,
            series: Vec::new(),
            refusals: BTreeMap::new(),
        };
        Self { started, inner: Mutex::new(inner) }
    }

    /// Latencies count from now on, or no longer.
    pub(crate) fn measure(&self, is_measured: bool) {
        self.inner().is_measured = is_measured;
    }

    /// A draft's time has come.
    pub(crate) fn offered(&self, is_taken: bool) {
        self.inner().add(Totals { offered: 1, unsent: u64::from(!is_taken), ..Totals::default() });
    }

    /// A draft was accepted.
    pub(crate) fn accepted(&self, latency: Duration) {
        let mut inner = self.inner();
        inner.add(Totals { accepted: 1, ..Totals::default() });
        record(&mut inner.second_accept, latency);
        if inner.is_measured {
            record(&mut inner.accept, latency);
        }
    }

    /// A draft was answered with this code, which is no acceptance.
    pub(crate) fn failed(&self, code: &str) {
        let mut inner = self.inner();
        inner.add(Totals { failed: 1, ..Totals::default() });
        let code = if inner.refusals.len() < MOST_CODES || inner.refusals.contains_key(code) { code } else { "other" };
        *inner.refusals.entry(code.chars().take(40).collect()).or_default() += 1;
    }

    /// A message was shown to a client; with its latency where that is another than its author.
    pub(crate) fn shown(&self, latency: Option<Duration>) {
        let mut inner = self.inner();
        inner.add(Totals { shown: 1, ..Totals::default() });
        let Some(latency) = latency else { return };
        record(&mut inner.second_deliver, latency);
        if inner.is_measured {
            record(&mut inner.deliver, latency);
        }
    }

    /// A client is connected and subscribed, so long after it lost its last connection.
    pub(crate) fn connected(&self, after: Option<Duration>) {
        let mut inner = self.inner();
        inner.sockets += 1;
        if let Some(after) = after {
            record(&mut inner.back, after);
        }
    }

    /// The server replayed so many messages.
    pub(crate) fn replayed(&self, count: u64) {
        self.inner().add(Totals { replayed: count, ..Totals::default() });
    }

    /// A connected client is no longer so; `is_lost` where it did not want that.
    pub(crate) fn disconnected(&self, is_lost: bool) {
        let mut inner = self.inner();
        inner.sockets -= 1;
        inner.add(Totals { losses: u64::from(is_lost), ..Totals::default() });
    }

    /// A client will not come back.
    pub(crate) fn gone(&self) {
        self.inner().add(Totals { gone: 1, ..Totals::default() });
    }

    /// How many clients are connected.
    pub(crate) fn sockets(&self) -> i64 {
        self.inner().sockets
    }

    /// Ends a second and gives what it came to.
    pub(crate) fn tick(&self) -> Point {
        let mut inner = self.inner();
        let point = Point {
            at: self.started.elapsed().as_secs_f64(),
            sockets: inner.sockets,
            counts: inner.second,
            accept: Quantiles::of(&inner.second_accept),
            deliver: Quantiles::of(&inner.second_deliver),
        };
        inner.second = Totals::default();
        inner.second_accept.reset();
        inner.second_deliver.reset();
        inner.series.push(point);
        point
    }

    /// Everything so far.
    pub(crate) fn score(&self) -> Score {
        let inner = self.inner();
        Score {
            totals: inner.totals,
            accept: Quantiles::of(&inner.accept),
            deliver: Quantiles::of(&inner.deliver),
            back: Quantiles::of(&inner.back),
            refusals: inner.refusals.clone(),
            series: inner.series.clone(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Inner ===

impl Inner {
    fn add(&mut self, more: Totals) {
        for totals in [&mut self.totals, &mut self.second] {
            totals.offered += more.offered;
            totals.unsent += more.unsent;
            totals.accepted += more.accepted;
            totals.failed += more.failed;
            totals.shown += more.shown;
            totals.losses += more.losses;
            totals.replayed += more.replayed;
            totals.gone += more.gone;
        }
    }
}

// === impl Quantiles ===

impl Quantiles {
    fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        #[expect(clippy::cast_precision_loss, reason = "a latency is far below 2⁵² µs")]
        let millis = |micros: u64| micros as f64 / 1000.0;
        let at = |quantile| millis(histogram.value_at_quantile(quantile).min(histogram.max()));
        Self {
            count: histogram.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: millis(histogram.max()),
        }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 2).expect("the bounds are constants in order")
}

fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_milliseconds_and_a_second_starts_anew() {
        let scores = Scores::new(Instant::now());
        scores.measure(true);
        for millis in 1..=100 {
            scores.accepted(Duration::from_millis(millis));
        }
        let second = scores.tick();
        assert_eq!(second.counts.accepted, 100);
        assert!((second.accept.p50 - 50.0).abs() < 1.0, "{second:?}");
        assert!((second.accept.p99 - 99.0).abs() < 1.0, "{second:?}");
        assert_eq!(scores.tick().accept.count, 0);
        assert_eq!(scores.score().accept.count, 100);
    }

    #[test]
    fn what_is_outside_the_measured_time_has_no_latency() {
        let scores = Scores::new(Instant::now());
        scores.shown(Some(Duration::from_secs(1)));
        assert_eq!((scores.score().deliver.count, scores.score().totals.shown), (0, 1));
    }
}
