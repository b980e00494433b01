//! What the sockets and feeds tell the operator.

use std::collections::HashMap;

use parlor_common::close::CloseCode;
use prometheus::{
    IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};

use crate::feed::item::Dialect;

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
    pub(crate) ignored: IntCounter,
    pub(crate) held: IntCounter,
    pub(crate) refused: IntCounter,
    sockets: [IntGauge; 2],
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
                Opts::new("parlor_socket_open_sockets", "Open sockets, by what they speak."),
                &["speaks"],
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
            ignored: counter(
                "parlor_socket_ignored_frames_total",
                "Frames of the seed's widget that can be no message.",
            )?,
            held: counter(
                "parlor_socket_held_retries_total",
                "Retries of frames of the seed's widget that are held.",
            )?,
            refused: counter(
                "parlor_socket_refused_upgrades_total",
                "Upgrades that were refused at the handshake.",
            )?,
            sockets: ["parlor.1", "contract"].map(|speaks| sockets.with_label_values(&[speaks])),
            closes: CloseCode::ALL.iter().copied().map(code).collect(),
            gone: closes.with_label_values(&["gone"]),
        })
    }

    /// The open sockets that speak this.
    pub(crate) const fn open(&self, dialect: Dialect) -> &IntGauge {
        match dialect {
            Dialect::Parlor1 => &self.sockets[0],
            Dialect::Contract => &self.sockets[1],
        }
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
