//! What the accept loop tells the operator.

use std::time::Instant;

use http::{Method, StatusCode};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// How many connections are open.
pub(crate) type OpenGauge = IntGauge;

/// Connections and requests of the process's listeners.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) connections: IntGauge,
    pub(crate) accepted: IntCounter,
    pub(crate) refused_all: IntCounter,
    pub(crate) refused_address: IntCounter,
    pub(crate) accept_failures: IntCounter,
    pub(crate) broken: IntCounter,
    pub(crate) ambiguous: IntCounter,
    seconds: [Histogram; METHODS.len()],
    answers: [[IntCounter; STATUSES.len()]; METHODS.len()],
}

/// One request being answered.
pub(crate) struct Watch<'a> {
    metrics: &'a Metrics,
    method: usize,
    started: Instant,
}

/// The methods with a label of their own. The client chooses the method, so that every other one is
/// counted as `other`.
const METHODS: [&str; 4] = ["GET", "POST", "OPTIONS", "other"];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

// === impl Metrics ===

impl Metrics {
    /// Registers them. Listeners of one process share them by cloning.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let connections =
            IntGauge::new("parlor_http_connections", "Open connections, sockets included.")?;
        let outcomes = IntCounterVec::new(
            Opts::new(
                "parlor_http_connections_total",
                "Connections that came, by what became of them.",
            ),
            &["outcome"],
        )?;
        let accept_failures = IntCounter::new(
            "parlor_http_accept_failures_total",
            "Accepts that failed for want of files or memory.",
        )?;
        let broken = IntCounter::new(
            "parlor_http_broken_connections_total",
            "Connections that ended early: broken off, timed out, or not HTTP.",
        )?;
        let ambiguous = IntCounter::new(
            "parlor_http_ambiguous_requests_total",
            "Requests with both Content-Length and Transfer-Encoding.",
        )?;
        let answers = IntCounterVec::new(
            Opts::new(
                "parlor_http_requests_total",
                "Requests answered, by method and class of status.",
            ),
            &["method", "status"],
        )?;
        // From an answer out of memory to the longest wait of the door.
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "parlor_http_request_seconds",
                "From a request's head to its answer's head, by method.",
            )
            .buckets(vec![
                0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0,
            ]),
            &["method"],
        )?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(outcomes.clone()))?;
        registry.register(Box::new(accept_failures.clone()))?;
        registry.register(Box::new(broken.clone()))?;
        registry.register(Box::new(ambiguous.clone()))?;
        registry.register(Box::new(answers.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            connections,
            accepted: outcomes.with_label_values(&["accepted"]),
            refused_all: outcomes.with_label_values(&["refused"]),
            refused_address: outcomes.with_label_values(&["refused_address"]),
            accept_failures,
            broken,
            ambiguous,
            seconds: METHODS.map(|method| seconds.with_label_values(&[method])),
            answers: METHODS
                .map(|method| STATUSES.map(|status| answers.with_label_values(&[method, status]))),
        })
    }

    /// Starts to watch a request.
    pub(crate) fn watch(&self, method: &Method) -> Watch<'_> {
        let other = METHODS.len() - 1;
        let method = METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(other);
        Watch { metrics: self, method, started: Instant::now() }
    }
}

// === impl Watch ===

impl Watch<'_> {
    /// The answer's head is ready.
    pub(crate) fn answered(self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, STATUSES.len()) - 1;
        self.metrics.answers[self.method][class].inc();
        self.metrics.seconds[self.method].observe(self.started.elapsed().as_secs_f64());
    }
}
