//! The state of a conversation: what was said last in it, and the last values that its events
//! leave.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::register::{Reader, Register, Status};
use crate::{
    author::AuthorKind,
    clock::Timestamp,
    event::{
        Body, ChangeBody, DeliveredBody, DeskBody, Event, ProfileBody, RatingBody, ReadBody,
        StatusSet,
    },
    id::VisitorId,
    message::Sender,
    planted::{self, Fault},
    position::Position,
};

/// How many characters of the last message the state keeps.
pub const PREVIEW_CHARS: usize = 120;

/// What a conversation has come to. Applying its events in any order, any of them twice, ends in
/// the same state; and so does merging the states of parts of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationState {
    /// The last message.
    pub last: Option<LastMessage>,
    /// The last message that its visitor wrote.
    pub of_visitor: Option<OfVisitor>,
    registers: BTreeMap<Register, Written>,
}

/// The last message, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastMessage {
    /// Its position.
    pub position: Position,
    /// When it was accepted.
    pub at: Timestamp,
    /// Its first characters, [`PREVIEW_CHARS`] at most.
    pub preview: String,
    /// What its author is.
    pub sender: Sender,
}

/// The last message that the visitor wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfVisitor {
    /// Its position.
    pub position: Position,
    /// Whose conversation it is.
    pub visitor: VisitorId,
}

/// A register's value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// By the event at this position, or, for a mark, up to here.
    pub position: Position,
    /// What.
    pub value: String,
}

/// Who is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Waiting {
    /// The visitor has written last.
    Team,
    /// The team has.
    Visitor,
}

// === impl ConversationState ===

impl ConversationState {
    /// The state after this event as well.
    pub fn apply(&mut self, event: &Event) {
        let (position, author) = (event.position, &event.record.author);
        match &event.record.body {
            Body::Message(message) => {
                self.say(LastMessage {
                    position,
                    at: event.record.at,
                    preview: message.text.chars().take(PREVIEW_CHARS).collect(),
                    sender: Sender::of(author),
                });
                if author.kind == AuthorKind::Visitor
                    && let Ok(visitor) = VisitorId::parse(&author.id)
                {
                    self.heard(OfVisitor { position, visitor });
                }
            }
            Body::Delivered(DeliveredBody { reader, up_to, .. }) => {
                self.mark(Register::Delivered(*reader), *up_to);
            }
            Body::Read(ReadBody { agent, up_to }) => match agent {
                Some(agent) => self.mark(Register::ReadBy(agent.clone()), *up_to),
                None => self.mark(Register::ReadByVisitor, *up_to),
            },
            Body::Change(change) => self.change(position, change),
            Body::Profile(profile) => self.know(position, profile),
            Body::Rating(RatingBody { score, .. }) => {
                self.write(Register::Score, position, score.to_string());
            }
            Body::Desk(DeskBody { item, key, value }) => {
                let register = Register::Desk(item.as_str().to_owned(), key.clone());
                self.write(register, position, value.clone().unwrap_or_default());
            }
            Body::Note(_) | Body::Linked(_) | Body::Unknown => {}
        }
    }

    /// The state that the events of both have come to.
    pub fn merge(&mut self, other: Self) {
        let Self { last, of_visitor, registers } = other;
        last.into_iter().for_each(|last| self.say(last));
        of_visitor.into_iter().for_each(|of_visitor| self.heard(of_visitor));
        for (register, Written { position, value }) in registers {
            self.write(register, position, value);
        }
    }

    /// Writes a register, unless it was written at a higher position. A store reads it back by
    /// this.
    pub fn write(&mut self, register: Register, position: Position, value: String) {
        let written = self.registers.get(&register);
        // At the same position it is the same, but for two agents' marks, which have no value.
        let is_later = written.is_none_or(|written| written.position < position);
        if is_later || planted::is(Fault::LastComerStays) {
            self.registers.insert(register, Written { position, value });
        }
    }

    /// Takes a message, unless a later one is known.
    pub fn say(&mut self, message: LastMessage) {
        if self.last.as_ref().is_none_or(|last| last.position < message.position) {
            self.last = Some(message);
        }
    }

    /// Takes a message of the visitor, unless a later one is known.
    pub fn heard(&mut self, message: OfVisitor) {
        if self.of_visitor.is_none_or(|last| last.position < message.position) {
            self.of_visitor = Some(message);
        }
    }

    fn mark(&mut self, register: Register, up_to: Position) {
        // A mark at nothing is none.
        if up_to > Position::ZERO {
            self.write(register, up_to, String::new());
        }
    }

    fn change(&mut self, position: Position, change: &ChangeBody) {
        let ChangeBody { status, assignee, team, labels } = change;
        if let Some(StatusSet { is, until }) = status {
            let until = until.map(|until| format!(" {}", until.as_millis())).unwrap_or_default();
            self.write(Register::Status, position, format!("{}{until}", is.as_str()));
        }
        for (register, value) in [(Register::Assignee, assignee), (Register::Team, team)] {
            if let Some(value) = value {
                self.write(register, position, value.clone().unwrap_or_default());
            }
        }
        for (label, is_there) in labels {
            let value = if *is_there { "1" } else { "" };
            self.write(Register::Label(label.clone()), position, value.to_owned());
        }
    }

    fn know(&mut self, position: Position, profile: &ProfileBody) {
        for (register, value) in said(profile) {
            self.write(register, position, value);
        }
    }

    // === what it says ===

    /// Every register that was written.
    pub const fn registers(&self) -> &BTreeMap<Register, Written> {
        &self.registers
    }

    /// How far a reader's clients have received the conversation; [`Position::ZERO`] before the
    /// first mark.
    pub fn delivered(&self, reader: Reader) -> Position {
        self.marked(&Register::Delivered(reader))
    }

    /// How far the visitor has read it; [`Position::ZERO`] before the first mark.
    pub fn read_by_visitor(&self) -> Position {
        self.marked(&Register::ReadByVisitor)
    }

    /// How far this agent has read it; [`Position::ZERO`] before the first mark.
    pub fn read_by(&self, agent: &str) -> Position {
        self.marked(&Register::ReadBy(agent.to_owned()))
    }

    /// How far each agent has read it.
    pub fn readers(&self) -> impl Iterator<Item = (&str, Position)> {
        self.registers.iter().filter_map(|(register, written)| match register {
            Register::ReadBy(agent) => Some((agent.as_str(), written.position)),
            _ => None,
        })
    }

    /// The status at `now`, and when it ends by itself: as it was set last, but open once the
    /// visitor has written after that, or its time has passed. So nobody appends a reopening.
    pub fn status(&self, now: Timestamp) -> (Status, Option<Timestamp>) {
        let Some(set) = self.registers.get(&Register::Status) else { return (Status::Open, None) };
        let mut words = set.value.split(' ');
        let is = words.next().and_then(Status::parse).unwrap_or_default();
        let until = words.next().and_then(|until| until.parse().ok()).map(Timestamp::from_millis);
        let is_over = until.is_some_and(|until| until <= now);
        let was_written_to = self.of_visitor.is_some_and(|last| last.position > set.position);
        if is_over || was_written_to { (Status::Open, None) } else { (is, until) }
    }

    /// Where its status was set last; `None` where it never was.
    pub fn status_set(&self) -> Option<Position> {
        self.registers.get(&Register::Status).map(|set| set.position)
    }

    /// Who is awaited; nobody before the first message.
    pub fn waiting(&self) -> Option<Waiting> {
        self.last.as_ref().map(|last| match last.sender {
            Sender::User => Waiting::Team,
            Sender::Agent | Sender::Bot => Waiting::Visitor,
        })
    }

    /// Whether the visitor has written what no agent has read.
    pub fn is_unread(&self) -> bool {
        self.is_unread_after(self.readers().map(|(_, up_to)| up_to).max().unwrap_or_default())
    }

    /// Whether the visitor has written what this agent has not read.
    pub fn is_unread_by(&self, agent: &str) -> bool {
        self.is_unread_after(self.read_by(agent))
    }

    fn is_unread_after(&self, up_to: Position) -> bool {
        self.of_visitor.is_some_and(|last| last.position > up_to)
    }

    /// The value of a register that was written and not emptied. What the tenant says of the
    /// visitor goes before what was claimed, whichever came later.
    pub fn value(&self, register: &Register) -> Option<&str> {
        self.written(&register.clone().proven()).or_else(|| self.written(register))
    }

    /// Whether the value of this register is the tenant's word.
    pub fn is_proven(&self, register: &Register) -> bool {
        self.written(&register.clone().proven()).is_some()
    }

    /// Whether it has all that a profile says, in the registers that the profile would write.
    pub fn knows(&self, profile: &ProfileBody) -> bool {
        said(profile).iter().all(|(register, value)| {
            self.registers.get(register).map_or("", |written| written.value.as_str()) == value
        })
    }

    /// Where the tenant's word was written last; [`Position::ZERO`] where it never was.
    pub fn proven_at(&self) -> Position {
        let proven = self.registers.iter().filter(|(of, _)| matches!(of, Register::Proven(_)));
        proven.map(|(_, written)| written.position).max().unwrap_or_default()
    }

    fn written(&self, register: &Register) -> Option<&str> {
        let value = self.registers.get(register)?.value.as_str();
        (!value.is_empty()).then_some(value)
    }

    /// Its labels, in order.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.registers.iter().filter_map(|(register, written)| match register {
            Register::Label(label) if !written.value.is_empty() => Some(label.as_str()),
            _ => None,
        })
    }

    /// What else is known of the visitor, by name.
    pub fn attributes(&self) -> BTreeMap<&str, &str> {
        let named = |wants_proven| {
            self.registers.iter().filter_map(move |(register, written)| {
                let (register, is_proven) = match register {
                    Register::Proven(of) => (&**of, true),
                    register => (register, false),
                };
                let Register::Attribute(name) = register else { return None };
                let value = written.value.strip_prefix('=')?;
                (is_proven == wants_proven).then_some((name.as_str(), value))
            })
        };
        named(false).chain(named(true)).collect()
    }

    /// The things on a desk: kind, key and value.
    pub fn desk(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.registers.iter().filter_map(|(register, written)| match register {
            Register::Desk(item, key) if !written.value.is_empty() => {
                Some((item.as_str(), key.as_str(), written.value.as_str()))
            }
            _ => None,
        })
    }

    fn marked(&self, register: &Register) -> Position {
        self.registers.get(register).map(|written| written.position).unwrap_or_default()
    }
}

/// The registers that a profile writes, and what into each.
fn said(profile: &ProfileBody) -> Vec<(Register, String)> {
    let ProfileBody { name, email, locale, attributes, proven } = profile;
    let fields = [(Register::Name, name), (Register::Email, email), (Register::Locale, locale)];
    let fields = fields.into_iter().filter_map(|(register, value)| {
        value.as_ref().map(|value| (register, value.clone().unwrap_or_default()))
    });
    let attributes = attributes.iter().map(|(name, value)| {
        let value = value.as_ref().map(|value| format!("={value}")).unwrap_or_default();
        (Register::Attribute(name.clone()), value)
    });
    let of = |register: Register| if *proven { register.proven() } else { register };
    fields.chain(attributes).map(|(register, value)| (of(register), value)).collect()
}

#[cfg(test)]
mod tests;
