//! Shards of the log: which one a tenant lives in.

use std::{fmt, num::NonZeroU16};

use crate::tenant::TenantId;

/// One of the log's shards, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(u16);

/// How many shards the log has: 16 in a cluster, 1 embedded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards(NonZeroU16);

// === impl Shard ===

impl Shard {
    /// The only shard of an embedded log.
    pub const ONLY: Self = Self(0);

    /// From its number, counted from 0.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Its number, counted from 0.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

// === impl Shards ===

impl Shards {
    /// One shard, as the embedded log has.
    pub const ONE: Self = Self(NonZeroU16::MIN);

    /// So many shards.
    pub const fn new(count: NonZeroU16) -> Self {
        Self(count)
    }

    /// How many.
    pub const fn count(self) -> u16 {
        self.0.get()
    }

    /// The shard that `tenant` lives in: `crc32(name) mod N`, which a load balancer can compute
    /// too.
    #[expect(clippy::cast_possible_truncation, reason = "the remainder is below a u16")]
    pub fn of(self, tenant: &TenantId) -> Shard {
        Shard((crc32fast::hash(tenant.as_str().as_bytes()) % u32::from(self.count())) as u16)
    }

    /// Every shard.
    pub fn all(self) -> impl Iterator<Item = Shard> {
        (0..self.count()).map(Shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_shard_is_the_crc32_of_its_name() {
        let shards = Shards::new(NonZeroU16::new(16).unwrap());
        // crc32("123456789") is 0xCBF43926, the check value of CRC-32/ISO-HDLC.
        assert_eq!(shards.of(&TenantId::parse("123456789").unwrap()), Shard::new(6));
        assert_eq!(shards.all().count(), 16);
    }
}
