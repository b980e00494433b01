//! Pages as their readers are sent them: what they are asked for by, and what they hold.

use bytes::Bytes;
use parlor_common::{
    author::AuthorKind,
    conversation::ConversationSet,
    event::{Audience, Event},
    position::Position,
};
use parlor_store::PageRange;

/// A page as its readers are sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenPage {
    /// Its events, in the form that was asked for.
    pub bytes: Bytes,
    /// As in [`HistoryPage`](crate::HistoryPage).
    pub more: bool,
    /// As in [`HistoryPage`](crate::HistoryPage).
    pub through: Position,
    /// As in [`HistoryPage`](crate::HistoryPage).
    pub incomplete: bool,
    /// Where its last event lies.
    pub last: Option<Position>,
    /// Where the last of its events lies that no visitor made.
    pub last_answer: Option<Position>,
}

/// How events are written.
#[derive(Clone, Copy, Debug)]
pub struct Form<W> {
    /// What sets it apart from the other forms: pages of one form are not answered in another.
    pub name: &'static str,
    /// Writes them. It **must** depend on nothing but the events.
    pub write: W,
}

/// What a written page is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WrittenKey {
    pub(crate) set: ConversationSet,
    pub(crate) audience: Audience,
    pub(crate) range: PageRange,
    pub(crate) limit: usize,
    pub(crate) form: &'static str,
}

// === impl WrittenPage ===

impl WrittenPage {
    /// A page of nothing, which is proven up to a position.
    pub const fn empty(through: Position) -> Self {
        let bytes = Bytes::new();
        Self { bytes, more: false, through, incomplete: false, last: None, last_answer: None }
    }

    pub(crate) fn of(page: &crate::HistoryPage, bytes: Bytes) -> Self {
        let is_answer = |event: &&Event| event.record.author.kind != AuthorKind::Visitor;
        Self {
            bytes,
            more: page.more,
            through: page.through,
            incomplete: page.incomplete,
            last: page.events.last().map(|event| event.position),
            last_answer: page.events.iter().rev().find(is_answer).map(|event| event.position),
        }
    }
}
