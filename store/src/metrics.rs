//! What the store tells the operator.

use std::time::Instant;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use crate::StoreError;

/// Counters and distributions of a store.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) insert: Operation,
    pub(crate) page: Operation,
    pub(crate) find: Operation,
    pub(crate) state: Operation,
    pub(crate) inbox: Operation,
    pub(crate) raise_watermark: Operation,
    pub(crate) watermark: Operation,
    pub(crate) ping: Operation,
    pub(crate) skipped_rows: IntCounter,
    pub(crate) joined_reads: IntCounter,
}

/// One verb of the store.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    seconds: Histogram,
    failures: IntCounter,
}

// === impl Metrics ===

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        // From a read out of memory to the request timeout.
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "parlor_store_operation_seconds",
                "How long the store took, by what it was asked.",
            )
            .buckets(vec![
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0,
            ]),
            &["operation"],
        )?;
        let failures = IntCounterVec::new(
            Opts::new(
                "parlor_store_failures_total",
                "What the store could not do, by what it was asked.",
            ),
            &["operation"],
        )?;
        let skipped_rows = IntCounter::new(
            "parlor_store_skipped_rows_total",
            "Rows that were met while reading and could not be read as what they should be.",
        )?;
        let joined_reads = IntCounter::new(
            "parlor_store_joined_reads_total",
            "Reads that shared the query of an equal read instead of making one of their own.",
        )?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        registry.register(Box::new(skipped_rows.clone()))?;
        registry.register(Box::new(joined_reads.clone()))?;
        let operation = |name| Operation {
            seconds: seconds.with_label_values(&[name]),
            failures: failures.with_label_values(&[name]),
        };
        Ok(Self {
            insert: operation("insert"),
            page: operation("page"),
            find: operation("find"),
            state: operation("state"),
            inbox: operation("inbox"),
            raise_watermark: operation("raise_watermark"),
            watermark: operation("watermark"),
            ping: operation("ping"),
            skipped_rows,
            joined_reads,
        })
    }

    /// Metrics that nobody gathers.
    #[cfg(test)]
    pub(crate) fn unregistered() -> Self {
        Self::new(&Registry::new()).expect("a new registry has none of them")
    }
}

// === impl Operation ===

impl Operation {
    /// Waits for `answer`, and counts it and its time. An answer nobody waits for to its end is not
    /// counted.
    pub(crate) async fn observe<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let answer = answer.await;
        self.seconds.observe(started.elapsed().as_secs_f64());
        if answer.is_err() {
            self.failures.inc();
        }
        answer
    }
}
