//! The tenant: a customer of the installation, and part of every key that leaves a process.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A tenant's checked name: `[a-z0-9][a-z0-9._-]{0,63}`.
///
/// Made only from a name that was checked or a credential that was verified; never a metric label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

/// The name cannot be a tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tenant's name has 1 to 64 of a-z, 0-9, '.', '_' and '-', the first a letter or digit")]
pub struct BadTenant;

impl TenantId {
    /// Trims and lower-cases `name`, then checks it.
    ///
    /// # Errors
    /// [`BadTenant`] where what is left is no tenant's name.
    pub fn parse(name: &str) -> Result<Self, BadTenant> {
        let name = name.trim().to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let allowed = |byte: u8| plain(byte) || matches!(byte, b'.' | b'_' | b'-');
        let checked =
            name.len() <= 64 && name.bytes().next().is_some_and(plain) && name.bytes().all(allowed);
        if checked { Ok(Self(name.into())) } else { Err(BadTenant) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({})", self.0)
    }
}

impl TryFrom<String> for TenantId {
    type Error = BadTenant;

    fn try_from(name: String) -> Result<Self, BadTenant> {
        Self::parse(&name)
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_lower_cased() {
        assert_eq!(TenantId::parse("  My-Shop.Example \t").unwrap().as_str(), "my-shop.example");
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        let long = "a".repeat(65);
        for name in [
            "",
            "  ",
            ".a",
            "-a",
            "_a",
            "a b",
            "a*",
            "a>",
            "é",
            "a/b",
            "a\u{0}",
            "ａ",
            long.as_str(),
        ] {
            assert_eq!(TenantId::parse(name), Err(BadTenant), "{name:?}");
        }
    }
}
