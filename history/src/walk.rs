//! Walks over the log: what of it a page, a search or a state needs.

use std::collections::VecDeque;

use parlor_common::{
    conversation::ConversationKey,
    event::{Audience, Event},
    position::Position,
};
use parlor_log::{Entry, EventLog, Filter};
use tracing::warn;

use crate::HistoryError;

/// Entries of one read of the log.
const LOG_PAGE: usize = 500;
/// How many reads of the log one answer may take: 100,000 events of one conversation that are not
/// in the store, or are in no page.
const LOG_READS: usize = 200;

/// Part of what a filter selects, as the log has it.
#[derive(Debug)]
pub(crate) struct LogPart {
    /// In rising order.
    pub(crate) events: Vec<Event>,
    /// The part is complete after this position.
    pub(crate) start: Position,
    /// The part is complete up to this position.
    pub(crate) through: Position,
    /// The log has nothing more in the direction of the walk.
    pub(crate) whole: bool,
}

/// Which events are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    /// The rows of the timeline that this audience reads.
    Rows(Audience),
    /// Everything that sockets of this audience are shown.
    Shown(Audience),
}

/// The first events after a position that are wanted, until there are `count` or the log has
/// no more; where it holds too much else, as far as the walk came.
pub(crate) async fn first(
    log: &dyn EventLog,
    filter: &Filter,
    wanted: Wanted,
    after: Position,
    count: usize,
) -> Result<LogPart, HistoryError> {
    let mut part = LogPart { events: Vec::new(), start: after, through: after, whole: false };
    for read in 0..LOG_READS {
        let asked = if read == 0 { count } else { LOG_PAGE };
        let page = log.read(filter, part.through, asked).await?;
        if read == 0 {
            part.start = page.from;
        } else if page.from != part.through {
            // Meanwhile the log has let go of what comes next: the part ends before it.
            break;
        }
        part.through = page.through;
        part.whole = page.entries.len() < asked;
        let events = page.entries.into_iter().filter_map(decode);
        part.events.extend(events.filter(|event| wanted.takes(event)));
        if part.whole || part.events.len() >= count {
            break;
        }
    }
    Ok(part)
}

/// The last `count` events of a conversation between two positions, both exclusive, that `audience`
/// reads.
pub(crate) async fn last(
    log: &dyn EventLog,
    key: &ConversationKey,
    audience: Audience,
    (after, before): (Position, Position),
    count: usize,
) -> Result<LogPart, HistoryError> {
    let mut last = VecDeque::new();
    let keep = |event: Event| {
        if event.record.body.in_timeline(audience) {
            last.push_back(event);
        }
        while last.len() > count {
            last.pop_front();
        }
    };
    let (start, through) = each(log, key, (after, before), keep).await?;
    Ok(LogPart { events: last.into(), start, through, whole: true })
}

/// Shows `show` each event of a conversation between two positions, both exclusive, in rising
/// order; tells after which position and up to which they are all that there are.
pub(crate) async fn each(
    log: &dyn EventLog,
    key: &ConversationKey,
    (after, before): (Position, Position),
    mut show: impl FnMut(Event),
) -> Result<(Position, Position), HistoryError> {
    let filter = Filter::Conversation(key.clone());
    let (mut from, mut start) = (after, None);
    for _ in 0..LOG_READS {
        let page = log.read(&filter, from, LOG_PAGE).await?;
        if start.is_some() && page.from != from {
            let moved = "the log has let go of what comes next, while it was read";
            return Err(HistoryError::Unavailable(moved.to_owned()));
        }
        let start = *start.get_or_insert(page.from);
        let whole = page.entries.len() < LOG_PAGE;
        let passed = page.entries.last().is_some_and(|entry| entry.position >= before);
        let inside = page.entries.into_iter().filter(|entry| entry.position < before);
        inside.filter_map(decode).for_each(&mut show);
        if whole || passed {
            return Ok((start, page.through));
        }
        from = page.through;
    }
    Err(too_much())
}

/// The event an entry holds. What is no record is a dead letter of the persister and is shown to
/// nobody.
pub(crate) fn decode(entry: Entry) -> Option<Event> {
    let position = entry.position;
    Event::decode(entry.conversation, position, entry.record)
        .inspect_err(|error| {
            warn!(sequence = position.sequence(), %error, "an entry of the log is skipped");
        })
        .ok()
}

// === impl Wanted ===

impl Wanted {
    /// For whom they are.
    pub(crate) const fn audience(self) -> Audience {
        match self {
            Self::Rows(audience) | Self::Shown(audience) => audience,
        }
    }

    const fn takes(self, event: &Event) -> bool {
        match self {
            Self::Rows(audience) => event.record.body.in_timeline(audience),
            Self::Shown(audience) => event.record.body.on_sockets(audience),
        }
    }
}

// === impl LogPart ===

impl LogPart {
    /// The part, where it holds `count` events or all that there are.
    pub(crate) fn enough(self, count: usize) -> Result<Self, HistoryError> {
        if self.whole || self.events.len() >= count { Ok(self) } else { Err(too_much()) }
    }
}

fn too_much() -> HistoryError {
    HistoryError::Unavailable("too much of this conversation is not in the store yet".to_owned())
}
