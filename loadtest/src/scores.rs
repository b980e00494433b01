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
    /// The latencies of drafts whose intended time lies between these count, whenever they end.
    window: Option<(Instant, Instant)>,
    totals: Totals,
    accept: Histogram<u64>,
    deliver: Histogram<u64>,
    back: Histogram<u64>,
    lag: Histogram<u64>,
    patch: Histogram<u64>,
    slow: SlowReaders,
    second: Totals,
    second_accept: Histogram<u64>,
    second_deliver: Histogram<u64>,
    sockets: i64,
    series: Vec<Point>,
    /// Answers that were no acceptance, by the server's code; at most [`MOST_CODES`] different
    /// ones.
    refusals: BTreeMap<String, u64>,
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Totals {
    /// Drafts whose intended time came.
    pub(crate) offered: u64,
    /// Drafts that no client could take, because its queue was full, or that it did not send in
    /// the end: the load was less than asked for.
    pub(crate) unsent: u64,
    /// Answers that were an acceptance; the widget's frames get none.
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
    /// Of the acceptances, those of which the server said that it had accepted it before.
    pub(crate) duplicates: u64,
}

/// What became of the connections of clients that had stopped reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct SlowReaders {
    /// Closed by the server, which said why.
    pub(crate) told: u64,
    /// Ended by the server in another way.
    pub(crate) cut: u64,
    /// Not ended at all.
    pub(crate) kept: u64,
}

/// What became of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stalled {
    Told,
    Cut,
    Kept,
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
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Score {
    pub(crate) totals: Totals,
    /// From the intended time to the answer.
    pub(crate) accept: Quantiles,
    /// From the intended time to the showing to another client.
    pub(crate) deliver: Quantiles,
    /// From the loss of a connection to the subscription of the next.
    pub(crate) back: Quantiles,
    /// From the intended time to the moment at which a socket's client began to send: what the
    /// harness, and not the server, was late.
    pub(crate) lag: Quantiles,
    /// From a PATCH of a worker to its answer, won or lost, with all tries.
    pub(crate) patch: Quantiles,
    pub(crate) slow: SlowReaders,
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
            window: None,
            totals: Totals::default(),
            accept: histogram(),
            deliver: histogram(),
            back: histogram(),
            lag: histogram(),
            patch: histogram(),
            slow: SlowReaders::default(),
            second: Totals::default(),
            second_accept: histogram(),
            second_deliver: histogram(),
            sockets: 0,
            series: Vec::new(),
            refusals: BTreeMap::new(),
        };
        Self { started, inner: Mutex::new(inner) }
    }

    /// The latencies of drafts that should be sent from `begin` on, and before `end`, count, and no
    /// others.
    pub(crate) fn measure(&self, begin: Instant, end: Instant) {
        let mut inner = self.inner();
        inner.window = Some((begin, end));
        for latencies in inner.measured() {
            latencies.reset();
        }
    }

    /// A socket's client begins to send a draft that should be sent at `intended`.
    pub(crate) fn begun(&self, intended: Instant) {
        let mut inner = self.inner();
        if inner.is_measured(intended) {
            record(&mut inner.lag, intended.elapsed());
        }
    }

    /// A change was answered that was asked for at `intended`.
    pub(crate) fn patched(&self, intended: Instant) {
        let mut inner = self.inner();
        if inner.is_measured(intended) {
            record(&mut inner.patch, intended.elapsed());
        }
    }

    /// The server said whether it had accepted this one before.
    pub(crate) fn duplicate(&self, is_duplicate: bool) {
        self.inner().add(Totals { duplicates: u64::from(is_duplicate), ..Totals::default() });
    }

    /// The connection of a client that had stopped reading has ended, or was kept.
    pub(crate) fn stall_ended(&self, stalled: Stalled) {
        let slow = &mut self.inner().slow;
        *match stalled {
            Stalled::Told => &mut slow.told,
            Stalled::Cut => &mut slow.cut,
            Stalled::Kept => &mut slow.kept,
        } += 1;
    }

    /// A draft's time has come.
    pub(crate) fn offered(&self, is_taken: bool) {
        self.inner().add(Totals { offered: 1, unsent: u64::from(!is_taken), ..Totals::default() });
    }

    /// So many drafts that were taken were not sent in the end.
    pub(crate) fn unsent(&self, count: u64) {
        self.inner().add(Totals { unsent: count, ..Totals::default() });
    }

    /// A draft was accepted that should have been sent at `intended`.
    pub(crate) fn accepted(&self, intended: Instant) {
        let mut inner = self.inner();
        let latency = intended.elapsed();
        inner.add(Totals { accepted: 1, ..Totals::default() });
        record(&mut inner.second_accept, latency);
        if inner.is_measured(intended) {
            record(&mut inner.accept, latency);
        }
    }

    /// A draft was answered with this code, which is no acceptance.
    pub(crate) fn failed(&self, code: &str) {
        let mut inner = self.inner();
        inner.add(Totals { failed: 1, ..Totals::default() });
        let code = if inner.refusals.len() < MOST_CODES || inner.refusals.contains_key(code) {
            code
        } else {
            "other"
        };
        *inner.refusals.entry(code.chars().take(40).collect()).or_default() += 1;
    }

    /// A message was shown to a client; with the time it should have been sent, where that is
    /// another than its author.
    pub(crate) fn shown(&self, intended: Option<Instant>) {
        let mut inner = self.inner();
        inner.add(Totals { shown: 1, ..Totals::default() });
        let Some(intended) = intended else { return };
        let latency = intended.elapsed();
        record(&mut inner.second_deliver, latency);
        if inner.is_measured(intended) {
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
            lag: Quantiles::of(&inner.lag),
            patch: Quantiles::of(&inner.patch),
            slow: inner.slow,
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
    fn is_measured(&self, intended: Instant) -> bool {
        self.window.is_some_and(|(begin, end)| begin <= intended && intended < end)
    }

    /// The latencies of the measured time.
    fn measured(&mut self) -> [&mut Histogram<u64>; 4] {
        [&mut self.accept, &mut self.deliver, &mut self.lag, &mut self.patch]
    }

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
            totals.duplicates += more.duplicates;
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
    histogram
        .saturating_record(u64::try_from(latency.as_micros()).unwrap_or(LONGEST).clamp(1, LONGEST));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn quantiles_are_in_milliseconds_and_a_second_starts_anew() {
        let begin = Instant::now();
        let scores = Scores::new(begin);
        scores.measure(begin, begin + Duration::from_secs(1));
        for _ in 0..100 {
            tokio::time::advance(Duration::from_millis(1)).await;
            scores.accepted(begin);
        }
        let second = scores.tick();
        assert_eq!(second.counts.accepted, 100);
        assert!((second.accept.p50 - 50.0).abs() < 1.0, "{second:?}");
        assert!((second.accept.p99 - 99.0).abs() < 1.0, "{second:?}");
        assert_eq!(scores.tick().accept.count, 0);
        assert_eq!(scores.score().accept.count, 100);
        scores.measure(begin, begin + Duration::from_secs(2));
        assert_eq!(scores.score().accept.count, 0, "another time is measured anew");
    }

    #[tokio::test(start_paused = true)]
    async fn what_should_have_been_sent_in_the_measured_time_counts_however_late_it_comes() {
        let begin = Instant::now();
        let scores = Scores::new(begin);
        scores.measure(begin + Duration::from_secs(1), begin + Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(60)).await;
        for second in 0..3 {
            scores.shown(Some(begin + Duration::from_secs(second)));
        }
        let score = scores.score();
        assert_eq!((score.deliver.count, score.totals.shown), (1, 3));
        assert!((score.deliver.max - 59_000.0).abs() < 600.0, "{:?}", score.deliver);
    }
}
