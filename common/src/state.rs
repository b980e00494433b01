//! The state of a conversation: the last values that its events leave.

use serde::{Deserialize, Serialize};

use crate::position::Position;

/// The last values of a conversation. Applying its events in any order, any of them twice, ends in
/// the same state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConversationState {
    /// Whether somebody still has to do something about it.
    pub status: Status,
    /// The visitor's clients have everything up to here; [`Position::ZERO`] before the first mark.
    pub delivered_to_visitor: Position,
    /// An agent's client has everything up to here; [`Position::ZERO`] before the first mark.
    pub delivered_to_agent: Position,
}

/// What an event changes in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// No register.
    Nothing,
    /// A delivered mark, which only rises.
    Delivered {
        /// Whose mark.
        reader: Reader,
        /// How far.
        up_to: Position,
    },
}

/// Whose reading a mark tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reader {
    /// The conversation's visitor.
    Visitor,
    /// The tenant's agents, as one.
    Agent,
}

/// Whether somebody still has to do something about a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Somebody does.
    #[default]
    Open,
    /// Nobody does. No event closes a conversation yet.
    Closed,
}

// === impl ConversationState ===

impl ConversationState {
    /// The state after this change as well.
    pub fn apply(&mut self, change: StateChange) {
        match change {
            StateChange::Nothing => {}
            StateChange::Delivered { reader, up_to } => {
                let mark = match reader {
                    Reader::Visitor => &mut self.delivered_to_visitor,
                    Reader::Agent => &mut self.delivered_to_agent,
                };
                *mark = up_to.max(*mark);
            }
        }
    }

    /// How far a reader's clients have received the conversation.
    pub const fn delivered(&self, reader: Reader) -> Position {
        match reader {
            Reader::Visitor => self.delivered_to_visitor,
            Reader::Agent => self.delivered_to_agent,
        }
    }
}

// === impl Reader ===

impl Reader {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Visitor, Self::Agent];

    /// As records and stores spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Agent => "agent",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::position::Epoch;

    fn change() -> impl Strategy<Value = StateChange> {
        (prop::bool::ANY, 0_u64..50).prop_map(|(visitor, sequence)| StateChange::Delivered {
            reader: if visitor { Reader::Visitor } else { Reader::Agent },
            up_to: Position::new(Epoch::FIRST, sequence).unwrap(),
        })
    }

    fn after(changes: &[StateChange]) -> ConversationState {
        let mut state = ConversationState::default();
        changes.iter().for_each(|&change| state.apply(change));
        state
    }

    proptest! {
        #[test]
        fn events_that_come_late_or_twice_end_in_the_same_state(
            (once, shuffled) in prop::collection::vec(change(), 0..20).prop_flat_map(|once| {
                let twice = [once.clone(), once.clone()].concat();
                (Just(once), Just(twice).prop_shuffle())
            })
        ) {
            prop_assert_eq!(after(&once), after(&shuffled));
        }
    }
}
