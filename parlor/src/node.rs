//! A node's life: its stages, its admin port, and how it stops.

use std::{net::SocketAddr, time::Duration};

use axum::Router;
use parlor_common::{drain::Drain, random::Random};
use parlor_http::{self as http, HttpSettings, Listener, Readiness};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep},
};
use tracing::{info, warn};

use crate::{exit::Exit, settings::DrainSettings};

/// The stages of a stop, in the order in which messages flow.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    /// Listeners, connections, sockets.
    pub(crate) edge: Drain,
    /// Feeds and persisters.
    pub(crate) middle: Drain,
    /// What the others ask: monitors, the admin port, the log's own tasks.
    pub(crate) base: Drain,
}

/// The signals that end the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Stages ===

impl Stages {
    /// Takes traffic to `app` until the edge drains.
    pub(crate) fn serve(
        &self,
        listener: Listener,
        app: Router,
        settings: &HttpSettings,
        random: &Random,
        metrics: &http::Metrics,
    ) {
        let serve = http::serve(
            listener,
            app,
            settings.clone(),
            random.clone(),
            metrics.clone(),
            self.edge.clone(),
        );
        self.edge.spawn(serve);
    }

    /// Stops everything, stage by stage, within the grace; a second signal ends the process at
    /// once.
    ///
    /// `lingers` says that a balancer has to see first that the node is no longer ready.
    pub(crate) async fn stop(
        &self,
        readiness: &Readiness,
        settings: &DrainSettings,
        lingers: bool,
        signals: &mut Signals,
    ) {
        tokio::select! {
            () = self.stop_in_order(readiness, settings, lingers) => {}
            () = signals.next() => {
                warn!("a second signal: ending at once");
                std::process::exit(1);
            }
        }
    }

    async fn stop_in_order(&self, readiness: &Readiness, settings: &DrainSettings, lingers: bool) {
        readiness.drain();
        if lingers {
            info!(linger = ?settings.linger, "stopping: serving on until the balancer has seen it");
            sleep(settings.linger).await;
        }
        info!("stopping: no more connections");
        let deadline = Instant::now() + settings.grace;
        for (stage, drain) in [("edge", &self.edge), ("middle", &self.middle), ("base", &self.base)]
        {
            drain.begin();
            // The last stages get a moment even where the first took all the grace.
            let left =
                deadline.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
            if !drain.finished(left).await {
                warn!(stage, tasks = drain.tasks(), "not everything ended within the grace");
            }
        }
    }
}

// === impl Signals ===

impl Signals {
    /// Listens for SIGTERM and SIGINT from now on.
    pub(crate) fn new() -> Result<Self, Exit> {
        let listen = |kind| signal(kind).map_err(Exit::internal);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one. Cancel safe.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Where the node takes connections: the socket that a service manager has handed over, or else an
/// address of its own. Before anything is built.
pub(crate) async fn listen(
    name: &str,
    address: SocketAddr,
    handed: Option<std::net::TcpListener>,
) -> Result<Listener, Exit> {
    match handed {
        Some(handed) => TcpListener::from_std(handed).map(Listener::Handed).map_err(|error| {
            Exit::unavailable(format_args!("the socket handed over for {name}: {error}"))
        }),
        None => TcpListener::bind(address).await.map(Listener::Own).map_err(|error| {
            Exit::unavailable(format_args!("{name} = {address} cannot be listened on: {error}"))
        }),
    }
}
