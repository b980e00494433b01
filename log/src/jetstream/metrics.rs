//! What the JetStream log tells the operator.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Counters of the connections to the servers and of what had to be done again.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) publishing: LinkMetrics,
    pub(super) reading: LinkMetrics,
    pub(super) append_attempts: IntCounter,
    pub(super) append_retries: IntCounter,
    pub(super) tail_renewals: IntCounter,
    pub(super) leader_reads: IntCounter,
    pub(super) stalls: IntCounter,
    pub(super) dead_letters: IntCounter,
}

/// How many wait for an answer.
pub(super) type WaitingGauge = IntGauge;

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct LinkMetrics {
    pub(super) lost: IntCounter,
    pub(super) unanswered: IntCounter,
    pub(super) waiting: WaitingGauge,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let by_connection = |name, help| {
            let counters = IntCounterVec::new(Opts::new(name, help), &["connection"])?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let lost = by_connection(
            "parlor_jetstream_connections_lost_total",
            "Connections to the servers that were lost.",
        )?;
        let unanswered = by_connection(
            "parlor_jetstream_unanswered_total",
            "Requests whose answer did not come in time; a request that is tried again counts each \
             time.",
        )?;
        let waiting = prometheus::IntGaugeVec::new(
            Opts::new("parlor_jetstream_waiting_requests", "Requests that wait for their answer."),
            &["connection"],
        )?;
        registry.register(Box::new(waiting.clone()))?;
        let link = |name| LinkMetrics {
            lost: lost.with_label_values(&[name]),
            unanswered: unanswered.with_label_values(&[name]),
            waiting: waiting.with_label_values(&[name]),
        };
        Ok(Self {
            publishing: link("publish"),
            reading: link("read"),
            append_attempts: counter(
                "parlor_jetstream_append_attempts_total",
                "Publishes, repeats included.",
            )?,
            append_retries: counter(
                "parlor_jetstream_append_retries_total",
                "Publishes that were repeated under the same id, for want of an answer or of a \
                 leader.",
            )?,
            tail_renewals: counter(
                "parlor_jetstream_tail_renewals_total",
                "Tails that were made again after a miss: a lost message, a missing heartbeat, a \
                 lost connection.",
            )?,
            leader_reads: counter(
                "parlor_jetstream_leader_reads_total",
                "Messages that were asked of the stream's leader, since a replica did not have \
                 them yet.",
            )?,
            stalls: counter(
                "parlor_jetstream_stalls_total",
                "Times a group's consumer had entries to deliver and delivered none.",
            )?,
            dead_letters: counter(
                "parlor_jetstream_dead_letters_total",
                "Entries that went to the stream of the dead letters.",
            )?,
        })
    }

    /// Metrics that nobody is shown, for tests and tools.
    pub fn unregistered() -> Self {
        Self::new(&Registry::new()).expect("a new registry has none of these names")
    }
}
