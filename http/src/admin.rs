//! The admin port: readiness, and what shows it and the metrics.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use parlor_common::metrics::{self, Registry};

/// Whether the node should be given traffic. Cheap to clone.
///
/// Each part adds a check that answers at once, from what it sampled itself.
#[derive(Clone, Default)]
pub struct Readiness {
    checks: Arc<Vec<(&'static str, Box<Check>)>>,
    draining: Arc<AtomicBool>,
}

type Check = dyn Fn() -> Result<(), String> + Send + Sync;

// === impl Readiness ===

impl Readiness {
    /// Asks these parts, each by its name.
    pub fn new(checks: Vec<(&'static str, Box<Check>)>) -> Self {
        Self { checks: Arc::new(checks), draining: Arc::default() }
    }

    /// From now on the node asks for no more traffic.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the node should be given traffic.
    ///
    /// # Errors
    /// A line for each part that is not well.
    pub fn check(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("draining".to_owned());
        }
        let ask = |(part, check): &(&str, Box<Check>)| {
            check().err().map(|trouble| format!("{part}: {trouble}"))
        };
        let troubles: Vec<_> = self.checks.iter().filter_map(ask).collect();
        if troubles.is_empty() { Ok(()) } else { Err(troubles.join("\n")) }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").field("check", &self.check()).finish()
    }
}

/// The admin port: `/live`, `/ready`, `/metrics`.
pub fn admin(registry: Registry, readiness: Readiness) -> Router {
    Router::new()
        .route("/live", get(async || "live\n"))
        .route("/ready", get(ready))
        .with_state(readiness)
        .route("/metrics", get(show_metrics).with_state(registry))
}

async fn ready(State(readiness): State<Readiness>) -> impl IntoResponse {
    match readiness.check() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
    }
}

async fn show_metrics(State(registry): State<Registry>) -> impl IntoResponse {
    match metrics::text(&registry) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::TEXT_FORMAT)], text).into_response(),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!(
                "{error}
"
            ),
        )
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_all_its_parts_are_well_and_it_does_not_drain() {
        let well = Arc::new(AtomicBool::new(false));
        let asked = well.clone();
        let check =
            move || if asked.load(Ordering::Relaxed) { Ok(()) } else { Err("gone".to_owned()) };
        let readiness =
            Readiness::new(vec![("log", Box::new(check)), ("clock", Box::new(|| Ok(())))]);
        assert_eq!(readiness.check(), Err("log: gone".to_owned()));
        well.store(true, Ordering::Relaxed);
        assert_eq!(readiness.check(), Ok(()));
        readiness.drain();
        assert_eq!(readiness.check(), Err("draining".to_owned()));
    }
}
