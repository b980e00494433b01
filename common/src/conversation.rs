//! Keys of conversations, alone and in a visitor's small set, and their subject in the log.

use std::fmt;

use crate::{
    author::{Author, AuthorKind},
    id::{ClientMessageId, ConversationId, EventId, VisitorId},
    kind::Kind,
    shard::Shard,
    tenant::TenantId,
};

/// A conversation of a tenant: the key under which the log and the store keep its events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which it is.
    pub id: ConversationId,
}

/// The conversations that one visitor reads as one: the primary's, and those of up to four absorbed
/// visitors.
///
/// New messages go to the primary's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConversationSet {
    tenant: TenantId,
    /// The primary's first. The visitor is known where the visitor itself asks.
    members: Vec<(ConversationId, Option<VisitorId>)>,
    /// Whether the visitor was proven by the tenant.
    is_proven: bool,
}

/// The subject is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the subject of a conversation")]
pub struct BadSubject;

/// How many conversations an open socket may come to follow by links.
const MOST_LINKED: usize = 16;

// === impl ConversationKey ===

impl ConversationKey {
    /// `chat.<shard>.<tenant>.<conversation>`. A tenant's name may hold `.`, which a token may not:
    /// it is written `~`.
    pub fn subject(&self, shard: Shard) -> String {
        format!("chat.{shard}.{}.{}", tenant_token(&self.tenant), self.id)
    }

    /// Reads back what [`subject`](Self::subject) wrote.
    ///
    /// # Errors
    /// [`BadSubject`] where it is anything else.
    pub fn from_subject(subject: &str) -> Result<Self, BadSubject> {
        let mut tokens = subject.split('.');
        let (Some("chat"), Some(_), Some(tenant), Some(id), None) =
            (tokens.next(), tokens.next(), tokens.next(), tokens.next(), tokens.next())
        else {
            return Err(BadSubject);
        };
        let id = ConversationId::parse(id).map_err(|_| BadSubject)?;
        Ok(Self { tenant: parse_tenant_token(tenant)?, id })
    }
}

impl fmt::Display for ConversationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.id)
    }
}

/// The subjects of all conversations of `tenant`, as a NATS wildcard.
pub fn tenant_subjects(tenant: &TenantId, shard: Shard) -> String {
    format!("chat.{shard}.{}.*", tenant_token(tenant))
}

/// The tenant as a token of a subject: a name may hold `.`, which is written `~`.
pub fn tenant_token(tenant: &TenantId) -> String {
    tenant.as_str().replace('.', "~")
}

/// Reads back what [`tenant_token`] wrote.
///
/// # Errors
/// [`BadSubject`] where it is anything else.
pub fn parse_tenant_token(token: &str) -> Result<TenantId, BadSubject> {
    let name = token.replace('~', ".");
    let tenant = TenantId::parse(&name).map_err(|_| BadSubject)?;
    if tenant.as_str() == name { Ok(tenant) } else { Err(BadSubject) }
}

// === impl ConversationSet ===

impl ConversationSet {
    /// The conversations of `primary` and of the visitors it has absorbed.
    pub fn of_visitor(tenant: &TenantId, primary: VisitorId, absorbed: &[VisitorId]) -> Self {
        let visitors = std::iter::once(primary).chain(absorbed.iter().copied());
        Self {
            tenant: tenant.clone(),
            members: visitors
                .map(|visitor| (ConversationId::derive(tenant, visitor), Some(visitor)))
                .collect(),
            is_proven: false,
        }
    }

    /// These, of a visitor whom the tenant has proven.
    #[must_use]
    pub fn proven(self) -> Self {
        Self { is_proven: true, ..self }
    }

    /// Whether the visitor was proven by the tenant.
    pub const fn is_proven(&self) -> bool {
        self.is_proven
    }

    /// One conversation alone, as an agent reads it.
    pub fn only(key: &ConversationKey) -> Self {
        Self { tenant: key.tenant.clone(), members: vec![(key.id, None)], is_proven: false }
    }

    /// Whose they are.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Where new messages go.
    pub fn primary(&self) -> ConversationKey {
        ConversationKey { tenant: self.tenant.clone(), id: self.members[0].0 }
    }

    /// Each of them, the primary's first.
    pub fn keys(&self) -> impl Iterator<Item = ConversationKey> + '_ {
        self.members.iter().map(|&(id, _)| ConversationKey { tenant: self.tenant.clone(), id })
    }

    /// The ids that this author's event of a kind has, or would have had when it was asked for
    /// earlier, in each conversation: the primary's first. An absorbed visitor wrote under its own
    /// id.
    pub fn event_ids(
        &self,
        kind: Kind,
        author: &Author,
        id: &ClientMessageId,
    ) -> Vec<(ConversationKey, EventId)> {
        let derive = |&(conversation, visitor): &(ConversationId, Option<VisitorId>)| {
            let author = match (author.kind, visitor) {
                (AuthorKind::Visitor, Some(visitor)) => {
                    &Author { id: visitor.to_string(), ..author.clone() }
                }
                _ => author,
            };
            let key = ConversationKey { tenant: self.tenant.clone(), id: conversation };
            let event_id = match kind {
                Kind::Message => EventId::derive(&self.tenant, conversation, author, id),
                _ => EventId::of_kind(kind.as_str(), &self.tenant, conversation, author, id),
            };
            (key, event_id)
        };
        self.members.iter().map(derive).collect()
    }

    /// These, once they are part of what `primary` and the visitors it has absorbed read: new
    /// messages go to `primary`'s. There are no more than 16: a browser may have its cookies made
    /// one again and again while a socket stays open.
    #[must_use]
    pub fn linked(&self, primary: VisitorId, absorbed: &[VisitorId]) -> Self {
        let all = Self::of_visitor(&self.tenant, primary, absorbed);
        let mut all = Self { is_proven: self.is_proven, ..all };
        for member in &self.members {
            let is_new = all.members.iter().all(|(known, _)| *known != member.0);
            if is_new && all.members.len() < MOST_LINKED {
                all.members.push(*member);
            }
        }
        all
    }

    /// Whether `key` is one of them.
    pub fn contains(&self, key: &ConversationKey) -> bool {
        key.tenant == self.tenant && self.members.iter().any(|&(id, _)| id == key.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::LinkedBody;

    #[test]
    fn linked_conversations_go_on_in_the_primarys_and_lose_none() {
        let tenant = TenantId::parse("a").unwrap();
        let visitor = |number| VisitorId::from_bytes([number; 16]);
        let keys = |set: &ConversationSet| set.keys().collect::<Vec<_>>();
        let set = |primary, absorbed: &[_]| ConversationSet::of_visitor(&tenant, primary, absorbed);
        let second = set(visitor(2), &[visitor(3)]);
        let linked = second.linked(visitor(1), &[visitor(2)]);
        assert_eq!(keys(&linked), keys(&set(visitor(1), &[visitor(2), visitor(3)])));
        assert_eq!(linked.linked(visitor(1), &[visitor(2)]), linked, "once more changes nothing");
        let many = (4..100).fold(linked, |set, number| set.linked(visitor(number), &[visitor(1)]));
        assert_eq!(many.keys().count(), MOST_LINKED);
        assert_eq!(many.primary(), set(visitor(99), &[]).primary());
    }

    #[test]
    fn nobody_becomes_a_proven_visitor_by_a_link_and_a_proven_one_nobody_else() {
        let tenant = TenantId::parse("a").unwrap();
        let visitor = |number| VisitorId::from_bytes([number; 16]);
        let set = |number, absorbed: &[_]| {
            ConversationSet::of_visitor(&tenant, visitor(number), absorbed)
        };
        let link = |primary, absorbed, proven| LinkedBody {
            visitor: visitor(primary),
            absorbed: vec![visitor(absorbed)],
            proven,
        };
        let of_proven = set(1, &[visitor(2)]).proven();
        assert!(link(1, 2, true).extends(&set(1, &[]).proven()), "its other sockets follow");
        assert!(!link(1, 2, true).extends(&set(2, &[])), "the absorbed one does not");
        assert!(!link(3, 2, false).extends(&of_proven), "it writes as no other");
        assert!(link(3, 2, false).extends(&set(2, &[])), "cookies are one visitor");
        assert!(of_proven.linked(visitor(1), &[visitor(4)]).is_proven());
    }

    #[test]
    fn a_subject_has_four_tokens_and_reads_back() {
        let key = ConversationKey {
            tenant: TenantId::parse("shop.example.com").unwrap(),
            id: ConversationId::from_bytes([7; 16]),
        };
        let subject = key.subject(Shard::new(3));
        assert_eq!(subject, "chat.03.shop~example~com.07070707070707070707070707070707");
        assert_eq!(ConversationKey::from_subject(&subject), Ok(key));
    }

    #[test]
    fn a_foreign_subject_is_refused() {
        let id = "07070707070707070707070707070707";
        for subject in [
            "",
            "chat.03.a",
            &format!("chat.03.A.{id}"),
            &format!("chat.3.a.{id}.x"),
            &format!("x.3.a.{id}"),
        ] {
            assert_eq!(ConversationKey::from_subject(subject), Err(BadSubject), "{subject}");
        }
    }
}
