//! Why the door cannot take more just now.

/// What is full, or too far behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    /// The node has as many actions in flight as it may.
    Node,
    /// The shard has as many of them as are left for all others.
    Shard,
    /// The tenant has as many of them as it may.
    Tenant,
    /// The log has no room.
    Log,
    /// The store is so far behind that age could delete what it has not got.
    Store,
}

// === impl Busy ===

impl Busy {
    /// Each of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 5] =
        [Self::Node, Self::Shard, Self::Tenant, Self::Log, Self::Store];

    /// As the metric's label names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Shard => "shard",
            Self::Tenant => "tenant",
            Self::Log => "log",
            Self::Store => "store",
        }
    }

    /// As the client is told.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Node | Self::Shard => "too many messages are being accepted",
            Self::Tenant => "too many messages of this tenant are being accepted",
            Self::Log => "there is no room for messages just now",
            Self::Store => "what was accepted waits too long to be stored",
        }
    }
}
