//! What one connection of protocol 1 has shown, and the judge of it: each message of the scope once
//! and in order, or a gap that is told.

use std::collections::{HashSet, VecDeque};

use parlor_common::position::Position;

use super::truth::{List, Truth};

/// What one connection has shown.
#[derive(Default)]
pub(crate) struct View {
    /// Everything that was shown.
    pub(crate) got: HashSet<Position>,
    /// What of it must not be shown again.
    pub(crate) shown: HashSet<Position>,
    /// What it has asked for, and was not told of yet.
    pub(crate) asked: VecDeque<Asked>,
    /// Everything is shown that follows this; `None` before the first subscription.
    pub(crate) live: Option<Position>,
    /// How far the replay that was asked for has come, where it has begun.
    pub(crate) replay: Option<Position>,
    pub(crate) replayed: u64,
}

/// Since when, and whether nothing has failed since it was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) since: Since,
    pub(crate) calm: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    Now,
    Cursor(Position),
    Forged,
}

// === impl View ===

impl View {
    pub(crate) fn message(&mut self, truth: &Truth, who: (&str, &List), number: u64) -> Position {
        let (name, list) = who;
        let said = truth.said(number).expect("what is shown was accepted");
        let position = said.position;
        assert!(
            truth.after(list, position.before()).first() == Some(&position),
            "{name} is shown {position}, which is not its own"
        );
        assert!(!self.shown.contains(&position), "{name} is shown {position} twice");
        // Where a gap was told, what came before it may come again, or not.
        let next = |after| [&self.shown, &self.got].map(|known| truth.next(list, after, known));
        let live = self.live.map(next);
        let replay = match self.asked.front() {
            Some(Asked { since: Since::Cursor(since), .. }) => {
                Some(next(self.replay.unwrap_or(*since)))
            }
            _ => None,
        };
        if self.replay.is_none() && live.is_some_and(|next| next.contains(&Some(position))) {
            self.live = Some(position);
        } else if replay.is_some_and(|next| next.contains(&Some(position))) {
            self.replay = Some(position);
        } else {
            panic!("{name} is shown {position} where {live:?} or {replay:?} comes next");
        }
        if !self.asked.is_empty() {
            self.replayed += 1;
        }
        self.shown.insert(position);
        self.got.insert(position);
        position
    }

    pub(crate) fn subscribed(
        &mut self,
        truth: &Truth,
        who: (&str, &List),
        (recovered, cursor, replayed): (bool, Position, u64),
    ) {
        let (name, list) = who;
        let Asked { since, calm } = self.asked.pop_front().expect("it has asked for it");
        let all_shown_after = match (since, recovered) {
            (Since::Now, true) => self.live,
            (Since::Cursor(since), true) => Some(since),
            (Since::Forged, true) => panic!("{name} recovers from what is no cursor"),
            (Since::Now, false) => panic!("{name} is told of a gap after nothing"),
            (Since::Forged | Since::Cursor(_), false) => None,
        };
        if let Some(after) = all_shown_after {
            let missed = truth.next(list, after, &self.got);
            let missed = missed.filter(|missed| *missed <= cursor);
            assert!(missed.is_none(), "{name} was not shown {missed:?}, {since:?} to {cursor}");
        }
        assert!(replayed <= self.replayed, "{name}: {replayed} replayed of {}", self.replayed);
        if let (Since::Cursor(since), true) = (since, recovered) {
            assert!(cursor >= since, "{name}: {since:?} goes back to {cursor}");
            // What it says that it has is not shown, and what was shown before is forgotten.
            if self.live.is_some_and(|live| since > live) {
                self.shown.retain(|position| *position > since);
            }
        }
        if !recovered {
            let old = matches!(since, Since::Cursor(since) if since < truth.start());
            let may = since == Since::Forged || matches!(list, List::Tenant(_)) && old;
            assert!(may || !calm, "{name} is told of a gap after {since:?} without reason");
            self.shown.clear();
        }
        (self.live, self.replay, self.replayed) = (Some(cursor), None, 0);
    }
}
