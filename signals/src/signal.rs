//! The signal: whom it is about, of what class it is, and what it says.

use bytes::Bytes;
use parlor_common::{
    conversation::{parse_tenant_token, tenant_token},
    id::ConversationId,
    shard::Shard,
    tenant::TenantId,
};

/// What one node tells the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Whom it is about.
    pub address: Address,
    /// How soon it is shed.
    pub class: Class,
    /// What it says, [`MAX_BODY_BYTES`](crate::MAX_BODY_BYTES) at most.
    pub body: Bytes,
}

/// Whom a signal is about: a tenant, and one of its conversations where it is about one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which conversation it is about; `None` for the tenant as a whole.
    pub conversation: Option<ConversationId>,
}

/// Classes of signals, in the order in which they are shed: the first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// What a visitor is about to say.
    Preview,
    /// That somebody types.
    Typing,
    /// Who looks at which visitors, and whether they are online.
    Visitor,
    /// Which agents are online, and what they have open.
    Roster,
}

/// Stands in a subject where a conversation would.
const NO_CONVERSATION: &str = "all";

// === impl Address ===

impl Address {
    /// `sig.<shard>.<tenant>.<conversation>`, with the tenant's token of the log's subjects.
    pub(crate) fn subject(&self, shard: Shard) -> String {
        let tenant = tenant_token(&self.tenant);
        match self.conversation {
            Some(conversation) => format!("sig.{shard}.{tenant}.{conversation}"),
            None => format!("sig.{shard}.{tenant}.{NO_CONVERSATION}"),
        }
    }

    /// All subjects of a shard, as a NATS wildcard.
    pub(crate) fn subjects(shard: Shard) -> String {
        format!("sig.{shard}.*.*")
    }

    /// Reads back what [`subject`](Self::subject) wrote; `None` where it is anything else.
    pub(crate) fn from_subject(subject: &str) -> Option<Self> {
        let mut tokens = subject.split('.');
        let (Some("sig"), Some(_), Some(tenant), Some(conversation), None) =
            (tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next())
        else {
            return None;
        };
        let conversation = match conversation {
            NO_CONVERSATION => None,
            id => Some(ConversationId::parse(id).ok()?),
        };
        Some(Self { tenant: parse_tenant_token(tenant).ok()?, conversation })
    }
}

// === impl Class ===

impl Class {
    /// Each of them, in their order.
    pub const ALL: [Self; 4] = [Self::Preview, Self::Typing, Self::Visitor, Self::Roster];

    /// Its label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::Typing => "typing",
            Self::Visitor => "visitor",
            Self::Roster => "roster",
        }
    }

    pub(crate) const fn letter(self) -> u8 {
        self.as_str().as_bytes()[0]
    }

    pub(crate) fn of_letter(letter: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.letter() == letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(tenant: &str, conversation: Option<u8>) -> Address {
        let conversation = conversation.map(|byte| ConversationId::from_bytes([byte; 16]));
        Address { tenant: TenantId::parse(tenant).unwrap(), conversation }
    }

    #[test]
    fn a_subject_has_four_tokens_and_reads_back() {
        let of = address("shop.example", Some(7));
        let subject = of.subject(Shard::new(3));
        assert_eq!(subject, "sig.03.shop~example.07070707070707070707070707070707");
        assert_eq!(Address::from_subject(&subject), Some(of));
        let of = address("shop", None);
        assert_eq!(of.subject(Shard::new(3)), "sig.03.shop.all");
        assert_eq!(Address::from_subject("sig.03.shop.all"), Some(of));
    }

    #[test]
    fn a_foreign_subject_is_none() {
        for subject in
            ["", "sig.03.a", "sig.03.A.all", "sig.03.a.b", "sig.03.a.all.x", "x.03.a.all"]
        {
            assert_eq!(Address::from_subject(subject), None, "{subject}");
        }
    }

    #[test]
    fn every_class_has_a_letter_of_its_own() {
        for class in Class::ALL {
            assert_eq!(Class::of_letter(class.letter()), Some(class));
        }
        assert_eq!(Class::of_letter(b'x'), None);
    }
}
