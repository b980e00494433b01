//! A link: a connection to the servers that is kept, and an inbox of our own for the answers.
//!
//! async-nats' own requests keep a map entry for ever when no answer comes, and its client sends
//! what sat in its queue after a reconnect, however old that is by then: a publish that was given
//! up minutes ago would be committed beyond the duplicate window. So a link owns its inbox, and a
//! client is thrown away, with what it had queued, when its connection is lost for longer than one
//! immediate try.

mod dial;
mod inbox;
mod leadership;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{Client, HeaderMap, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use parlor_common::{
    deadline::in_time,
    drain::Drain,
    planted::{self, Fault},
    random::Random,
};
use tokio::{
    sync::{Notify, watch},
    time::{timeout, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use self::{
    dial::{Connection, Dialer},
    inbox::Inbox,
    leadership::Leadership,
};
use super::{metrics::LinkMetrics, settings::JetStreamSettings};
use crate::LogError;

/// How long an echo may take before a doubted connection is taken for gone.
const ECHO_WAIT: Duration = Duration::from_secs(1);

/// A kept connection. Cheap to clone; when the last clone is dropped the connection is closed.
#[derive(Clone, Debug)]
pub(super) struct Link {
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

#[derive(Debug)]
struct Shared {
    name: &'static str,
    inbox: Inbox,
    random: Random,
    client: watch::Sender<Option<Arc<Client>>>,
    doubt: Notify,
    leadership: Leadership,
    /// How many servers there are to choose from.
    servers: usize,
    metrics: LinkMetrics,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// Nobody knows whether the question arrived.
    #[error("no answer in time")]
    TimedOut,
    /// Nobody knows whether the question arrived.
    #[error("the connection is lost")]
    Disconnected,
    /// It did not arrive anywhere.
    #[error("nobody is there to answer")]
    NoResponders,
    /// It was never sent.
    #[error("it is larger than the servers take, or its subject is none")]
    Unsendable,
}

/// Why a connection is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    Connection,
    /// It stands, and leads to no leader.
    Leader,
}

// === impl NoAnswer ===

impl From<NoAnswer> for LogError {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::Unsendable => Self::Rejected(none.to_string()),
            NoAnswer::TimedOut | NoAnswer::Disconnected | NoAnswer::NoResponders => {
                Self::Unavailable(none.to_string())
            }
        }
    }
}

// === impl Link ===

impl Link {
    /// Connects, and keeps it so until the drain begins or the last clone is dropped. `name` is
    /// `publish` or `read`.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] where no server can be reached, [`LogError::Rejected`] where they
    /// refuse the credentials.
    pub(super) async fn connect(
        name: &'static str,
        settings: &JetStreamSettings,
        random: &Random,
        drain: &Drain,
        metrics: LinkMetrics,
    ) -> Result<Self, LogError> {
        let shared = Arc::new(Shared {
            name,
            inbox: Inbox::new(random, metrics.waiting.clone()),
            random: random.clone(),
            client: watch::Sender::new(None),
            doubt: Notify::new(),
            leadership: Leadership::default(),
            servers: settings.urls.len(),
            metrics,
        });
        let mut dialer = Dialer::new(settings, name, shared.inbox.wildcard(), random.clone())?;
        let connection = dialer.once().await?;
        shared.client.send_replace(Some(connection.client.clone()));
        let stop = CancellationToken::new();
        let guard = Arc::new(stop.clone().drop_guard());
        drop(drain.spawn(shared.clone().keep(dialer, connection, stop, drain.clone())));
        Ok(Self { shared, _stop: guard })
    }

    /// Asks one question and waits for the one answer.
    pub(super) async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        wait: Duration,
    ) -> Result<Message, NoAnswer> {
        let (reply, answer) = self.shared.inbox.one();
        let asked = async {
            let client = self.client().await;
            self.send(&client, subject, Some(reply), headers, payload).await?;
            answer.answer().await.ok_or(NoAnswer::Disconnected)
        };
        match in_time(wait, |_| self.unanswered(), asked).await {
            Ok(message) if message.status == Some(StatusCode::NO_RESPONDERS) => {
                Err(NoAnswer::NoResponders)
            }
            answer => answer,
        }
    }

    /// Asks a question whose answers are `capacity` messages at most, and all carry the reply's
    /// subject.
    pub(super) async fn ask_many(
        &self,
        subject: String,
        payload: Bytes,
        capacity: usize,
        deadline: Instant,
    ) -> Result<inbox::Many, NoAnswer> {
        let (reply, answers) = self.shared.inbox.many(capacity);
        let asked = async {
            let client = self.client().await;
            self.send(&client, subject, Some(reply), None, payload).await
        };
        match timeout_at(deadline.into(), asked).await {
            Ok(sent) => sent.map(|()| answers),
            Err(_) => Err(self.unanswered()),
        }
    }

    /// Sends without asking for an answer. Everything before a [`flush`](Self::flush) that returns
    /// is with the kernel.
    pub(super) async fn publish(
        &self,
        subject: String,
        payload: Bytes,
        wait: Duration,
    ) -> Result<(), NoAnswer> {
        self.publish_from(subject, None, payload, wait).await
    }

    /// Sends with a reply subject, to which a subscription of the caller listens.
    pub(super) async fn publish_from(
        &self,
        subject: String,
        reply: Option<String>,
        payload: Bytes,
        wait: Duration,
    ) -> Result<(), NoAnswer> {
        let sent = async {
            let client = self.client().await;
            self.send(&client, subject, reply, None, payload).await
        };
        in_time(wait, |_| self.unanswered(), sent).await
    }

    /// Waits until what was published has left.
    pub(super) async fn flush(&self, wait: Duration) -> Result<(), NoAnswer> {
        let flushed =
            async { self.client().await.flush().await.map_err(|_| NoAnswer::Disconnected) };
        in_time(wait, |_| self.unanswered(), flushed).await
    }

    /// A subject that nobody else has.
    pub(super) fn unique_subject(&self) -> String {
        inbox::unique(&self.shared.random)
    }

    /// A subscription of the caller's own. It ends when the connection is lost.
    pub(super) async fn subscribe(
        &self,
        subject: String,
        wait: Duration,
    ) -> Result<Subscriber, NoAnswer> {
        let subscribed = async {
            let client = self.client().await;
            client.subscribe(subject).await.map_err(|_| NoAnswer::Disconnected)
        };
        in_time(wait, |_| self.unanswered(), subscribed).await
    }

    /// Says that the connection may be gone: it proves the contrary by an echo, or is made again.
    pub(super) fn doubt(&self) {
        self.shared.doubt.notify_one();
    }

    /// Says what came of a question to a leader, that was `asked` then. Where none was answered for
    /// some seconds, the next server is dialled: this one may have lost its cluster.
    pub(super) fn led(&self, answered: bool, asked: Instant) {
        if answered {
            self.shared.leadership.proven();
        } else if self.shared.servers > 1 {
            self.shared.leadership.failed(asked, Instant::now());
        }
    }

    /// The version of the server that it is connected to, as it calls it.
    pub(super) fn server_version(&self) -> Option<String> {
        let client = self.shared.client.borrow().clone()?;
        client.try_server_info().map(|info| info.version)
    }

    /// Whether the server that it is connected to is one of a cluster.
    pub(super) fn clustered(&self) -> bool {
        let client = self.shared.client.borrow().clone();
        client
            .and_then(|client| client.try_server_info()?.cluster)
            .is_some_and(|cluster| !cluster.is_empty())
    }

    async fn send(
        &self,
        client: &Client,
        subject: String,
        reply: Option<String>,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<(), NoAnswer> {
        use async_nats::client::PublishErrorKind;

        let sent = match (reply, headers) {
            (Some(reply), Some(headers)) => {
                client.publish_with_reply_and_headers(subject, reply, headers, payload).await
            }
            (Some(reply), None) => client.publish_with_reply(subject, reply, payload).await,
            (None, Some(headers)) => client.publish_with_headers(subject, headers, payload).await,
            (None, None) => client.publish(subject, payload).await,
        };
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded | PublishErrorKind::InvalidSubject => {
                NoAnswer::Unsendable
            }
            PublishErrorKind::Send => NoAnswer::Disconnected,
        })
    }

    /// The client of the connection that stands, as soon as one does; the caller has the deadline.
    async fn client(&self) -> Arc<Client> {
        let mut current = self.shared.client.subscribe();
        loop {
            if let Some(client) = current.borrow_and_update().clone() {
                return client;
            }
            if current.changed().await.is_err() {
                // The sender lives in `self.shared`.
                return std::future::pending().await;
            }
        }
    }

    fn unanswered(&self) -> NoAnswer {
        self.shared.metrics.unanswered.inc();
        self.doubt();
        NoAnswer::TimedOut
    }
}

// === impl Shared ===

impl Shared {
    /// Keeps a connection until it is told to stop.
    async fn keep(
        self: Arc<Self>,
        mut dialer: Dialer,
        mut connection: Connection,
        stop: CancellationToken,
        drain: Drain,
    ) {
        planted::panic_if(Fault::PanicInLink);
        let serving = async {
            loop {
                if self.serve(&mut connection).await == Lost::Leader {
                    dialer.leave();
                }
                self.client.send_replace(None);
                self.inbox.fail();
                self.metrics.lost.inc();
                warn!(
                    connection = self.name,
                    "the connection to the log's servers is lost: connecting again"
                );
                connection = dialer.until_connected().await;
                self.client.send_replace(Some(connection.client.clone()));
                info!(connection = self.name, "connected to the log's servers again");
            }
        };
        tokio::select! {
            () = drain.draining() => {}
            () = stop.cancelled() => {}
            () = serving => {}
        }
        self.client.send_replace(None);
        self.inbox.fail();
    }

    /// Hands out answers until the connection is lost, doubted and silent, or leads to no leader.
    async fn serve(&self, connection: &mut Connection) -> Lost {
        let mut echo_until = None;
        self.leadership.begin(Instant::now()).await;
        loop {
            let silent = async {
                match echo_until {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                message = connection.inbox.next() => match message {
                    Some(message) => {
                        echo_until = None;
                        self.inbox.deliver(message);
                    }
                    None => return Lost::Connection,
                },
                () = self.doubt.notified(), if echo_until.is_none() => {
                    let echo = connection.client.publish(self.inbox.echo(), Bytes::new());
                    if !matches!(timeout(ECHO_WAIT, echo).await, Ok(Ok(()))) {
                        return Lost::Connection;
                    }
                    echo_until = Some(tokio::time::Instant::now() + ECHO_WAIT);
                }
                () = self.leadership.lost() => {
                    warn!(
                        connection = self.name,
                        "no leader answers by this server of the log: the next one is dialled"
                    );
                    return Lost::Leader;
                }
                () = silent => {
                    warn!(connection = self.name, "the log's server is silent");
                    return Lost::Connection;
                }
            }
        }
    }
}
