//! Merging pages: of the store and the log, and of several conversations. Pure, so that it can be
//! tested as arithmetic.

use parlor_common::{event::Event, position::Position};
use parlor_store::{Page, PageRange};

use crate::{HistoryPage, walk::LogPart};

/// A page that the log answers alone; may hold one event more than was asked for, which tells that
/// there is more.
pub(crate) fn log_page(part: LogPart) -> HistoryPage {
    let LogPart { events, through, .. } = part;
    HistoryPage { events, more: false, through, incomplete: false, settled: false }
}

/// A page that the store answers alone: all of it lies at or before the `persisted` position.
pub(crate) fn stored(rows: Page, persisted: Position) -> HistoryPage {
    let Page { events, more } = rows;
    HistoryPage { events, more, through: persisted, incomplete: false, settled: true }
}

/// The store's rows and the log's end; an event that is in both counts once.
pub(crate) fn stored_and_log(rows: Page, end: LogPart) -> HistoryPage {
    let mut events = rows.events;
    events.extend(end.events);
    events.sort_by_key(|event| event.position);
    events.dedup_by_key(|event| event.position);
    let (more, through) = (rows.more, end.through);
    HistoryPage { events, more, through, incomplete: false, settled: false }
}

/// The first or last `limit` events of several conversations' pages, each of which holds at least
/// that many of its own where it has them, and one more where there is more.
pub(crate) fn pages(pages: Vec<HistoryPage>, range: PageRange, limit: usize) -> HistoryPage {
    let incomplete = pages.iter().any(|page| page.incomplete);
    let settled = pages.iter().all(|page| page.settled);
    let mut more = pages.iter().any(|page| page.more);
    let mut through = pages.iter().map(|page| page.through).min().unwrap_or_default();
    let mut events: Vec<Event> = pages.into_iter().flat_map(|page| page.events).collect();
    // The store, or another conversation, may have been read a moment later and know more: whoever
    // goes on from `through` would be shown that again.
    events.retain(|event| event.position <= through);
    events.sort_by_key(|event| event.position);
    if events.len() > limit {
        more = true;
        match range {
            PageRange::Before(_) => drop(events.drain(..events.len() - limit)),
            PageRange::After(_) => events.truncate(limit),
        }
    }
    if let (PageRange::After(_), true, Some(last)) = (range, more, events.last()) {
        through = last.position;
    }
    HistoryPage { events, more, through, incomplete, settled }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parlor_common::{
        author::{Author, AuthorKind},
        clock::Timestamp,
        conversation::ConversationKey,
        event::{Body, MessageBody, Record, Transport},
        id::{ClientMessageId, ConversationId, EventId},
        position::Epoch,
        tenant::TenantId,
    };

    use super::*;

    fn at(sequence: u64) -> Position {
        Position::new(Epoch::FIRST, sequence).unwrap()
    }

    fn events(sequences: &[u64]) -> Vec<Event> {
        let event = |&sequence: &u64| Event {
            conversation: ConversationKey {
                tenant: TenantId::parse("a").unwrap(),
                id: ConversationId::from_bytes([1; 16]),
            },
            position: at(sequence),
            record: Record {
                id: EventId::from_bytes([0; 16]),
                author: Author { kind: AuthorKind::Agent, id: "a".to_owned(), name: None },
                session: None,
                transport: Transport::Rest,
                at: Timestamp::from_millis(0),
                arrived: Timestamp::from_millis(0),
                acceptance: sequence,
                body: Body::Message(MessageBody {
                    text: "t".to_owned(),
                    client_message_id: ClientMessageId::parse("m").unwrap(),
                }),
            },
            raw: Bytes::new(),
        };
        sequences.iter().map(event).collect()
    }

    fn sequences(page: &HistoryPage) -> Vec<u64> {
        page.events.iter().map(|event| event.position.sequence()).collect()
    }

    fn page(of: &[u64], through: u64) -> HistoryPage {
        let (events, through) = (events(of), at(through));
        HistoryPage { events, more: false, through, incomplete: false, settled: false }
    }

    #[test]
    fn an_event_that_the_store_has_before_it_is_acknowledged_is_shown_once() {
        let rows = Page { events: events(&[1, 3, 4]), more: false };
        let (start, through) = (at(2), at(9));
        let end = LogPart { events: events(&[3, 4, 5]), start, through, whole: true };
        let merged = stored_and_log(rows, end);
        assert_eq!(sequences(&merged), [1, 3, 4, 5]);
        assert_eq!(merged.through, at(9));
    }

    #[test]
    fn the_newest_page_of_two_conversations_keeps_the_last_and_says_there_is_more() {
        let merged =
            pages(vec![page(&[1, 4, 6], 8), page(&[2, 5], 7)], PageRange::Before(Position::MAX), 3);
        assert_eq!(sequences(&merged), [4, 5, 6]);
        assert!(merged.more);
        assert_eq!(merged.through, at(7), "what one of them does not prove is not proven");
    }

    #[test]
    fn what_lies_beyond_what_is_proven_is_left_to_whoever_goes_on_from_there() {
        // The log was read first; then an event came, and was in the store when that was read.
        let rows = Page { events: events(&[1, 4]), more: false };
        let (start, through) = (at(0), at(3));
        let end = LogPart { events: events(&[1, 3]), start, through, whole: true };
        let newest = PageRange::Before(Position::MAX);
        let merged = pages(vec![stored_and_log(rows, end)], newest, 10);
        assert_eq!((sequences(&merged), merged.through), (vec![1, 3], at(3)));
        let merged = pages(vec![page(&[1, 8], 8), page(&[2, 5], 7)], newest, 10);
        assert_eq!((sequences(&merged), merged.through), (vec![1, 2, 5], at(7)));
    }

    #[test]
    fn a_forward_page_that_is_cut_is_complete_through_its_last_event() {
        let merged =
            pages(vec![page(&[1, 4], 8), page(&[2, 5], 8)], PageRange::After(Position::ZERO), 3);
        assert_eq!(sequences(&merged), [1, 2, 4]);
        assert_eq!((merged.more, merged.through), (true, at(4)));
        let whole = pages(vec![page(&[1], 8), page(&[2], 7)], PageRange::After(Position::ZERO), 3);
        assert_eq!((whole.more, whole.through), (false, at(7)));
    }
}
