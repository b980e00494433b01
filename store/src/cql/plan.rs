//! The plan of an insert: which rows of which tables, grouped into batches of one partition each.
//! Pure.

use std::collections::BTreeMap;

use parlor_common::{
    conversation::ConversationKey,
    id::{ConversationId, VisitorId},
    planted::{self, Fault},
    position::Position,
    state::{ConversationState, LastMessage, OfVisitor, Reader, Register, Written},
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

use super::{bucket_of, written};
use crate::row::{Kept, Row};

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
    /// What was said last, and by which visitor where one said it.
    Last(&'a ConversationKey, &'a LastMessage, Option<&'a VisitorId>),
    /// Which visitor wrote, where somebody else has answered since.
    Visitor(&'a ConversationKey, &'a OfVisitor),
    Delivered {
        conversation: &'a ConversationKey,
        reader: Reader,
        up_to: Position,
    },
    Register(&'a ConversationKey, &'a Register, &'a Written),
    Person {
        conversation: &'a ConversationKey,
        email: &'a str,
        position: Position,
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

/// What a conversation's own partitions get of its rows.
#[derive(Default)]
struct Conversation<'a> {
    buckets: BTreeMap<i64, Position>,
    rows: Vec<&'a Row>,
}

/// Batches that may run in any order and at once. The writes of a batch have the same partition
/// key: those of `conversation_buckets`, `event_ids` and `conversations` share theirs and so go
/// together.
///
/// Of a conversation, a day, a bucket and a register only the last event is written, and a
/// conversation's last visitor: what else would be written loses against these.
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
        if row.is_activity {
            raise(inbox.entry((&key.tenant, day)).or_default(), key.id, row.position);
            raise(days.entry(&key.tenant).or_default(), day, row.position);
        }
    }
    let mut batches = Vec::new();
    for writes in messages.into_values() {
        split(&mut batches, writes, bound);
    }
    for (key, state) in &kept.states {
        let rows = conversations.remove(key).unwrap_or_default();
        split(&mut batches, rows.writes(key).chain(state_writes(key, state)), bound);
        for register in [Register::Email, Register::Email.proven()] {
            if let Some(Written { position, value: email }) = state.registers().get(&register)
                && !email.is_empty()
            {
                batches.push(vec![Write::Person { conversation: key, email, position: *position }]);
            }
        }
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

/// What the conversation's own row gets.
fn state_writes<'a>(
    conversation: &'a ConversationKey,
    state: &'a ConversationState,
) -> impl Iterator<Item = Write<'a>> {
    let (last, of_visitor) = (state.last.as_ref(), state.of_visitor.as_ref());
    let is_last = last.map(|last| last.position) == of_visitor.map(|last| last.position);
    let visitor = of_visitor.filter(|_| is_last).map(|last| &last.visitor);
    let last = last.map(|last| Write::Last(conversation, last, visitor));
    let earlier = of_visitor.filter(|_| !is_last);
    let registers = state.registers().iter().map(move |(register, written)| match register {
        Register::Delivered(reader) => {
            Write::Delivered { conversation, reader: *reader, up_to: written.position }
        }
        _ => Write::Register(conversation, register, written),
    });
    let earlier = earlier.map(|earlier| Write::Visitor(conversation, earlier));
    last.into_iter().chain(earlier).chain(registers)
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
    fn writes(self, conversation: &'a ConversationKey) -> impl Iterator<Item = Write<'a>> {
        let bucket = move |(bucket, position)| Write::Bucket { conversation, bucket, position };
        self.buckets.into_iter().map(bucket).chain(self.rows.into_iter().map(Write::EventId))
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
                Self::Last(_, last, _) => last.preview.len(),
                Self::Register(_, register, written) => {
                    register.to_string().len() + written.value.len()
                }
                Self::Person { email, .. } => email.len(),
                Self::Bucket { .. }
                | Self::EventId(_)
                | Self::Visitor(..)
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
            Self::Last(conversation, last, visitor) => {
                let (tenant, conversation) = key(conversation);
                let (position, at) = (last.position.as_i64(), last.at.as_millis());
                // Unset leaves the column alone; a null would delete the visitor whom an earlier
                // message named.
                let visitor =
                    MaybeUnset::from_option(visitor.map(|visitor| &visitor.as_bytes()[..]));
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
                let (preview, sender) = (&last.preview, last.sender.as_str());
                (tenant, conversation, position, at, preview, sender, visitor, timestamp)
                    .serialize(context, writer)
            }
            Self::Visitor(conversation, of_visitor) => {
                let (tenant, conversation) = key(conversation);
                let (position, visitor) =
                    (of_visitor.position.as_i64(), &of_visitor.visitor.as_bytes()[..]);
                (position, visitor, tenant, conversation).serialize(context, writer)
            }
            Self::Register(conversation, register, written) => {
                let (tenant, conversation) = key(conversation);
                let (position, text) = (written.position.as_i64(), written::text(written));
                (position, register.to_string(), text, tenant, conversation)
                    .serialize(context, writer)
            }
            Self::Person { conversation, email, position } => {
                let (tenant, conversation) = key(conversation);
                (tenant, email, conversation, position.as_i64()).serialize(context, writer)
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

    const BOUND: Bound = Bound { rows: 100, bytes: 40_960 };

    fn at(sequence: u64) -> Position {
        Position::new(Epoch::FIRST, sequence).unwrap()
    }

    fn key_of(conversation: u8) -> ConversationKey {
        ConversationKey {
            tenant: TenantId::parse("a").unwrap(),
            id: ConversationId::from_bytes([conversation; 16]),
        }
    }

    /// Adds a message, of a visitor or of an agent.
    fn add(kept: &mut Kept, conversation: u8, sequence: u64, bytes: usize, by_visitor: bool) {
        let (conversation, position) = (key_of(conversation), at(sequence));
        let state = kept.states.entry(conversation.clone()).or_default();
        let sender = if by_visitor { Sender::User } else { Sender::Agent };
        let at = Timestamp::from_millis(0);
        state.say(LastMessage { position, at, preview: String::new(), sender });
        if by_visitor {
            state.heard(OfVisitor { position, visitor: VisitorId::from_bytes([1; 16]) });
        }
        kept.rows.push(Row {
            conversation,
            position,
            id: EventId::from_bytes([0; 16]),
            record: Bytes::from(vec![0; bytes]),
            at,
            is_activity: true,
        });
    }

    fn mark(kept: &mut Kept, conversation: u8, reader: Reader, up_to: u64) {
        let state = kept.states.entry(key_of(conversation)).or_default();
        state.write(Register::Delivered(reader), at(up_to), String::new());
    }

    #[test]
    fn a_row_that_is_no_activity_is_in_no_inbox() {
        let mut kept = Kept::default();
        add(&mut kept, 1, 1, 10, true);
        kept.rows[0].is_activity = false;
        kept.states.values_mut().for_each(|state| *state = ConversationState::default());
        for write in plan(&kept, BOUND).into_iter().flatten() {
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
            Write::Bucket { conversation, .. }
            | Write::Delivered { conversation, .. }
            | Write::Last(conversation, ..)
            | Write::Visitor(conversation, _)
            | Write::Register(conversation, ..) => conversation.to_string(),
            Write::EventId(row) => row.conversation.to_string(),
            Write::Person { email, .. } => format!("person {email}"),
            Write::Inbox { tenant, day, .. } => format!("inbox {tenant} {day}"),
            Write::Day { tenant, .. } => format!("days {tenant}"),
        }
    }

    #[test]
    fn a_batch_is_of_one_partition_and_within_its_bound() {
        let sizes = [100, 33_000, 39_000, 50_000];
        let mut kept = Kept::default();
        for n in 1..=2_000_u64 {
            add(&mut kept, (n % 7) as u8, n << 12, sizes[(n % 4) as usize], n % 3 == 0);
        }
        for n in 1..=500_u64 {
            mark(&mut kept, (n % 7) as u8, Reader::ALL[(n % 2) as usize], n);
            let state = kept.states.get_mut(&key_of((n % 7) as u8)).unwrap();
            state.write(Register::Attribute(n.to_string()), at(n), "x".repeat(500));
            state.write(Register::Email, at(n), format!("{n}@example.com"));
        }
        for batch in plan(&kept, BOUND) {
            assert!(batch.iter().all(|write| partition(write) == partition(&batch[0])));
            assert!(batch.len() <= 100);
            let bytes: usize = batch.iter().map(Write::size).sum();
            assert!(bytes <= 40_960 || batch.len() == 1, "{bytes} bytes in {}", batch.len());
        }
    }

    #[test]
    fn every_message_and_id_is_written_and_of_the_rest_only_the_last() {
        let mut kept = Kept::default();
        (1..=250).rev().for_each(|n| add(&mut kept, 1, n, 10, n <= 200));
        [3, 9, 5].into_iter().for_each(|up_to| mark(&mut kept, 1, Reader::Agent, up_to));
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
        let last = |write: &Write<'_>| match write {
            Write::Last(_, last, visitor) => last.position == at(250) && visitor.is_none(),
            _ => false,
        };
        assert_eq!(count(last), 1);
        let of_visitor = |write: &Write<'_>| match write {
            Write::Visitor(_, of_visitor) => of_visitor.position == at(200),
            _ => false,
        };
        assert_eq!(count(of_visitor), 1);
        assert_eq!(
            count(|write| matches!(write, Write::Delivered { up_to, .. } if *up_to == at(9))),
            1
        );
        assert_eq!(writes.len(), 250 + 250 + 3 + 2 + 1);
    }
}
