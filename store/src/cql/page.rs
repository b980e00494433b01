//! Pages of a conversation, by key: bucket by bucket, over those that hold messages.
//!
//! The bucket beside the page's bound is read while the list of buckets is, so that a page within
//! it takes the time of one query. Each listed bucket holds a message, so a page takes no more
//! queries than it has messages, and a few.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use parlor_common::{
    conversation::ConversationKey,
    event::{Audience, Event},
    id::EventId,
    position::Position,
};

use super::{BUCKET_BITS, as_limit, bucket_of, connection::Connection};
use crate::{Page, PageRange, StoreError, row};

/// Position and record.
type MessageRow = (i64, Option<Bytes>);

/// Buckets of one query of the list.
const BUCKETS: usize = 32;
/// Buckets that are read at once. Each may bring a whole page, of which only what is missing is
/// kept.
const AT_ONCE: usize = 4;
/// Rows of one query: of the largest records, 33 MiB.
const ROWS: usize = 1_000;

/// A page, in rising order.
pub(super) async fn page(
    connection: &Connection,
    conversation: &ConversationKey,
    audience: Audience,
    range: PageRange,
    limit: usize,
) -> Result<Page, StoreError> {
    let walk = Walk { connection, conversation, audience, range };
    let mut events = walk.collect(limit.saturating_add(1)).await?;
    let more = events.len() > limit;
    events.truncate(limit);
    events.sort_by_key(|event| event.position);
    Ok(Page { events, more })
}

/// The event with an id: where its first position is known and the row is there.
pub(super) async fn find(
    connection: &Connection,
    conversation: &ConversationKey,
    id: &EventId,
) -> Result<Option<Event>, StoreError> {
    let (tenant, key) = (conversation.tenant.as_str(), &conversation.id.as_bytes()[..]);
    let statements = &connection.statements;
    let positions =
        connection.select(&statements.position_of, (tenant, key, &id.as_bytes()[..])).await?;
    let Some(&(position,)): Option<&(i64,)> = positions.first() else { return Ok(None) };
    let bucket = position >> BUCKET_BITS;
    let rows = connection.select(&statements.message_at, (tenant, key, bucket, position)).await?;
    Ok(rows.into_iter().find_map(|row| decode(connection, conversation, row)))
}

/// A walk over a conversation from a bound, down or up.
#[derive(Clone, Copy)]
struct Walk<'a> {
    connection: &'a Connection,
    conversation: &'a ConversationKey,
    audience: Audience,
    range: PageRange,
}

// === impl Walk ===

impl Walk<'_> {
    /// The first `wanted` events on the way, or all there are.
    async fn collect(self, wanted: usize) -> Result<Vec<Event>, StoreError> {
        let (edge, at_the_end) = match self.range {
            PageRange::Before(bound) => (bucket_of(bound.before()), bound == Position::MAX),
            PageRange::After(bound) => (bucket_of(bound), bound == Position::ZERO),
        };
        let (mut events, mut buckets) = if at_the_end {
            (Vec::new(), self.buckets(edge).await?)
        } else {
            futures_util::try_join!(self.bucket(edge, wanted), self.buckets(self.beyond(edge)))?
        };
        while let Some(&last) = buckets.last() {
            self.read(&buckets, wanted, &mut events).await?;
            if events.len() >= wanted || buckets.len() < BUCKETS {
                break;
            }
            buckets = self.buckets(self.beyond(last)).await?;
        }
        events.truncate(wanted);
        Ok(events)
    }

    /// Adds the events of these buckets, in their order, until there are enough.
    async fn read(
        self,
        buckets: &[i64],
        wanted: usize,
        events: &mut Vec<Event>,
    ) -> Result<(), StoreError> {
        let mut rest = buckets;
        while !rest.is_empty() && events.len() < wanted {
            // The first one is mostly enough. Where it was not, the conversation is sparse, and so
            // are the next ones.
            let count = if events.is_empty() { 1 } else { AT_ONCE.min(rest.len()) };
            let (group, others) = rest.split_at(count);
            let missing = wanted - events.len();
            let reads = stream::iter(group.to_vec())
                .map(|bucket| self.bucket(bucket, missing))
                .buffered(AT_ONCE);
            let found: Vec<Vec<Event>> = reads.try_collect().await?;
            events.extend(found.into_iter().flatten());
            rest = others;
        }
        Ok(())
    }

    /// The first `wanted` events of a bucket on the way. A row that is skipped, or not this
    /// audience's, makes room for the next one.
    async fn bucket(self, bucket: i64, wanted: usize) -> Result<Vec<Event>, StoreError> {
        let (tenant, key) = self.key();
        let statements = &self.connection.statements;
        let (statement, mut bound) = match self.range {
            PageRange::Before(bound) => (&statements.messages_before, bound.as_i64()),
            PageRange::After(bound) => (&statements.messages_after, bound.as_i64()),
        };
        let mut events = Vec::new();
        loop {
            let limit = ROWS.min(wanted.saturating_sub(events.len()));
            let rows = self
                .connection
                .select(statement, (tenant, key, bucket, bound, as_limit(limit)))
                .await?;
            let (count, last) =
                (rows.len(), rows.last().map(|&(position, _): &MessageRow| position));
            let kept =
                rows.into_iter().filter_map(|row| decode(self.connection, self.conversation, row));
            events.extend(kept.filter(|event| event.record.body.in_timeline(self.audience)));
            match last {
                Some(last) if count >= limit && events.len() < wanted => bound = last,
                _ => return Ok(events),
            }
        }
    }

    /// Some buckets that hold messages, from `edge` on.
    async fn buckets(self, edge: i64) -> Result<Vec<i64>, StoreError> {
        let (tenant, key) = self.key();
        let statement = match self.range {
            PageRange::Before(_) => &self.connection.statements.buckets_down,
            PageRange::After(_) => &self.connection.statements.buckets_up,
        };
        let rows =
            self.connection.select(statement, (tenant, key, edge, as_limit(BUCKETS))).await?;
        Ok(rows.into_iter().map(|(bucket,): (i64,)| bucket).collect())
    }

    /// The first bucket on the way after this one.
    const fn beyond(self, bucket: i64) -> i64 {
        match self.range {
            PageRange::Before(_) => bucket.saturating_sub(1),
            PageRange::After(_) => bucket.saturating_add(1),
        }
    }

    fn key(&self) -> (&str, &[u8]) {
        (self.conversation.tenant.as_str(), self.conversation.id.as_bytes())
    }
}

/// A row without its record is what a late write leaves of a deleted one: it is not there.
fn decode(
    connection: &Connection,
    conversation: &ConversationKey,
    (position, record): MessageRow,
) -> Option<Event> {
    row::decode(conversation, Position::from_i64(position)?, record?, &connection.metrics)
}
