//! The kinds of events, by name.

/// The name of a kind, in records and for the derivation of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A draft was accepted.
    Message,
    /// A reader's client has everything up to a position.
    Delivered,
    /// Several cookies became one visitor.
    Linked,
    /// An agent told the others something.
    Note,
    /// Status, assignee, team or labels are others now.
    Change,
    /// A reader has read up to a position.
    Read,
    /// Something is known of the visitor.
    Profile,
    /// The visitor has said how it was.
    Rating,
    /// A thing that the tenant's agents share is another now.
    Desk,
    /// One of a later version.
    Unknown,
}

// === impl Kind ===

impl Kind {
    /// Those that this version knows.
    pub const ALL: [Self; 9] = [
        Self::Message,
        Self::Delivered,
        Self::Linked,
        Self::Note,
        Self::Change,
        Self::Read,
        Self::Profile,
        Self::Rating,
        Self::Desk,
    ];

    /// As records, ids and frames spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Delivered => "delivered",
            Self::Linked => "linked",
            Self::Note => "note",
            Self::Change => "change",
            Self::Read => "read",
            Self::Profile => "profile",
            Self::Rating => "rating",
            Self::Desk => "desk",
            Self::Unknown => "unknown",
        }
    }

    /// Reads what [`as_str`](Self::as_str) wrote; any other name is unknown.
    pub fn parse(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or(Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_reads_back_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), kind);
        }
        assert_eq!(Kind::parse("poll"), Kind::Unknown);
    }
}
