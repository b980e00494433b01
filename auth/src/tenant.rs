//! A tenant: a customer of the installation, and what its pages and visitors may do.

use std::fmt;

use parlor_common::tenant::TenantId;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::{origin::OriginRule, rate::Rate};

/// A customer of the installation.
#[derive(Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name.
    pub id: TenantId,
    /// Where its pages may come from.
    pub origins: Vec<OriginRule>,
    /// The key its pages show, where it has one. It names the tenant to people, and is no secret.
    pub publishable_key: Option<String>,
    /// Whether a visitor's REST request must show it.
    pub publishable_key_required: bool,
    /// Whether it is served no more.
    pub suspended: bool,
    /// What differs from the installation's limits.
    pub limits: TenantLimits,
}

/// A tenant's own limits; what is not here is the installation's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantLimits {
    /// Messages of all its visitors and agents.
    pub messages: Option<Rate>,
    /// Messages of each of its visitors.
    pub visitor_messages: Option<Rate>,
    /// Bytes of the texts of all its visitors and agents.
    pub bytes: Option<Rate>,
    /// Bytes of the texts of each of its visitors.
    pub visitor_bytes: Option<Rate>,
}

// === impl Tenant ===

impl Tenant {
    /// One that is invented for its name: its pages come from this machine.
    pub(crate) fn development(id: TenantId) -> Self {
        Self {
            id,
            origins: vec![OriginRule::Loopback],
            publishable_key: None,
            publishable_key_required: false,
            suspended: false,
            limits: TenantLimits::default(),
        }
    }

    /// Whether `shown` is the tenant's publishable key. The comparison takes constant time although
    /// pages show the key: a caller that has not seen it must not learn it here.
    pub fn has_publishable_key(&self, shown: &str) -> bool {
        self.publishable_key
            .as_ref()
            .is_some_and(|key| bool::from(key.as_bytes().ct_eq(shown.as_bytes())))
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant")
            .field("id", &self.id)
            .field("suspended", &self.suspended)
            .finish_non_exhaustive()
    }
}
