//! The catalogue of faults: each is broken and mended on a topology of processes while the load
//! runs, and judged by what must be seen.

mod actors;
mod bound;
mod catalogue;
mod deed;
mod figures;
mod index;
mod judge;
mod moments;
mod prove;
mod row;
mod script;
mod size;
mod watch;

pub(crate) use self::prove::Prove;
