//! The life of a shard's feed, and who needs it.

use std::num::NonZeroUsize;

use tokio::time::Instant;

/// Who needs a shard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Followers {
    /// Nobody has needed it yet.
    #[default]
    Never,
    /// This many sessions need it.
    Some(NonZeroUsize),
    /// Nobody any more, since then.
    Gone(Instant),
}

/// The life of a shard's feed.
///
/// ```text
/// Off ──a follower comes──► Down ◄──tail ends, tail begins──► Up
///  ▲                         │                                 │
///  └──nobody needs the shard for a while, or the node stops────┤
///                                      its task panics ──► Broken
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Life {
    /// There is no task.
    #[default]
    Off,
    /// The task has had no tail since then.
    Down(Instant),
    /// The task has a tail.
    Up,
    /// The task has panicked. It is not begun again: the node is not ready until it is restarted.
    Broken,
}

// === impl Followers ===

impl Followers {
    pub(crate) fn one_more(self) -> Self {
        let count = if let Self::Some(count) = self { count.get() } else { 0 };
        Self::Some(NonZeroUsize::MIN.saturating_add(count))
    }

    pub(crate) fn one_less(self) -> Self {
        match self {
            Self::Some(count) => NonZeroUsize::new(count.get() - 1)
                .map_or_else(|| Self::Gone(Instant::now()), Self::Some),
            Self::Never | Self::Gone(_) => self,
        }
    }

    /// Since when nobody has needed the shard any more.
    pub(crate) const fn gone_since(self) -> Option<Instant> {
        match self {
            Self::Gone(since) => Some(since),
            Self::Never | Self::Some(_) => None,
        }
    }
}

// === impl Life ===

impl Life {
    /// Since when a running feed has had no tail.
    pub(crate) const fn down_since(self) -> Option<Instant> {
        match self {
            Self::Down(since) => Some(since),
            Self::Off | Self::Up | Self::Broken => None,
        }
    }
}
