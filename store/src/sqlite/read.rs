//! Reading rows. A row that cannot be read is skipped and counted, and the page is filled with the
//! next ones.

use bytes::Bytes;
use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    event::{Audience, Event},
    id::{ConversationId, EventId, VisitorId},
    position::Position,
    shard::Shard,
    state::{ConversationState, Reader, StateChange},
    tenant::TenantId,
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{InboxPage, InboxRow, Metrics, Page, PageRange, row};

const BEFORE: &str = "\
    SELECT position, record FROM messages WHERE conversation = \
    (SELECT number FROM conversations WHERE tenant = ? AND conversation = ?) AND position < ?
    ORDER BY position DESC";
const AFTER: &str = "\
    SELECT position, record FROM messages WHERE conversation = \
    (SELECT number FROM conversations WHERE tenant = ? AND conversation = ?) AND position > ?
    ORDER BY position";
const FIND: &str = "\
    SELECT position, record FROM messages WHERE conversation = \
    (SELECT number FROM conversations WHERE tenant = ? AND conversation = ?) AND event_id = ?
    ORDER BY position LIMIT 1";
const INBOX: &str = "\
    SELECT conversation, position, at, preview, sender, visitor FROM conversations
    WHERE tenant = ? AND position < ? AND position > 0 ORDER BY position DESC";
const DELIVERED: &str = "\
    SELECT up_to FROM delivered WHERE conversation = \
    (SELECT number FROM conversations WHERE tenant = ? AND conversation = ?) AND reader = ?";
const WATERMARK: &str = "SELECT position FROM watermarks WHERE shard = ?";

pub(super) fn page(
    connection: &Connection,
    conversation: &ConversationKey,
    audience: Audience,
    range: PageRange,
    limit: usize,
    metrics: &Metrics,
) -> rusqlite::Result<Page> {
    let (sql, bound) = match range {
        PageRange::Before(bound) => (BEFORE, bound),
        PageRange::After(bound) => (AFTER, bound),
    };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![
        conversation.tenant.as_str(),
        conversation.id.as_bytes(),
        bound.as_i64()
    ])?;
    let mut page = Page { events: Vec::new(), more: false };
    while let Some(row) = rows.next()? {
        let Some(event) = event(conversation, row, metrics)? else { continue };
        if !event.record.body.in_timeline(audience) {
            continue;
        }
        if page.events.len() == limit {
            page.more = true;
            break;
        }
        page.events.push(event);
    }
    page.events.sort_by_key(|event| event.position);
    Ok(page)
}

pub(super) fn find(
    connection: &Connection,
    conversation: &ConversationKey,
    id: EventId,
    metrics: &Metrics,
) -> rusqlite::Result<Option<Event>> {
    let mut statement = connection.prepare_cached(FIND)?;
    let mut rows = statement.query(params![
        conversation.tenant.as_str(),
        conversation.id.as_bytes(),
        id.as_bytes()
    ])?;
    match rows.next()? {
        Some(row) => event(conversation, row, metrics),
        None => Ok(None),
    }
}

pub(super) fn state(
    connection: &Connection,
    conversation: &ConversationKey,
) -> rusqlite::Result<ConversationState> {
    let mut state = ConversationState::default();
    let mut delivered = connection.prepare_cached(DELIVERED)?;
    for reader in Reader::ALL {
        let (tenant, id) = (conversation.tenant.as_str(), conversation.id.as_bytes());
        let found = delivered.query_row(params![tenant, id, reader.as_str()], |row| row.get(0));
        if let Some(up_to) = found.optional()?.and_then(Position::from_i64) {
            state.apply(StateChange::Delivered { reader, up_to });
        }
    }
    Ok(state)
}

pub(super) fn inbox(
    connection: &Connection,
    tenant: &TenantId,
    before: Position,
    limit: usize,
    metrics: &Metrics,
) -> rusqlite::Result<InboxPage> {
    let mut statement = connection.prepare_cached(INBOX)?;
    let mut rows = statement.query(params![tenant.as_str(), before.as_i64()])?;
    let mut page = InboxPage { rows: Vec::new(), more: false };
    while let Some(row) = rows.next()? {
        let Some(row) = inbox_row(row)? else {
            metrics.skipped_rows.inc();
            continue;
        };
        if page.rows.len() == limit {
            page.more = true;
            break;
        }
        page.rows.push(row);
    }
    Ok(page)
}

pub(super) fn watermark(
    connection: &Connection,
    shard: Shard,
) -> rusqlite::Result<Option<Position>> {
    let found: Option<i64> = connection
        .prepare_cached(WATERMARK)?
        .query_row(params![shard.number()], |row| row.get(0))
        .optional()?;
    Ok(found.and_then(Position::from_i64))
}

fn event(
    conversation: &ConversationKey,
    row: &rusqlite::Row<'_>,
    metrics: &Metrics,
) -> rusqlite::Result<Option<Event>> {
    let position = Position::from_i64(row.get(0)?);
    let record = Bytes::from(row.get::<_, Vec<u8>>(1)?);
    Ok(position.and_then(|position| row::decode(conversation, position, record, metrics)))
}

fn inbox_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<InboxRow>> {
    let conversation = ConversationId::from_bytes(row.get(0)?);
    let position = Position::from_i64(row.get(1)?);
    let sender: String = row.get(4)?;
    let (Some(position), Some(sender)) = (position, row::parse_sender(&sender)) else {
        return Ok(None);
    };
    let at = Timestamp::from_millis(row.get(2)?);
    let visitor = row.get::<_, Option<[u8; 16]>>(5)?.map(VisitorId::from_bytes);
    Ok(Some(InboxRow { conversation, position, at, preview: row.get(3)?, sender, visitor }))
}
