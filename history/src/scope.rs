//! The scope: what a reader follows.

use parlor_common::{
    conversation::{ConversationKey, ConversationSet},
    event::Audience,
    tenant::TenantId,
};

/// What a reader follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// A visitor's conversations.
    Conversations(ConversationSet),
    /// Everything of a tenant, for an agent.
    Tenant(TenantId),
}

impl Scope {
    /// Whose it is.
    pub const fn tenant(&self) -> &TenantId {
        match self {
            Self::Conversations(set) => set.tenant(),
            Self::Tenant(tenant) => tenant,
        }
    }

    /// Who follows it.
    pub const fn audience(&self) -> Audience {
        match self {
            Self::Conversations(_) => Audience::Visitor,
            Self::Tenant(_) => Audience::Agents,
        }
    }

    /// Whether an event of `key` belongs to it.
    pub fn contains(&self, key: &ConversationKey) -> bool {
        match self {
            Self::Conversations(set) => set.contains(key),
            Self::Tenant(tenant) => *tenant == key.tenant,
        }
    }
}
