//! Dialling: one server after another, each by a client of its own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{Client, ConnectErrorKind, ConnectOptions, Subscriber};
use parlor_common::random::Random;
use tracing::debug;

use super::super::settings::JetStreamSettings;
use crate::LogError;

/// How long a server may take to greet.
const GREETING_WAIT: Duration = Duration::from_secs(2);

/// A silent connection is asked for a sign of life so often, and is gone after the third question
/// without one. The library's default is 60 s.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Commands that wait for the connection's task, beyond which callers wait. It bounds what is sent
/// at once after the one immediate reconnect.
const QUEUE: usize = 1024;

/// Messages that wait for one subscription's reader; more are dropped, and their reader notices by
/// the sequences.
const SUBSCRIPTION_QUEUE: usize = 65_536;

/// How long a server is avoided that led to no leader, while another one can be tried.
const LEFT_FOR: Duration = Duration::from_secs(30);

/// A connection that stands, and its inbox.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Arc<Client>,
    pub(super) inbox: Subscriber,
}

/// Makes connections to the servers in turn, beginning with any of them.
#[derive(Debug)]
pub(super) struct Dialer {
    settings: JetStreamSettings,
    name: &'static str,
    inbox: String,
    next: usize,
    /// When each server was left because no leader answered by it.
    left: Vec<Option<Instant>>,
    random: Random,
}

// === impl Dialer ===

impl Dialer {
    pub(super) fn new(
        settings: &JetStreamSettings,
        name: &'static str,
        inbox: String,
        random: Random,
    ) -> Result<Self, LogError> {
        settings.check()?;
        let next = usize::try_from(random.below(settings.urls.len() as u64)).unwrap_or(0);
        let left = vec![None; settings.urls.len()];
        let dialer = Self { settings: settings.clone(), name, inbox, next, left, random };
        dialer.options()?;
        Ok(dialer)
    }

    /// Tries each server once.
    pub(super) async fn once(&mut self) -> Result<Connection, LogError> {
        let mut failure = LogError::Unavailable("no server was tried".to_owned());
        let avoided = |left: &Option<Instant>| left.is_some_and(|left| left.elapsed() < LEFT_FOR);
        let avoided: Vec<_> = self.left.iter().map(avoided).collect();
        for server in order(self.next, &avoided) {
            match self.dial(server).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Tries until one answers. Cancel safe, but for the server that was being tried.
    pub(super) async fn until_connected(&mut self) -> Connection {
        let mut pause = 50;
        loop {
            match self.once().await {
                Ok(connection) => return connection,
                Err(error) => {
                    debug!(connection = self.name, %error, "no server of the log can be reached")
                }
            }
            tokio::time::sleep(Duration::from_millis(pause / 2 + self.random.below(pause))).await;
            pause = (pause * 2).min(1000);
        }
    }

    /// No leader answered by the last server, so the others come first for a while.
    pub(super) fn leave(&mut self) {
        let last = self.next.wrapping_sub(1) % self.left.len();
        self.left[last] = Some(Instant::now());
    }

    async fn dial(&mut self, server: usize) -> Result<Connection, LogError> {
        let url = self.settings.urls[server].clone();
        self.next = server + 1;
        let failed = |error: &async_nats::ConnectError| match error.kind() {
            ConnectErrorKind::ServerParse => {
                LogError::Rejected("an address in nats.urls cannot be read".to_owned())
            }
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                LogError::Rejected(format!("the server does not let us in: {error}"))
            }
            ConnectErrorKind::Dns
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::Tls
            | ConnectErrorKind::Io
            | ConnectErrorKind::MaxReconnects => LogError::Unavailable(error.to_string()),
        };
        let client = self.options()?.connect(url).await.map_err(|error| failed(&error))?;
        let inbox = client
            .subscribe(self.inbox.clone())
            .await
            .map_err(|_| LogError::Unavailable("the connection was lost at once".to_owned()))?;
        Ok(Connection { client: Arc::new(client), inbox })
    }

    fn options(&self) -> Result<ConnectOptions, LogError> {
        let JetStreamSettings { user, password, nkey, credentials, ca_file, .. } = &self.settings;
        let mut options = ConnectOptions::new()
            .name(format!("parlor {}", self.name))
            .connection_timeout(GREETING_WAIT)
            .ping_interval(PING_EVERY)
            .client_capacity(QUEUE)
            .subscription_capacity(SUBSCRIPTION_QUEUE)
            // One immediate try, which keeps subscriptions over a blip; then the client ends and
            // drops what it had queued.
            .max_reconnects(1)
            .ignore_discovered_servers();
        if let (Some(user), Some(password)) = (user, password) {
            options = options.user_and_password(user.clone(), password.clone());
        }
        if let Some(nkey) = nkey {
            options = options.nkey(nkey.clone());
        }
        if let Some(credentials) = credentials {
            options = options
                .credentials(credentials)
                .map_err(|error| LogError::Rejected(format!("nats.credentials: {error}")))?;
        }
        if let Some(file) = ca_file {
            options = options.add_root_certificates(file.clone());
        }
        Ok(options)
    }
}

/// In which order the servers are tried, beginning with the next one: those that led to no leader
/// come last, and are tried all the same, since each of the others may be gone.
fn order(next: usize, avoided: &[bool]) -> Vec<usize> {
    let count = avoided.len();
    let mut order: Vec<_> = (next..next + count).map(|server| server % count).collect();
    order.sort_by_key(|server| avoided[*server]);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_tried_once_and_those_that_were_left_come_last() {
        assert_eq!(order(1, &[false; 3]), [1, 2, 0]);
        assert_eq!(order(4, &[false, true, false]), [2, 0, 1]);
        // The only one that was not left may be the one that is gone.
        assert_eq!(order(2, &[true, false, true]), [1, 2, 0]);
        assert_eq!(order(0, &[true, true, true]), [0, 1, 2]);
    }
}
