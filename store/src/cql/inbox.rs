//! Pages of a tenant's inbox: the days are walked down, and their conversations asked for what they
//! have come to.
//!
//! The rows of a day only tell which conversations may belong on the page; where each belongs its
//! own row says. So a conversation is there while a later message of it is being written, and
//! appears once however many days it has.

use std::collections::{BinaryHeap, HashSet, VecDeque};

use futures_util::{StreamExt, TryStreamExt, stream};
use parlor_common::{
    clock::Timestamp, conversation::ConversationKey, id::ConversationId, position::Position,
    tenant::TenantId,
};

use super::{as_limit, connection::Connection, state::state};
use crate::{InboxFilter, InboxPage, InboxRow, StoreError};

/// Days a page looks back at most, counted without those on which the tenant had no message: eleven
/// years.
const DAYS: usize = 4_000;
/// Rows of one query of a day: about 200 KiB.
const ROWS: usize = 5_000;
/// Days that are read at once, at most.
const AT_ONCE: usize = 16;
/// So many conversations one page asks for, at most: where few of many belong to a list, it goes on
/// in the next page.
const MOST_ASKED: usize = 5_000;
/// So many conversations of one e-mail address are looked at.
const MOST_OF_A_PERSON: usize = 1_000;

/// A page of a list, last active first.
pub(super) async fn inbox(
    connection: &Connection,
    tenant: &TenantId,
    filter: &InboxFilter,
    now: Timestamp,
    (before, limit): (Position, usize),
) -> Result<InboxPage, StoreError> {
    if let Some(email) = &filter.email {
        return of_person(connection, tenant, email, (filter, now), (before, limit)).await;
    }
    let days = days(connection, tenant).await?;
    let mut walk = Walk {
        connection,
        tenant,
        filter,
        now,
        before,
        days: remaining(&days, before),
        candidates: BinaryHeap::new(),
        seen: HashSet::new(),
        rows: Vec::new(),
    };
    let wanted = limit.saturating_add(1);
    let mut group = 1;
    loop {
        // What unread days hold may belong before what read ones hold: clocks differ, and midnight
        // is not sharp.
        let unread = walk.unread();
        if walk.settled(wanted, unread) {
            break;
        }
        if walk.seen.len() >= MOST_ASKED {
            let lowest = walk.candidates.peek().map(|(position, _)| *position).max(unread);
            let next = lowest.map(after);
            walk.rows.retain(|row| Some(row.position()) >= next);
            return Ok(InboxPage::first(walk.rows, limit, next));
        }
        if walk.candidates.peek().is_some_and(|(position, _)| Some(*position) > unread) {
            walk.ask(wanted).await?;
        } else if unread.is_some() {
            walk.read_days(group).await?;
            group = (group * 2).min(AT_ONCE);
        } else {
            break;
        }
    }
    Ok(InboxPage::first(walk.rows, limit, None))
}

/// The conversations of one e-mail address.
async fn of_person(
    connection: &Connection,
    tenant: &TenantId,
    email: &str,
    (filter, now): (&InboxFilter, Timestamp),
    (before, limit): (Position, usize),
) -> Result<InboxPage, StoreError> {
    let values = (tenant.as_str(), email, as_limit(MOST_OF_A_PERSON));
    let found: Vec<(Vec<u8>,)> = connection.select(&connection.statements.people, values).await?;
    let ids = found.into_iter().filter_map(|(key,)| key.try_into().ok());
    let reads = stream::iter(ids.map(ConversationId::from_bytes).collect::<Vec<_>>())
        .map(|id| row_of(connection, tenant, id))
        .buffer_unordered(connection.in_flight);
    let rows: Vec<Option<InboxRow>> = reads.try_collect().await?;
    let mut rows: Vec<_> = rows.into_iter().flatten().collect();
    rows.retain(|row| row.position() < before && filter.takes(&row.state, now));
    rows.sort_by_key(|row| std::cmp::Reverse(row.position()));
    Ok(InboxPage::first(rows, limit, None))
}

/// The position right after this one: what lies at it lies before that.
fn after(position: Position) -> Position {
    Position::from_u64(position.as_u64() + 1).unwrap_or(Position::MAX)
}

/// A day on which there were messages, and the position of its last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    number: i64,
    last: Position,
}

/// How far a page has got.
struct Walk<'a> {
    connection: &'a Connection,
    tenant: &'a TenantId,
    filter: &'a InboxFilter,
    now: Timestamp,
    before: Position,
    /// Those not read yet, the latest first.
    days: VecDeque<Day>,
    /// Conversations of the days that were read, the last active on top.
    candidates: BinaryHeap<(Position, ConversationId)>,
    /// Those that were asked for.
    seen: HashSet<ConversationId>,
    /// What belongs on the page or after it, last active first.
    rows: Vec<InboxRow>,
}

// === impl Walk ===

impl Walk<'_> {
    /// The highest position that a day not read yet may hold.
    fn unread(&self) -> Option<Position> {
        self.days.iter().map(|day| day.last).max()
    }

    /// Whether nothing that is still to be met can belong among the first `wanted` rows.
    fn settled(&self, wanted: usize, unread: Option<Position>) -> bool {
        let Some(last) = wanted.checked_sub(1).and_then(|last| self.rows.get(last)) else {
            return false;
        };
        let candidate = self.candidates.peek().map(|(position, _)| *position);
        Some(last.position()) >= candidate && Some(last.position()) > unread
    }

    /// Reads the next `count` days.
    async fn read_days(&mut self, count: usize) -> Result<(), StoreError> {
        let days: Vec<Day> = self.days.drain(..count.min(self.days.len())).collect();
        let (connection, tenant) = (self.connection, self.tenant);
        let reads =
            stream::iter(days).map(|day| conversations(connection, tenant, day)).buffered(AT_ONCE);
        let found: Vec<_> = reads.try_collect().await?;
        let (before, seen) = (self.before, &self.seen);
        let candidates = found.into_iter().flatten();
        self.candidates
            .extend(candidates.filter(|(position, id)| *position < before && !seen.contains(id)));
        Ok(())
    }

    /// Asks the best candidates what was said last in them, as many as are missing from the page.
    async fn ask(&mut self, wanted: usize) -> Result<(), StoreError> {
        // Where few belong to the list, the next ones are asked for at once all the same.
        let missing = wanted.saturating_sub(self.rows.len());
        let fewest = if *self.filter == InboxFilter::default() { 1 } else { 64 };
        let count = missing.max(fewest).clamp(1, self.connection.in_flight);
        let mut asked = Vec::new();
        while asked.len() < count
            && let Some((_, conversation)) = self.candidates.pop()
        {
            if self.seen.insert(conversation) {
                asked.push(conversation);
            }
        }
        let (connection, tenant) = (self.connection, self.tenant);
        let reads =
            stream::iter(asked).map(|id| row_of(connection, tenant, id)).buffer_unordered(count);
        let found: Vec<_> = reads.try_collect().await?;
        let (before, filter, now) = (self.before, self.filter, self.now);
        let belongs = |row: &InboxRow| row.position() < before && filter.takes(&row.state, now);
        self.rows.extend(found.into_iter().flatten().filter(belongs));
        self.rows.sort_by_key(|row| std::cmp::Reverse(row.position()));
        Ok(())
    }
}

/// The days that can hold something before a position.
///
/// All of a day lies after the last message of the day before the day before it: no clock is a day
/// wrong. So a day is left out where that message does not lie before the position.
fn remaining(days: &[Day], before: Position) -> VecDeque<Day> {
    let skipped = days.iter().skip(2).take_while(|day| day.last >= before).count();
    days.iter().copied().skip(skipped).collect()
}

async fn days(connection: &Connection, tenant: &TenantId) -> Result<Vec<Day>, StoreError> {
    let values = (tenant.as_str(), as_limit(DAYS));
    let rows: Vec<(i64, Option<i64>)> =
        connection.select(&connection.statements.inbox_days, values).await?;
    let day =
        |(number, last): (i64, Option<i64>)| Some(Day { number, last: Position::from_i64(last?)? });
    Ok(rows.into_iter().filter_map(day).collect())
}

/// All conversations of a day, by key.
async fn conversations(
    connection: &Connection,
    tenant: &TenantId,
    day: Day,
) -> Result<Vec<(Position, ConversationId)>, StoreError> {
    let mut found = Vec::new();
    let mut after = Vec::new();
    loop {
        let values = (tenant.as_str(), day.number, &after[..], as_limit(ROWS));
        let rows: Vec<(Vec<u8>, Option<i64>)> =
            connection.select(&connection.statements.inbox_rows, values).await?;
        let last = (rows.len() >= ROWS).then(|| rows.last().map(|(key, _)| key.clone())).flatten();
        found.extend(rows.into_iter().filter_map(|(key, position)| {
            let id = ConversationId::from_bytes(key.try_into().ok()?);
            Some((Position::from_i64(position?)?, id))
        }));
        match last {
            Some(last) => after = last,
            None => return Ok(found),
        }
    }
}

/// What a conversation has come to; `None` where no message of it is written yet.
async fn row_of(
    connection: &Connection,
    tenant: &TenantId,
    conversation: ConversationId,
) -> Result<Option<InboxRow>, StoreError> {
    let key = ConversationKey { tenant: tenant.clone(), id: conversation };
    let state = state(connection, &key).await?;
    Ok(state.last.is_some().then_some(InboxRow { conversation, state }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(number: u64) -> Position {
        Position::from_u64(number).unwrap()
    }

    #[test]
    fn days_that_lie_wholly_after_the_position_are_left_out() {
        let days: Vec<Day> = [(9, 90), (7, 70), (6, 65), (2, 20)]
            .map(|(number, last)| Day { number, last: position(last) })
            .into();
        let first = |before| remaining(&days, before).front().map(|day| day.number);
        assert_eq!(first(Position::MAX), Some(9));
        assert_eq!(
            first(position(66)),
            Some(9),
            "day 7 may hold something before 66, and so may day 9 by a wrong clock"
        );
        assert_eq!(first(position(65)), Some(7));
        assert_eq!(first(position(20)), Some(6));
        assert_eq!(first(position(1)), Some(6));
    }
}
