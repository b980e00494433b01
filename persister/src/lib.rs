//! The persister: the consumer that writes the store, and the trimmer, which lets go of what is
//! stored. What a consumer does is [`parlor_log::consumer`]; here is what this one keeps its events
//! with.

mod metrics;
mod settings;
mod sink;
mod trimmer;

pub use self::{
    metrics::{Metrics, TrimMetrics},
    settings::TrimSettings,
    sink::StoreSink,
    trimmer::Trimmer,
};
