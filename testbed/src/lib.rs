//! Everything that stands in for the world around Parlor: real servers and nodes as processes, the
//! balancer, networks that break, and clients. For development only: the tests of every crate use
//! it, and a developer through its commands.

pub mod balancer;
pub mod client;
pub mod clock;
pub mod defaults;
pub mod disk;
#[cfg(feature = "insides")]
pub mod faulty;
#[cfg(feature = "insides")]
pub mod installation;
pub mod network;
pub mod nodes;
pub mod place;
pub mod planted;
pub mod process;
pub mod secrets;
pub mod servers;
pub mod tiers;
pub mod wait;
