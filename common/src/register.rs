//! Registers: the last values of a conversation, each known by a name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A last value of a conversation. Of two that are written, the one at the higher position stays.
///
/// A mark is at the position that it marks, so that it only rises; every other is at its event's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// How far a reader's clients have received the conversation.
    Delivered(Reader),
    /// How far the visitor has read it.
    ReadByVisitor,
    /// How far an agent has read it, by the `sub` of the agent's token.
    ReadBy(String),
    /// The status that was set last, as `StatusSet` writes it.
    Status,
    /// Who takes care of it; empty for nobody.
    Assignee,
    /// The team that takes care of it; empty for none.
    Team,
    /// Whether it has a label: `1`, or empty.
    Label(String),
    /// The visitor's name; empty where it was removed.
    Name,
    /// The visitor's e-mail address; empty where it was removed.
    Email,
    /// The visitor's language; empty where it was removed.
    Locale,
    /// Anything else of the visitor: `=` and the value; empty where it was removed.
    Attribute(String),
    /// The score of the last rating.
    Score,
    /// A thing on the tenant's desk, by its kind and key: a JSON object, or empty where it is gone.
    Desk(String, String),
    /// What the tenant says of the visitor, instead of what was claimed: one of the four above.
    Proven(Box<Self>),
}

/// Whose reading a mark tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reader {
    /// The conversation's visitor.
    Visitor,
    /// The tenant's agents, as one.
    Agent,
}

/// Whether somebody still has to do something about a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Somebody does.
    #[default]
    Open,
    /// Nobody does before a certain time.
    Snoozed,
    /// Nobody does.
    Closed,
}

// === impl Register ===

impl Register {
    /// Reads what [`Display`](fmt::Display) shows; `None` for one of a later version.
    pub fn parse(name: &str) -> Option<Self> {
        let known = [
            Self::Delivered(Reader::Visitor),
            Self::Delivered(Reader::Agent),
            Self::ReadByVisitor,
            Self::Status,
            Self::Assignee,
            Self::Team,
            Self::Name,
            Self::Email,
            Self::Locale,
            Self::Score,
        ];
        let of = |prefix: &str| name.strip_prefix(prefix).map(ToOwned::to_owned);
        if let Some(of) = name.strip_prefix("proven/") {
            return Self::parse_claim(of).map(Self::proven);
        }
        None.or_else(|| of("read/agent/").map(Self::ReadBy))
            .or_else(|| of("label/").map(Self::Label))
            .or_else(|| of("attribute/").map(Self::Attribute))
            .or_else(|| {
                let (item, key) = name.strip_prefix("desk/")?.split_once('/')?;
                Some(Self::Desk(item.to_owned(), key.to_owned()))
            })
            .or_else(|| known.into_iter().find(|register| register.to_string() == name))
    }

    /// The register of the tenant's word for this one.
    #[must_use]
    pub fn proven(self) -> Self {
        Self::Proven(Box::new(self))
    }

    /// Reads the name of something that is said of a visitor.
    fn parse_claim(name: &str) -> Option<Self> {
        let known = [Self::Name, Self::Email, Self::Locale];
        match name.strip_prefix("attribute/") {
            Some(attribute) => Some(Self::Attribute(attribute.to_owned())),
            None => known.into_iter().find(|register| register.to_string() == name),
        }
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered(reader) => write!(f, "delivered/{}", reader.as_str()),
            Self::ReadByVisitor => f.write_str("read/visitor"),
            Self::ReadBy(agent) => write!(f, "read/agent/{agent}"),
            Self::Status => f.write_str("status"),
            Self::Assignee => f.write_str("assignee"),
            Self::Team => f.write_str("team"),
            Self::Label(label) => write!(f, "label/{label}"),
            Self::Name => f.write_str("name"),
            Self::Email => f.write_str("email"),
            Self::Locale => f.write_str("locale"),
            Self::Attribute(name) => write!(f, "attribute/{name}"),
            Self::Score => f.write_str("score"),
            Self::Desk(item, key) => write!(f, "desk/{item}/{key}"),
            Self::Proven(of) => write!(f, "proven/{of}"),
        }
    }
}

// === impl Reader ===

impl Reader {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Visitor, Self::Agent];

    /// As records and stores spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Agent => "agent",
        }
    }
}

// === impl Status ===

impl Status {
    /// As JSON spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Snoozed => "snoozed",
            Self::Closed => "closed",
        }
    }

    /// Reads what [`as_str`](Self::as_str) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Snoozed, Self::Closed].into_iter().find(|is| is.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_reads_back_by_its_name() {
        for register in [
            Register::Delivered(Reader::Agent),
            Register::ReadByVisitor,
            Register::ReadBy("ann/of/sales".to_owned()),
            Register::Status,
            Register::Assignee,
            Register::Team,
            Register::Label("status".to_owned()),
            Register::Name,
            Register::Email,
            Register::Locale,
            Register::Attribute(String::new()),
            Register::Score,
            Register::Desk("reply".to_owned(), "a/b".to_owned()),
            Register::Email.proven(),
            Register::Attribute("proven/a".to_owned()).proven(),
        ] {
            assert_eq!(Register::parse(&register.to_string()), Some(register));
        }
        for odd in ["mood", "proven/status", "proven/proven/name", "proven/"] {
            assert_eq!(Register::parse(odd), None, "{odd}");
        }
    }
}
