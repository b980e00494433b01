//! What the sockets and feeds tell the operator.

use std::collections::HashMap;

use parlor_common::{close::CloseCode, problem::Code};
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
    /// By the dialect's slot.
    sockets: Vec<IntGauge>,
    closes: HashMap<CloseCode, IntCounter>,
    gone: IntCounter,
    sheds: [IntCounter; Shed::ALL.len()],
    refused: HashMap<Code, IntCounter>,
    refused_otherwise: IntCounter,
}

/// Why a socket was let go of that its client had not asked to end. The widget is told all of it by
/// one close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    /// More waited for it than its outbox may hold.
    OutboxFull,
    /// One write took too long.
    WriteStalled,
    /// Nothing was heard of its client.
    Silent,
    /// Its shard was lost, or could not be proven live.
    ShardLost,
    /// Its replay could not begin, or would have been too long.
    Replay,
}

/// What upgrades are refused for. Whatever else there may be is one class.
const REFUSALS: [Code; 11] = [
    Code::BadRequest,
    Code::TenantMissing,
    Code::TenantInvalid,
    Code::TenantUnknown,
    Code::Unauthorized,
    Code::Forbidden,
    Code::OriginRefused,
    Code::UpgradeRequired,
    Code::RateLimited,
    Code::Busy,
    Code::Unavailable,
];

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
        let sheds = register(
            registry,
            IntCounterVec::new(
                Opts::new(
                    "parlor_socket_sheds_total",
                    "Sockets that were let go of and invited back, by why.",
                ),
                &["why"],
            )?,
        )?;
        let refused = register(
            registry,
            IntCounterVec::new(
                Opts::new(
                    "parlor_socket_refused_upgrades_total",
                    "Upgrades that were refused at the handshake, by why.",
                ),
                &["why"],
            )?,
        )?;
        let refusal = |code: Code| (code, refused.with_label_values(&[code.as_str()]));
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
            sockets: DIALECTS.iter().map(open).collect(),
            closes: CloseCode::ALL.iter().copied().map(code).collect(),
            gone: closes.with_label_values(&["gone"]),
            sheds: Shed::ALL.map(|shed| sheds.with_label_values(&[shed.as_str()])),
            refused: REFUSALS.map(refusal).into(),
            refused_otherwise: refused.with_label_values(&["other"]),
        })
    }

    /// The open sockets of this dialect.
    pub(crate) fn open(&self, dialect: &dyn Dialect) -> &IntGauge {
        &self.sockets[dialect.slot()]
    }

    /// Counts a socket that is let go of.
    pub(crate) fn shed(&self, why: Shed) {
        self.sheds[why as usize].inc();
    }

    /// Counts an upgrade that is refused.
    pub(crate) fn refused(&self, why: Code) {
        self.refused.get(&why).unwrap_or(&self.refused_otherwise).inc();
    }

    /// Counts a socket that ended; `None` without a close of ours.
    pub(crate) fn closed(&self, code: Option<CloseCode>) {
        code.and_then(|code| self.closes.get(&code)).unwrap_or(&self.gone).inc();
    }
}

// === impl Shed ===

impl Shed {
    /// Each of them, in their order.
    const ALL: [Self; 5] =
        [Self::OutboxFull, Self::WriteStalled, Self::Silent, Self::ShardLost, Self::Replay];

    const fn as_str(self) -> &'static str {
        match self {
            Self::OutboxFull => "outbox_full",
            Self::WriteStalled => "write_stalled",
            Self::Silent => "silent",
            Self::ShardLost => "shard_lost",
            Self::Replay => "replay",
        }
    }
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
