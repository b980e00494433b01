//! How far a page of a visitor had got that comes back. The log alone tells it where it holds
//! enough of the conversations, so that thousands of sockets that come back at once do not reach
//! the store.

use std::time::Duration;

use parlor_common::{
    author::AuthorKind,
    clock::Timestamp,
    conversation::ConversationSet,
    event::{Audience, Event},
    id::SessionId,
    position::Position,
    state::{ConversationState, Reader},
};
use parlor_log::Filter;
use parlor_store::PageRange;

use crate::{
    History, HistoryError, is_beginning,
    tabs::{self, Tabs},
    walk,
};

/// Of how many messages the last one is sought that all pages of a visitor have been shown.
const LOOK_BACK: usize = 50;
/// After this time a page that is there has answered for what it was shown, and its mark is noted.
const SETTLED: Duration = Duration::from_secs(10);
/// The log is not asked for more entries of a conversation before the store is.
const LOG_ALONE: usize = 200;

/// How far a page had got when it lost its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOff {
    /// It had been shown what agents wrote up to here.
    pub up_to: Position,
    /// Whether the log has noted anything of the visitor's pages.
    pub is_noted: bool,
}

/// What tells how far the pages of a visitor have got.
struct Noted {
    /// The visitor's durable mark.
    delivered: Position,
    /// What came after a message that all pages that are still there have been shown, in rising
    /// order.
    since: Vec<Event>,
}

impl History {
    /// Up to where a page of the visitor that comes back at `now` has been shown what agents wrote.
    /// A visitor may have several pages, which may have got differently far: then it is the lowest
    /// of those that may be missing. Those of `open` are known not to be.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] where it cannot be told.
    pub async fn comes_back_at(
        &self,
        set: &ConversationSet,
        now: Timestamp,
        open: impl Fn(SessionId) -> bool,
    ) -> Result<LeftOff, HistoryError> {
        // Every page that is still there has a mark after an agent's message of that age: it was
        // shown it a while ago, or by its own GET.
        let then = now.minus(tabs::BACK_WITHIN + SETTLED);
        let noted = match self.noted_in_log(set, then).await? {
            Some(noted) => noted,
            None => self.noted_anywhere(set, then).await?,
        };
        let mut tabs = Tabs::default();
        noted.since.iter().for_each(|event| tabs.apply(event));
        let delivered = noted.delivered;
        let up_to = tabs.lowest_missing(now, open).map_or(delivered, |low| low.min(delivered));
        Ok(LeftOff { up_to, is_noted: delivered > Position::ZERO || !tabs.is_empty() })
    }

    /// `None` where the log has too little of the conversations to tell, or too much to be read.
    async fn noted_in_log(
        &self,
        set: &ConversationSet,
        then: Timestamp,
    ) -> Result<Option<Noted>, HistoryError> {
        let (mut state, mut start) = (ConversationState::default(), Position::ZERO);
        let mut events = Vec::new();
        let primary = set.primary();
        for key in set.keys() {
            let filter = Filter::Conversation(key);
            let page = self.log.read(&filter, Position::ZERO, LOG_ALONE).await?;
            if page.entries.len() == LOG_ALONE {
                return Ok(None);
            }
            start = start.max(page.from);
            events.extend(page.entries.into_iter().filter_map(walk::decode));
        }
        // The log may have let go of something between two reads.
        events.retain(|event| event.position > start);
        events.sort_by_key(|event| event.position);
        for event in events.iter().filter(|event| event.conversation == primary) {
            state.apply(event);
        }
        let delivered = state.delivered(Reader::Visitor);
        // A mark lies after what it tells of: one that the log has let go of told of less.
        let (whole, marked) = (is_beginning(start), delivered >= start);
        if !whole && !marked {
            return Ok(None);
        }
        let shown: Vec<_> = events
            .iter()
            .filter(|event| event.record.body.in_timeline(Audience::Visitor))
            .collect();
        let newest = shown.iter().rev().take(LOOK_BACK).copied();
        let Some(from) = settled(newest, shown.len() > LOOK_BACK, then)
            .or_else(|| whole.then_some(Position::ZERO))
        else {
            return Ok(None);
        };
        events.retain(|event| event.position > from);
        Ok(Some(Noted { delivered, since: events }))
    }

    /// By the store, and the log after it.
    async fn noted_anywhere(
        &self,
        set: &ConversationSet,
        then: Timestamp,
    ) -> Result<Noted, HistoryError> {
        let newest = self.page(set, Audience::Visitor, PageRange::Before(Position::MAX), LOOK_BACK);
        let primary = set.primary();
        let (state, newest) = tokio::try_join!(self.state(&primary), newest)?;
        let from = settled(newest.events.iter().rev(), newest.more, then).unwrap_or_default();
        let mut since = Vec::new();
        for key in set.keys() {
            walk::each(&*self.log, &key, (from, Position::MAX), |event| since.push(event)).await?;
        }
        since.sort_by_key(|event| event.position);
        Ok(Noted { delivered: state.delivered(Reader::Visitor), since })
    }
}

/// The position of the last message of an agent by `then`, among the visitor's `newest` messages,
/// the last one first; where there is none, that of the oldest of them, if there are `more` before.
fn settled<'a>(
    newest: impl Iterator<Item = &'a Event>,
    more: bool,
    then: Timestamp,
) -> Option<Position> {
    let mut oldest = None;
    for event in newest {
        if event.record.author.kind != AuthorKind::Visitor && event.record.at <= then {
            return Some(event.position);
        }
        oldest = Some(event.position);
    }
    oldest.filter(|_| more)
}
