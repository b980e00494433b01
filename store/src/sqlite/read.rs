//! Reading rows. A row that cannot be read is skipped and counted, and the page is filled with the
//! next ones.

use bytes::Bytes;
use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    event::{Audience, Event},
    id::{ConversationId, EventId},
    position::Position,
    shard::Shard,
    state::ConversationState,
    tenant::TenantId,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::conversation;
use crate::{InboxFilter, InboxPage, InboxRow, Metrics, Page, PageRange, row};

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
/// So many conversations one page of the inbox looks at, at most: where few of many belong to a
/// list, it goes on in the next page.
const MOST_LOOKED_AT: usize = 20_000;
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
    key: &ConversationKey,
    metrics: &Metrics,
) -> rusqlite::Result<ConversationState> {
    let sql = format!(
        "SELECT {} FROM conversations WHERE tenant = ? AND conversation = ?",
        conversation::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![key.tenant.as_str(), key.id.as_bytes()])?;
    let Some(row) = rows.next()? else { return Ok(ConversationState::default()) };
    Ok(conversation::read(row, 0)?.unwrap_or_else(|| {
        metrics.skipped_rows.inc();
        ConversationState::default()
    }))
}

pub(super) fn inbox(
    connection: &Connection,
    tenant: &TenantId,
    (filter, now): (&InboxFilter, Timestamp),
    (before, limit): (Position, usize),
    metrics: &Metrics,
) -> rusqlite::Result<InboxPage> {
    // Named, because the planner does not know that few are open, or have an address.
    let (index, part) = match (&filter.email, filter.is_closed()) {
        (Some(_), _) => ("people", "email = ?3"),
        (None, Some(true)) => ("inbox_by_closed", "closed = 1 AND ?3 IS NULL"),
        (None, Some(false)) => ("inbox_by_closed", "closed = 0 AND ?3 IS NULL"),
        (None, None) => ("inbox", "?3 IS NULL"),
    };
    let sql = format!(
        "SELECT conversation, {} FROM conversations INDEXED BY {index}
         WHERE tenant = ?1 AND position < ?2 AND position > 0 AND {part}
         ORDER BY position DESC",
        conversation::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found =
        statement.query(params![tenant.as_str(), before.as_i64(), filter.email.as_deref()])?;
    let (mut rows, mut looked_at, mut next) = (Vec::new(), 0, None);
    while let Some(row) = found.next()? {
        let id = ConversationId::from_bytes(row.get(0)?);
        let Some(state) = conversation::read(row, 1)? else {
            metrics.skipped_rows.inc();
            continue;
        };
        let row = InboxRow { conversation: id, state };
        looked_at += 1;
        if looked_at > MOST_LOOKED_AT {
            next = Some(Position::from_u64(row.position().as_u64() + 1).unwrap_or(Position::MAX));
            break;
        }
        if filter.takes(&row.state, now) {
            rows.push(row);
        }
        if rows.len() > limit {
            break;
        }
    }
    Ok(InboxPage::first(rows, limit, next))
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
