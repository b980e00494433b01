//! When things happened to the topology.

use tokio::time::Instant;

/// When the load began, the first thing was broken, and the last one mended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    pub(super) begun: Option<Instant>,
    pub(super) broken: Option<Instant>,
    /// When the mending began the last time, and when it was done.
    pub(super) mending: Option<Instant>,
    pub(super) mended: Option<Instant>,
}
