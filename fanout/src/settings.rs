//! Settings of the sockets and feeds.

use std::time::Duration;

use parlor_common::settings::duration;
use serde::{Deserialize, Serialize};

/// How a node follows the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedSettings {
    /// `feed.ring_events`: the most events of a shard that are kept for resuming.
    pub ring_events: usize,
    /// `feed.ring_bytes`: the most bytes of a shard that are kept for resuming, frames included.
    pub ring_bytes: usize,
    /// `feed.linger`: how long a shard is followed after its last session is gone.
    #[serde(with = "duration")]
    pub linger: Duration,
    /// `feed.live_within`: how long a session waits for the log when it is the first of its shard.
    #[serde(with = "duration")]
    pub live_within: Duration,
    /// `feed.unwell_after`: how long a shard may go without a proof that it is live before the node
    /// is not ready.
    #[serde(with = "duration")]
    pub unwell_after: Duration,
    /// `feed.stale_after`: how long a shard may go without that proof before its sessions are told
    /// to come back.
    #[serde(with = "duration")]
    pub stale_after: Duration,
}

/// What one socket may take, and how patient the node is with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketSettings {
    /// `sockets.max`: the most sockets of a kind on this node; more are refused with 503.
    pub max: usize,
    /// `sockets.hello_within`: how long a client of protocol 1 has for its hello.
    #[serde(with = "duration")]
    pub hello_within: Duration,
    /// `sockets.load_within`: how long the 101 of the widget is held back for the page's GET.
    #[serde(with = "duration")]
    pub load_within: Duration,
    /// `sockets.load_ahead`: how long before the 101 the GET is answered, so that the page has the
    /// answer first.
    #[serde(with = "duration")]
    pub load_ahead: Duration,
    /// `sockets.ping_every`: how often the server pings.
    #[serde(with = "duration")]
    pub ping_every: Duration,
    /// `sockets.silence_limit`: how long a socket may be silent before it is ended.
    #[serde(with = "duration")]
    pub silence_limit: Duration,
    /// `sockets.write_within`: how long one write may take before the socket is closed as slow.
    #[serde(with = "duration")]
    pub write_within: Duration,
    /// `sockets.close_within`: how long the peer has to answer a close; a restart takes no longer
    /// than that, and should keep the port closed for less than a second.
    #[serde(with = "duration")]
    pub close_within: Duration,
    /// `sockets.finish_within`: how long what was taken from a socket that is gone may take to be
    /// accepted.
    #[serde(with = "duration")]
    pub finish_within: Duration,
    /// `sockets.controls_per_second`: the most pings, and pongs that answer none of ours, that one
    /// peer may send in a second; above it 1008.
    pub controls_per_second: u32,
    /// `sockets.bad_frames`: how many frames that mean nothing a client of protocol 1 may send;
    /// above it 4501.
    pub bad_frames: u32,
    /// `sockets.hold_for`: how long a frame of the widget is tried again before the socket is
    /// closed.
    #[serde(with = "duration")]
    pub hold_for: Duration,
    /// `sockets.outbox_frames`: the most frames that wait for one socket; above it 4002.
    pub outbox_frames: usize,
    /// `sockets.outbox_bytes`: the most bytes that wait for one socket, those being written apart;
    /// above it 4002.
    pub outbox_bytes: usize,
    /// `sockets.drafts`: how many drafts of one socket may wait; then nothing more is read from it.
    pub drafts: usize,
    /// `sockets.draft_bytes`: how many bytes of them may wait; then nothing more is read from it.
    pub draft_bytes: usize,
    /// How much a replay may take.
    pub resume: ResumeSettings,
    /// How the sockets are told that the node stops.
    pub drain: DrainSettings,
}

/// How much a replay may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeSettings {
    /// `sockets.resume.page`: events of one page.
    pub page: usize,
    /// `sockets.resume.pages`: the most pages one connection replays; one that needs more comes
    /// back for them.
    pub pages: u32,
    /// `sockets.resume.parallel`: how many pages a node reads at once; the others wait.
    pub parallel: usize,
    /// `sockets.resume.page_within`: how long a page may take, the wait for its turn included.
    #[serde(with = "duration")]
    pub page_within: Duration,
}

/// How the sockets are told that the node stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainSettings {
    /// `sockets.drain.batch`: how many sockets are told at once.
    pub batch: usize,
    /// `sockets.drain.every`: the pause between two batches.
    #[serde(with = "duration")]
    pub every: Duration,
    /// `sockets.drain.back_after`: the least a client is asked to wait before it comes back.
    #[serde(with = "duration")]
    pub back_after: Duration,
    /// `sockets.drain.back_within`: the most a client is asked to wait before it comes back.
    #[serde(with = "duration")]
    pub back_within: Duration,
}

/// How many signals pass, and how long what they say holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalSettings {
    /// `signals.tenant_per_second`: the most signals of a tenant that this node sends, and the most
    /// that it hears; more are dropped.
    pub tenant_per_second: u32,
    /// `signals.node_per_second`: the same of all tenants together.
    pub node_per_second: u32,
    /// `signals.grace`: how long somebody is there whose socket broke.
    #[serde(with = "duration")]
    pub grace: Duration,
    /// `signals.roster_every`: how often a node says again which agents are at it, and what they
    /// look at.
    #[serde(with = "duration")]
    pub roster_every: Duration,
    /// `signals.roster_for`: how long that holds where it is not said again, since its node was
    /// killed.
    #[serde(with = "duration")]
    pub roster_for: Duration,
    /// `signals.roll_call`: how long a node that is new waits for what the others say before it
    /// takes somebody for absent.
    #[serde(with = "duration")]
    pub roll_call: Duration,
}
