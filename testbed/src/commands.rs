//! The two areas of the command line.

pub(crate) mod servers;
pub(crate) mod tiers;
