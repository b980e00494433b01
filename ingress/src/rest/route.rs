//! The routes, by name and by what may be done on them.

/// A route of REST: a closed set, for metrics and for `Allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// A visitor's messages.
    Messages,
    /// A visitor's session.
    Session,
    /// A tenant's inbox.
    Conversations,
    /// One conversation's messages, for an agent.
    Conversation,
    /// Anything else.
    Nothing,
}

impl Route {
    /// Each of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 5] =
        [Self::Messages, Self::Session, Self::Conversations, Self::Conversation, Self::Nothing];

    /// As a metric's label and in the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Session => "session",
            Self::Conversations => "conversations",
            Self::Conversation => "conversation",
            Self::Nothing => "nothing",
        }
    }

    /// As `Allow` lists them.
    pub(crate) const fn methods(self) -> &'static str {
        match self {
            Self::Messages | Self::Conversation => "GET, POST, OPTIONS",
            Self::Session => "POST, OPTIONS",
            Self::Conversations => "GET, OPTIONS",
            Self::Nothing => "OPTIONS",
        }
    }
}
