//! The truth: what the log was given, as the judges know it.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use parlor_common::{
    conversation::ConversationKey,
    event::{Body, Record},
    id::{EventId, SessionId},
    position::{Epoch, Position},
};
use parlor_log::{Entry, Filter};

/// Everything that was accepted, and how much of it log and store hold.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) entries: Vec<Entry>,
    /// So many entries were let go of by the log.
    pub(crate) trimmed: usize,
    /// So many entries are in the store, and acknowledged.
    pub(crate) persisted: usize,
    /// So many entries have reached the tails.
    pub(crate) delivered: usize,
    ids: HashMap<EventId, Position>,
    conversations: HashMap<ConversationKey, Vec<usize>>,
    marks: HashMap<ConversationKey, Vec<(usize, Position)>>,
    /// By the number in its text.
    said: HashMap<u64, Said>,
    /// The positions of messages: of a tenant, of a conversation, and by agents in it.
    lists: HashMap<List, Vec<Position>>,
    /// How far the visitor of a conversation has acknowledged what it was shown.
    pub(crate) acknowledged: HashMap<ConversationKey, Position>,
}

/// A message that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) position: Position,
    pub(crate) conversation: ConversationKey,
    pub(crate) by_agent: bool,
    pub(crate) session: Option<SessionId>,
}

/// Whose messages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum List {
    Tenant(String),
    Conversation(ConversationKey),
    ByAgents(ConversationKey),
}

// === impl Truth ===

impl Truth {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            trimmed: 0,
            persisted: 0,
            delivered: 0,
            ids: HashMap::new(),
            conversations: HashMap::new(),
            marks: HashMap::new(),
            said: HashMap::new(),
            lists: HashMap::new(),
            acknowledged: HashMap::new(),
        }
    }

    /// Appends a record, unless its id is there. `hole` positions before it stay empty.
    pub(crate) fn append(
        &mut self,
        conversation: &ConversationKey,
        record: &Record,
        hole: u64,
    ) -> (Position, bool) {
        if let Some(&position) = self.ids.get(&record.id) {
            return (position, true);
        }
        let position = Position::new(Epoch::FIRST, self.end().sequence() + 1 + hole).unwrap();
        self.ids.insert(record.id, position);
        self.conversations.entry(conversation.clone()).or_default().push(self.entries.len());
        match &record.body {
            Body::Message(message) => {
                let by_agent = record.author.kind != parlor_common::author::AuthorKind::Visitor;
                let number = number_of(&message.text).expect("every text has its number");
                let (session, conversation) = (record.session, conversation.clone());
                let said = Said { position, conversation, by_agent, session };
                self.lists_of(&said);
                let before = self.said.insert(number, said);
                assert!(before.is_none(), "message {number} was accepted under two ids");
            }
            Body::Delivered(mark) => {
                let marks = self.marks.entry(conversation.clone()).or_default();
                marks.push((self.entries.len(), mark.up_to));
            }
            _ => {}
        }
        let record: Bytes = record.encode().unwrap();
        let (stored_at, conversation) = (Default::default(), conversation.clone());
        self.entries.push(Entry { conversation, position, stored_at, record });
        (position, false)
    }

    fn lists_of(&mut self, said: &Said) {
        let Said { position, conversation, by_agent, .. } = said;
        let mut lists = vec![
            List::Tenant(conversation.tenant.to_string()),
            List::Conversation(conversation.clone()),
        ];
        if *by_agent {
            lists.push(List::ByAgents(conversation.clone()));
        }
        for list in lists {
            self.lists.entry(list).or_default().push(*position);
        }
    }

    /// The last position that was given.
    pub(crate) fn end(&self) -> Position {
        self.entries.last().map_or(Epoch::FIRST.start(), |entry| entry.position)
    }

    /// Everything after this position is in the log.
    pub(crate) fn start(&self) -> Position {
        self.position_before(self.trimmed)
    }

    /// The position of the last of the first `count` entries.
    pub(crate) fn position_before(&self, count: usize) -> Position {
        let last = count.checked_sub(1).and_then(|index| self.entries.get(index));
        last.map_or(Epoch::FIRST.start(), |entry| entry.position)
    }

    pub(crate) fn said(&self, number: u64) -> Option<&Said> {
        self.said.get(&number)
    }

    /// The messages of a list after a position, in order.
    pub(crate) fn after(&self, list: &List, after: Position) -> &[Position] {
        let all = self.lists.get(list).map_or(&[][..], Vec::as_slice);
        &all[all.partition_point(|position| *position <= after)..]
    }

    /// The first message of a list after a position that is not among `shown`.
    pub(crate) fn next(
        &self,
        list: &List,
        after: Position,
        shown: &HashSet<Position>,
    ) -> Option<Position> {
        self.after(list, after).iter().copied().find(|position| !shown.contains(position))
    }

    /// The entries that pass a filter, after a position, among the first `count`.
    pub(crate) fn pass<'a>(
        &'a self,
        filter: &'a Filter,
        after: Position,
        count: usize,
    ) -> Box<dyn Iterator<Item = &'a Entry> + 'a> {
        match filter {
            Filter::Conversation(key) => {
                let of = self.conversations.get(key).map_or(&[][..], Vec::as_slice);
                let at = of.partition_point(|index| self.entries[*index].position <= after);
                let within = of[at..].iter().take_while(move |index| **index < count);
                Box::new(within.map(|index| &self.entries[*index]))
            }
            Filter::Tenant(_) => {
                let at = self.entries.partition_point(|entry| entry.position <= after);
                let within = self.entries[at..count.max(at)].iter();
                Box::new(within.filter(|entry| filter.passes(&entry.conversation)))
            }
        }
    }

    /// The highest delivered mark among the first `count` entries.
    pub(crate) fn mark(&self, key: &ConversationKey, count: usize) -> Position {
        let marks = self.marks.get(key).into_iter().flatten();
        let within = marks.filter(|(index, _)| *index < count).map(|(_, up_to)| *up_to);
        within.max().unwrap_or(Position::ZERO)
    }
}

/// The number in the text of a message, by which it is known everywhere.
pub(crate) fn number_of(text: &str) -> Option<u64> {
    text.strip_prefix('m')?.parse().ok()
}

/// The number of the message that a frame shows.
pub(crate) fn number_within(frame: &str) -> Option<u64> {
    let (_, rest) = frame.split_once("\"text\":\"m")?;
    rest.split_once('"')?.0.parse().ok()
}
