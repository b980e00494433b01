//! What the sockets and feeds tell the operator.

use std::collections::HashMap;

use parlor_common::close::CloseCode;
use prometheus::{
    IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};

use crate::dialect::{Dialect, all::DIALECTS};

/// Gauges and counters of the sockets, the hub and its feeds.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) events: IntCounter,
    pub(crate) deliveries: IntCounter,
    pub(crate) replayed: IntCounter,
    pub(crate) resumes: Outcomes,
    pub(crate) feeds: IntGauge,
    pub(crate) feed_failures: IntCounter,
    pub(crate) feed_holes: IntCounter,
    pub(crate) feed_stale: IntCounter,
    pub(crate) ignored: IntCounter,
    pub(crate) held: IntCounter,
    pub(crate) refused: IntCounter,
    /// By the dialect's slot.
    sockets: Vec<IntGauge>,
    closes: HashMap<CloseCode, IntCounter>,
    gone: IntCounter,
}

/// Resumes, by what they came to.
#[derive(Clone, Debug)]
pub(crate) struct Outcomes {
    pub(crate) recovered: IntCounter,
    pub(crate) gap: IntCounter,
    pub(crate) again: IntCounter,
}

// === impl Metrics ===

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// Where one is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| register(registry, IntCounter::new(name, help)?);
        let sockets = register(
            registry,
            IntGaugeVec::new(
                Opts::new("parlor_socket_open_sockets", "Open sockets, by dialect."),
                &["dialect"],
            )?,
        )?;
        let closes = register(
            registry,
            IntCounterVec::new(
                Opts::new(
                    "parlor_socket_closes_total",
                    "Sockets that ended, by close code; `gone` without one.",
                ),
                &["code"],
            )?,
        )?;
        let resumes = register(
            registry,
            IntCounterVec::new(
                Opts::new("parlor_resume_outcomes_total", "Resumes, by what they came to."),
                &["outcome"],
            )?,
        )?;
        let open = |dialect: &&dyn Dialect| sockets.with_label_values(&[dialect.name()]);
        let code = |code: CloseCode| (code, closes.with_label_values(&[code.as_str()]));
        Ok(Self {
            events: counter("parlor_hub_events_total", "Events that the feeds brought.")?,
            deliveries: counter(
                "parlor_hub_deliveries_total",
                "Frames that were put into outboxes.",
            )?,
            replayed: counter(
                "parlor_resume_replayed_events_total",
                "Events that were replayed from the log or the store.",
            )?,
            resumes: Outcomes {
                recovered: resumes.with_label_values(&["recovered"]),
                gap: resumes.with_label_values(&["gap"]),
                again: resumes.with_label_values(&["again"]),
            },
            feeds: register(
                registry,
                IntGauge::new("parlor_feed_running_feeds", "Shards that this node follows.")?,
            )?,
            feed_failures: counter(
                "parlor_feed_failures_total",
                "Tails that ended or could not be had.",
            )?,
            feed_holes: counter(
                "parlor_feed_holes_total",
                "Tails that could not be continued without a hole.",
            )?,
            feed_stale: counter(
                "parlor_feed_stale_total",
                "Times that a shard could not be proven live and its sessions were sent back.",
            )?,
            ignored: counter(
                "parlor_socket_ignored_frames_total",
                "Frames that mean nothing in a dialect that answers none.",
            )?,
            held: counter(
                "parlor_socket_held_retries_total",
                "Retries of what could not be accepted at once and is held.",
            )?,
            refused: counter(
                "parlor_socket_refused_upgrades_total",
                "Upgrades that were refused at the handshake.",
            )?,
            sockets: DIALECTS.iter().map(open).collect(),
            closes: CloseCode::ALL.iter().copied().map(code).collect(),
            gone: closes.with_label_values(&["gone"]),
        })
    }

    /// The open sockets of this dialect.
    pub(crate) fn open(&self, dialect: &dyn Dialect) -> &IntGauge {
        &self.sockets[dialect.slot()]
    }

    /// Counts a socket that ended; `None` without a close of ours.
    pub(crate) fn closed(&self, code: Option<CloseCode>) {
        code.and_then(|code| self.closes.get(&code)).unwrap_or(&self.gone).inc();
    }
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
