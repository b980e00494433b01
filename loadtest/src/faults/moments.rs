//! When things happened to the topology.

use tokio::time::Instant;

/// When the load began, the first thing was broken, and the last one mended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moments {
    pub(super) begun: Option<Instant>,
    pub(super) broken: Option<Instant>,
    pub(super) mended: Option<Instant>,
}
