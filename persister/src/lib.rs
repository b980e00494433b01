//! The persister: the consumer that writes the store. What a consumer does is
//! [`parlor_log::consumer`]; here is what this one keeps its events with.

mod metrics;
mod sink;

pub use self::{metrics::Metrics, sink::StoreSink};
