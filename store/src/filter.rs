//! Which of a tenant's conversations a list holds. Pure, so that both stores and the log's end
//! judge alike.

use parlor_common::{
    clock::Timestamp,
    state::{ConversationState, Register, Status, Waiting},
};

/// What all conversations of a list have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InboxFilter {
    /// Whose they are.
    pub list: List,
    /// Their status at the moment of the question; `None` for any.
    pub status: Option<Status>,
    /// Who is awaited; `None` for anybody.
    pub waiting: Option<Waiting>,
    /// Their visitor's e-mail address, exactly; `None` for any.
    pub email: Option<String>,
}

/// Whose the conversations of a list are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum List {
    /// Anybody's.
    #[default]
    All,
    /// Nobody's.
    Unassigned,
    /// This agent's.
    Assignee(String),
    /// This team's.
    Team(String),
    /// Those with this label.
    Label(String),
}

impl InboxFilter {
    /// Whether a conversation in this state is in the list at `now`.
    pub fn takes(&self, state: &ConversationState, now: Timestamp) -> bool {
        let Self { list, status, waiting, email } = self;
        let whose = match list {
            List::All => true,
            List::Unassigned => state.value(&Register::Assignee).is_none(),
            List::Assignee(agent) => state.value(&Register::Assignee) == Some(agent),
            List::Team(team) => state.value(&Register::Team) == Some(team),
            List::Label(label) => state.value(&Register::Label(label.clone())).is_some(),
        };
        whose
            && status.is_none_or(|status| state.status(now).0 == status)
            && waiting.is_none_or(|waiting| state.waiting() == Some(waiting))
            && email.as_deref().is_none_or(|email| state.value(&Register::Email) == Some(email))
    }

    /// Whether all of the list is closed, or none of it; `None` where that differs.
    pub(crate) fn is_closed(&self) -> Option<bool> {
        self.status.map(|status| status == Status::Closed)
    }
}

/// Whether nobody has to do anything about a conversation in this state, whatever the time.
pub(crate) fn is_closed(state: &ConversationState) -> bool {
    // A closed conversation has no end, so that the moment does not matter.
    state.status(Timestamp::from_millis(0)).0 == Status::Closed
}
