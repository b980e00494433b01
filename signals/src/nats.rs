//! Signals between nodes over core NATS, by a connection of their own: a flood of signals never
//! stands in the way of an append.
//!
//! What is published while the servers are away is dropped; of what was in the connection's own
//! queue when they went, whoever receives it drops what is too old.

mod listener;
mod settings;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use bytes::Bytes;
use parlor_common::{
    clock::Clock,
    drain::Drain,
    shard::{Shard, Shards},
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::{info, warn};

use self::listener::NatsListener;
pub use self::settings::NatsSignalsSettings;
use crate::{
    Listener, Signals,
    envelope::{Envelope, MAX_BODY_BYTES},
    metrics::{Direction, Metrics},
    signal::{Class, Signal},
};

/// So many signals wait for the connection; more are dropped.
const QUEUE: usize = 1_024;
/// So many signals wait for a listener; more are dropped by the library, uncounted.
const LISTENER_QUEUE: usize = 4_096;
/// How long one signal may wait for the connection's own queue.
const SEND_WITHIN: Duration = Duration::from_secs(1);
/// How long a server may take to greet.
const GREETING_WAIT: Duration = Duration::from_secs(2);
/// A silent connection is asked for a sign of life so often.
const PING_EVERY: Duration = Duration::from_secs(5);
/// The longest pause between two tries to connect.
const RETRY_WITHIN: Duration = Duration::from_secs(2);

/// Signals over NATS. Cheap to clone; the connection lasts until the drain begins.
#[derive(Clone, Debug)]
pub struct NatsSignals {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    shards: Shards,
    prefix: String,
    clock: Clock,
    metrics: Metrics,
    client: Client,
    queue: mpsc::Sender<Outgoing>,
    /// Whether the connection stands.
    up: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Outgoing {
    subject: String,
    class: Class,
    payload: Bytes,
}

/// The settings cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NatsSignalsError(String);

// === impl NatsSignals ===

impl NatsSignals {
    /// Begins to connect. Servers that cannot be reached are tried again in the background, since a
    /// node serves without signals.
    ///
    /// # Errors
    /// A sentence for the operator, where an address or a credential cannot be read.
    pub async fn connect(
        settings: &NatsSignalsSettings,
        shards: Shards,
        clock: Clock,
        drain: &Drain,
        metrics: Metrics,
    ) -> Result<Self, NatsSignalsError> {
        let (connected, up) = watch::channel(false);
        let servers = settings.urls.iter().map(|url| url.parse::<ServerAddr>());
        let servers = servers
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| NatsSignalsError("an address in nats.urls cannot be read".to_owned()))?;
        let client = options(settings, connected)?
            .connect(servers)
            .await
            .map_err(|error| NatsSignalsError(error.to_string()))?;
        let (queue, outgoing) = mpsc::channel(QUEUE);
        drain.spawn(send(client.clone(), outgoing, metrics.clone(), drain.clone()));
        let prefix = settings.prefix();
        let shared = Shared { shards, prefix, clock, metrics, client, queue, up };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Signals for NatsSignals {
    fn publish(&self, signal: Signal) {
        let Shared { shards, prefix, clock, metrics, queue, up, .. } = &*self.shared;
        let Signal { address, class, body } = signal;
        // What waited for the servers to come back would be worth nothing by then, and stand in the
        // way of the first that is.
        if body.len() > MAX_BODY_BYTES || !*up.borrow() {
            metrics.dropped(class);
            return;
        }
        let subject = format!("{prefix}{}", address.subject(shards.of(&address.tenant)));
        let payload = Envelope { class, at: clock.now(), body }.write();
        match queue.try_send(Outgoing { subject, class, payload }) {
            Ok(()) => metrics.passed(class, Direction::Sent),
            Err(_) => metrics.dropped(class),
        }
    }

    fn listen(&self, shard: Shard) -> Box<dyn Listener> {
        Box::new(NatsListener::new(self.shared.clone(), shard))
    }
}

/// Hands what was published to the connection, until the drain begins.
async fn send(
    client: Client,
    mut outgoing: mpsc::Receiver<Outgoing>,
    metrics: Metrics,
    drain: Drain,
) {
    let sending = async {
        while let Some(Outgoing { subject, class, payload }) = outgoing.recv().await {
            let sent = timeout(SEND_WITHIN, client.publish(subject, payload)).await;
            if !matches!(sent, Ok(Ok(()))) {
                metrics.dropped(class);
            }
        }
    };
    tokio::select! {
        () = drain.draining() => {}
        () = sending => {}
    }
}

fn options(
    settings: &NatsSignalsSettings,
    connected: watch::Sender<bool>,
) -> Result<ConnectOptions, NatsSignalsError> {
    let connected = Arc::new((connected, AtomicBool::new(false)));
    let mut options = ConnectOptions::new()
        .name("parlor signals")
        .connection_timeout(GREETING_WAIT)
        .ping_interval(PING_EVERY)
        .client_capacity(QUEUE)
        .subscription_capacity(LISTENER_QUEUE)
        .retry_on_initial_connect()
        .reconnect_delay_callback(|tries| {
            let pause = Duration::from_millis(50 << tries.min(6));
            pause.min(RETRY_WITHIN)
        })
        .ignore_discovered_servers()
        .event_callback(move |event| {
            let (connected, refused) = &*connected;
            noted(&event, connected, refused);
            std::future::ready(())
        });
    let NatsSignalsSettings { user, password, nkey, credentials, ca_file, .. } = settings;
    if let (Some(user), Some(password)) = (user, password) {
        options = options.user_and_password(user.clone(), password.clone());
    }
    if let Some(nkey) = nkey {
        options = options.nkey(nkey.clone());
    }
    if let Some(credentials) = credentials {
        options = options
            .credentials(credentials)
            .map_err(|error| NatsSignalsError(format!("nats.credentials: {error}")))?;
    }
    if let Some(file) = ca_file {
        options = options.add_root_certificates(file.clone());
    }
    Ok(options)
}

/// Notes how things stand; of what the server has `refused` it is said once for each connection.
fn noted(event: &Event, connected: &watch::Sender<bool>, refused: &AtomicBool) {
    match event {
        Event::Connected => {
            info!("signals: connected");
            refused.store(false, Ordering::Relaxed);
            connected.send_replace(true);
        }
        Event::Disconnected | Event::Closed => {
            if connected.send_replace(false) {
                warn!("signals: the connection is lost, and made again; messages go on without");
            }
        }
        Event::ServerError(error) => {
            if !refused.swap(true, Ordering::Relaxed) {
                warn!(%error, "signals: the server refuses something");
            }
        }
        Event::SlowConsumer(_) | Event::LameDuckMode | Event::Draining | Event::ClientError(_) => {}
    }
}
