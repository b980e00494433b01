//! The plan of an insert: which rows of which tables, grouped into batches of one partition each.
//! Pure.

use std::collections::BTreeMap;

use parlor_common::{
    conversation::ConversationKey,
    id::ConversationId,
    planted::{self, Fault},
    position::Position,
    state::Reader,
    tenant::TenantId,
};
use scylla::{
    errors::SerializationError,
    serialize::{
        row::{RowSerializationContext, SerializeRow},
        writers::RowWriter,
    },
    value::MaybeUnset,
};

use super::bucket_of;
use crate::row::{Kept, Row, sender_text};

/// How much one batch may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// One upsert. One of its bound values is its write timestamp: the position of the event it comes
/// from, or a mark's own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Write<'a> {
    Message(&'a Row),
    Bucket {
        conversation: &'a ConversationKey,
        bucket: i64,
        position: Position,
    },
    EventId(&'a Row),
    /// The row, and what the inbox shows of it.
    Conversation(&'a Row, &'a str),
    Delivered {
        conversation: &'a ConversationKey,
        reader: Reader,
        up_to: Position,
    },
    Inbox {
        tenant: &'a TenantId,
        day: i64,
        conversation: ConversationId,
        position: Position,
    },
    Day {
        tenant: &'a TenantId,
        day: i64,
        position: Position,
    },
}

/// What a conversation's own partitions get.
#[derive(Default)]
struct Conversation<'a> {
    buckets: BTreeMap<i64, Position>,
    rows: Vec<&'a Row>,
    delivered: BTreeMap<Reader, Position>,
}

/// Batches that may run in any order and at once. The writes of a batch have the same partition
/// key: those of `conversation_buckets`, `event_ids` and `conversations` share theirs and so go
/// together.
///
/// Of a conversation, a day, a bucket and a reader only the last event is written, and a
/// conversation's last visitor-authored one: what else would be written loses against these.
pub(super) fn plan(kept: &Kept, bound: Bound) -> Vec<Vec<Write<'_>>> {
    let mut messages: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut conversations: BTreeMap<_, Conversation<'_>> = BTreeMap::new();
    let mut inbox: BTreeMap<_, BTreeMap<ConversationId, Position>> = BTreeMap::new();
    let mut days: BTreeMap<_, BTreeMap<i64, Position>> = BTreeMap::new();
    for row in &kept.rows {
        let (key, day, bucket) = (&row.conversation, row.at.day(), bucket_of(row.position));
        messages.entry((key, bucket)).or_default().push(Write::Message(row));
        let conversation = conversations.entry(key).or_default();
        conversation.rows.push(row);
        raise(&mut conversation.buckets, bucket, row.position);
        if row.preview.is_some() {
            raise(inbox.entry((&key.tenant, day)).or_default(), key.id, row.position);
            raise(days.entry(&key.tenant).or_default(), day, row.position);
        }
    }
    for mark in &kept.marks {
        let conversation = conversations.entry(&mark.conversation).or_default();
        raise(&mut conversation.delivered, mark.reader, mark.up_to);
    }
    let mut batches = Vec::new();
    for writes in messages.into_values() {
        split(&mut batches, writes, bound);
    }
    for (key, conversation) in conversations {
        split(&mut batches, conversation.writes(key), bound);
    }
    for ((tenant, day), last) in inbox {
        let write = |(conversation, position)| Write::Inbox { tenant, day, conversation, position };
        split(&mut batches, last.into_iter().map(write), bound);
    }
    for (tenant, last) in days {
        let write = |(day, position)| Write::Day { tenant, day, position };
        split(&mut batches, last.into_iter().map(write), bound);
    }
    batches
}

/// Keeps the highest position for a key.
fn raise<K: Ord>(highest: &mut BTreeMap<K, Position>, key: K, position: Position) {
    let known = highest.entry(key).or_default();
    *known = position.max(*known);
}

/// Cuts the writes of a partition into batches within the bound; a write over it goes alone.
fn split<'a>(
    batches: &mut Vec<Vec<Write<'a>>>,
    writes: impl IntoIterator<Item = Write<'a>>,
    bound: Bound,
) {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for write in writes {
        let size = write.size();
        if !batch.is_empty() && (batch.len() == bound.rows || bytes + size > bound.bytes) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        batch.push(write);
        bytes += size;
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
}

// === impl Conversation ===

impl<'a> Conversation<'a> {
    fn writes(&self, conversation: &'a ConversationKey) -> Vec<Write<'a>> {
        let bucket = |(&bucket, &position)| Write::Bucket { conversation, bucket, position };
        let delivered = |(&reader, &up_to)| Write::Delivered { conversation, reader, up_to };
        let active = || self.rows.iter().filter_map(|&row| Some((row, row.preview.as_deref()?)));
        let last = active().max_by_key(|(row, _)| row.position);
        let visitors = active().filter(|(row, _)| row.visitor.is_some());
        let last_of_visitor = visitors.max_by_key(|(row, _)| row.position);
        let position = |(row, _): (&Row, &str)| row.position;
        let only_last = last.map(position) == last_of_visitor.map(position);
        let mut writes: Vec<_> = self.buckets.iter().map(bucket).collect();
        writes.extend(self.rows.iter().copied().map(Write::EventId));
        writes.extend(
            last_of_visitor
                .filter(|_| !only_last)
                .into_iter()
                .chain(last)
                .map(|(row, preview)| Write::Conversation(row, preview)),
        );
        writes.extend(self.delivered.iter().map(delivered));
        writes
    }
}

// === impl Write ===

impl Write<'_> {
    /// At least what the write takes in a batch: its values and some room for what names them.
    fn size(&self) -> usize {
        const NAMES: usize = 256;
        NAMES
            + match self {
                Self::Message(row) => row.record.len(),
                Self::Conversation(_, preview) => preview.len(),
                Self::Bucket { .. }
                | Self::EventId(_)
                | Self::Delivered { .. }
                | Self::Inbox { .. }
                | Self::Day { .. } => 0,
            }
    }
}

impl SerializeRow for Write<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        match *self {
            Self::Message(row) => {
                let (tenant, conversation) = key(&row.conversation);
                let (position, id, record) =
                    (row.position.as_i64(), &row.id.as_bytes()[..], &row.record[..]);
                let bucket = bucket_of(row.position);
                (tenant, conversation, bucket, position, id, record, position)
                    .serialize(context, writer)
            }
            Self::Bucket { conversation, bucket, position } => {
                let (tenant, conversation) = key(conversation);
                (tenant, conversation, bucket, position.as_i64()).serialize(context, writer)
            }
            Self::EventId(row) => {
                let (tenant, conversation) = key(&row.conversation);
                let (position, id) = (row.position.as_i64(), &row.id.as_bytes()[..]);
                (tenant, conversation, id, position, position).serialize(context, writer)
            }
            Self::Conversation(row, preview) => {
                let (tenant, conversation) = key(&row.conversation);
                let (position, at) = (row.position.as_i64(), row.at.as_millis());
                // Unset leaves the column alone; a null would delete the visitor whom an earlier
                // message named.
                let visitor = MaybeUnset::from_option(
                    row.visitor.as_ref().map(|visitor| &visitor.as_bytes()[..]),
                );
                let visitor = match visitor {
                    MaybeUnset::Unset if planted::is(Fault::NullForUnset) => MaybeUnset::Set(None),
                    MaybeUnset::Unset => MaybeUnset::Unset,
                    MaybeUnset::Set(visitor) => MaybeUnset::Set(Some(visitor)),
                };
                // Unset is the time of the write.
                let timestamp = match planted::is(Fault::NoWriteTimestamp) {
                    true => MaybeUnset::Unset,
                    false => MaybeUnset::Set(position),
                };
                let sender = sender_text(row.sender);
                (tenant, conversation, position, at, preview, sender, visitor, timestamp)
                    .serialize(context, writer)
            }
            Self::Delivered { conversation, reader, up_to } => {
                let (tenant, conversation) = key(conversation);
                let up_to = up_to.as_i64();
                (up_to, reader.as_str(), up_to, tenant, conversation).serialize(context, writer)
            }
            Self::Inbox { tenant, day, conversation, position } => {
                let (conversation, position) = (&conversation.as_bytes()[..], position.as_i64());
                (tenant.as_str(), day, conversation, position, position).serialize(context, writer)
            }
            Self::Day { tenant, day, position } => {
                let position = position.as_i64();
                (tenant.as_str(), day, position, position).serialize(context, writer)
            }
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

fn key(conversation: &ConversationKey) -> (&str, &[u8]) {
    (conversation.tenant.as_str(), conversation.id.as_bytes())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use parlor_common::{
        clock::Timestamp,
        id::{EventId, VisitorId},
        message::Sender,
        position::Epoch,
    };

    use super::*;
    use crate::row::Mark;

    const BOUND: Bound = Bound { rows: 100, bytes: 40_960 };

    fn at(sequence: u64) -> Position {
        Position::new(Epoch::FIRST, sequence).unwrap()
    }

    fn row(conversation: u8, sequence: u64, bytes: usize) -> Row {
        Row {
            conversation: ConversationKey {
                tenant: TenantId::parse("a").unwrap(),
                id: ConversationId::from_bytes([conversation; 16]),
            },
            position: at(sequence),
            id: EventId::from_bytes([0; 16]),
            record: Bytes::from(vec![0; bytes]),
            at: Timestamp::from_millis(0),
            preview: Some(String::new()),
            sender: Sender::User,
            visitor: Some(VisitorId::from_bytes([1; 16])),
        }
    }

    fn mark(conversation: u8, reader: Reader, up_to: u64) -> Mark {
        let Row { conversation, .. } = row(conversation, 1, 0);
        Mark { conversation, reader, up_to: at(up_to) }
    }

    #[test]
    fn a_row_that_is_no_activity_is_in_no_inbox() {
        let rows = vec![Row { preview: None, ..row(1, 1, 10) }];
        for write in plan(&Kept { rows, marks: Vec::new() }, BOUND).into_iter().flatten() {
            assert!(
                matches!(write, Write::Message(_) | Write::Bucket { .. } | Write::EventId(_)),
                "{write:?}"
            );
        }
    }

    /// What shares a partition, by the conversation or else by what it is.
    fn partition(write: &Write<'_>) -> String {
        match write {
            Write::Message(row) => {
                format!("message {} {}", row.conversation, bucket_of(row.position))
            }
            Write::Bucket { conversation, .. } | Write::Delivered { conversation, .. } => {
                conversation.to_string()
            }
            Write::EventId(row) | Write::Conversation(row, _) => row.conversation.to_string(),
            Write::Inbox { tenant, day, .. } => format!("inbox {tenant} {day}"),
            Write::Day { tenant, .. } => format!("days {tenant}"),
        }
    }

    #[test]
    fn a_batch_is_of_one_partition_and_within_its_bound() {
        let sizes = [100, 33_000, 39_000, 50_000];
        let rows: Vec<Row> =
            (1..=2_000).map(|n| row((n % 7) as u8, n << 12, sizes[(n % 4) as usize])).collect();
        let marks = (1..=500).map(|n| mark((n % 7) as u8, Reader::ALL[(n % 2) as usize], n));
        let kept = Kept { rows, marks: marks.collect() };
        for batch in plan(&kept, BOUND) {
            assert!(batch.iter().all(|write| partition(write) == partition(&batch[0])));
            assert!(batch.len() <= 100);
            let bytes: usize = batch.iter().map(Write::size).sum();
            assert!(bytes <= 40_960 || batch.len() == 1, "{bytes} bytes in {}", batch.len());
        }
    }

    #[test]
    fn every_message_and_id_is_written_and_of_the_rest_only_the_last() {
        let mut rows: Vec<Row> = (1..=250).map(|sequence| row(1, sequence, 10)).collect();
        for row in &mut rows[200..] {
            row.visitor = None;
        }
        rows.reverse();
        let marks = [3, 9, 5].map(|up_to| mark(1, Reader::Agent, up_to)).to_vec();
        let kept = Kept { rows, marks };
        let writes: Vec<Write<'_>> = plan(&kept, BOUND).into_iter().flatten().collect();
        let count =
            |wanted: fn(&Write<'_>) -> bool| writes.iter().filter(|write| wanted(write)).count();
        assert_eq!(count(|write| matches!(write, Write::Message(_))), 250);
        assert_eq!(count(|write| matches!(write, Write::EventId(_))), 250);
        assert_eq!(
            count(|write| matches!(write, Write::Bucket { position, .. } if *position == at(250))),
            1
        );
        assert_eq!(
            count(|write| matches!(write, Write::Inbox { position, .. } if *position == at(250))),
            1
        );
        assert_eq!(
            count(|write| matches!(write, Write::Day { position, .. } if *position == at(250))),
            1
        );
        let last: Vec<_> = writes
            .iter()
            .filter_map(|write| match write {
                Write::Conversation(row, _) => Some(row.position),
                Write::Message(_)
                | Write::EventId(_)
                | Write::Bucket { .. }
                | Write::Delivered { .. }
                | Write::Inbox { .. }
                | Write::Day { .. } => None,
            })
            .collect();
        assert_eq!(last, [at(200), at(250)], "the last a visitor wrote, and the last");
        assert_eq!(
            count(|write| matches!(write, Write::Delivered { up_to, .. } if *up_to == at(9))),
            1
        );
        assert_eq!(writes.len(), 250 + 250 + 3 + 2 + 1);
    }
}
