//! The connection to a database: a session that gives up in time, and what is asked through it.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use scylla::{
    client::{
        PoolSize, execution_profile::ExecutionProfile, session::Session,
        session_builder::SessionBuilder,
    },
    deserialize::row::DeserializeRow,
    policies::{load_balancing::DefaultPolicy, retry::DefaultRetryPolicy},
    serialize::row::SerializeRow,
    statement::{
        Consistency,
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
};
use tracing::{info, warn};

use super::{
    CqlSettings,
    error::unavailable,
    plan::{Bound, Write, plan},
    statements::Statements,
};
use crate::{Metrics, StoreError, row::Kept};

/// Connections to each node. A pool per shard, the driver's default, is one connection alone on
/// Cassandra.
const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");
/// How soon a silent connection is noticed, and then closed; the driver's defaults take a minute
/// for both together.
const KEEPALIVE: Duration = Duration::from_secs(3);
/// How long the first connection may take: every node named, one after the other, and what they
/// tell of the cluster.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);

/// A session and its statements.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) statements: Statements,
    pub(super) metrics: Metrics,
    session: Session,
    request_timeout: Duration,
    pub(super) in_flight: usize,
    bound: Bound,
    standing: Standing,
}

/// Whether the database answers, which is told once when it changes.
#[derive(Debug)]
struct Standing(Mutex<(Instant, bool)>);

/// Without an answer for as long the database is away; before, a request may have been unlucky.
const AWAY: Duration = Duration::from_secs(2);

// === impl Standing ===

impl Standing {
    fn new() -> Self {
        Self(Mutex::new((Instant::now(), false)))
    }

    fn note(&self, failure: Option<&StoreError>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (answered, away) = *state;
        match failure {
            Some(error @ StoreError::Unavailable(_)) => {
                if !away && answered.elapsed() >= AWAY {
                    state.1 = true;
                    warn!(%error, "the database does not answer");
                }
            }
            Some(StoreError::Rejected(_)) | None => {
                *state = (Instant::now(), false);
                if away {
                    info!("the database answers again");
                }
            }
        }
    }
}

// === impl Connection ===

impl Connection {
    pub(super) async fn new(
        session: Session,
        settings: &CqlSettings,
        metrics: Metrics,
    ) -> Result<Self, StoreError> {
        let statements = Statements::prepare(&session, &settings.keyspace).await?;
        let bound = Bound { rows: settings.batch_rows, bytes: settings.batch_bytes };
        let &CqlSettings { request_timeout, in_flight, .. } = settings;
        let standing = Standing::new();
        Ok(Self { statements, metrics, session, request_timeout, in_flight, bound, standing })
    }

    /// Writes what is kept, with a bounded number of statements at once. The first failure ends it,
    /// at the latest a request timeout after the last statement that succeeded.
    pub(super) async fn insert(&self, kept: &Kept) -> Result<(), StoreError> {
        let mut batches = plan(kept, self.bound).into_iter();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.in_flight
                && let Some(batch) = batches.next()
            {
                running.push(self.write(batch));
            }
            match running.next().await {
                Some(written) => written?,
                None => return Ok(()),
            }
        }
    }

    async fn write(&self, writes: Vec<Write<'_>>) -> Result<(), StoreError> {
        let written = match writes.as_slice() {
            [write] => {
                Box::pin(self.session.execute_unpaged(self.statements.of(write), write)).await
            }
            writes => {
                let statements =
                    writes.iter().map(|write| self.statements.of(write).clone().into()).collect();
                let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
                batch.set_is_idempotent(true);
                Box::pin(self.session.batch(&batch, writes)).await
            }
        };
        written.map(drop).map_err(unavailable)
    }

    /// One statement that changes something.
    pub(super) async fn execute(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<(), StoreError> {
        Box::pin(self.session.execute_unpaged(statement, values))
            .await
            .map(drop)
            .map_err(unavailable)
    }

    /// The rows that a statement finds. What cannot be read as such a row is skipped and counted.
    pub(super) async fn select<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, StoreError>
    where
        R: for<'frame, 'spec> DeserializeRow<'frame, 'spec>,
    {
        // Boxed, as the driver's future takes some 8 KiB and a read holds several of these.
        let result =
            Box::pin(self.session.execute_unpaged(statement, values)).await.map_err(unavailable)?;
        let rows = result.into_rows_result().map_err(unavailable)?;
        let rows = rows.rows::<R>().map_err(unavailable)?;
        Ok(rows
            .filter_map(|row| row.inspect_err(|_| self.metrics.skipped_rows.inc()).ok())
            .collect())
    }

    /// Bounds a read that may take several statements.
    pub(super) async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let answer = tokio::time::timeout(self.request_timeout, answer).await;
        let answer = answer.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("the database did not answer in time".to_owned()))
        });
        self.standing.note(answer.as_ref().err());
        answer
    }
}

// === sessions ===

/// A session whose requests end within `request_timeout`, and which connects again by itself.
pub(super) async fn open(
    settings: &CqlSettings,
    request_timeout: Duration,
) -> Result<Session, StoreError> {
    settings.check()?;
    let mut balancing = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &settings.datacenter {
        balancing = balancing.prefer_datacenter(datacenter.clone());
    }
    let profile = ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .request_timeout(Some(request_timeout))
        .retry_policy(Arc::new(DefaultRetryPolicy::new()))
        .load_balancing_policy(balancing.build())
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(&settings.nodes)
        .default_execution_profile_handle(profile.into_handle())
        .pool_size(PoolSize::PerHost(CONNECTIONS))
        .keepalive_interval(KEEPALIVE)
        .keepalive_timeout(KEEPALIVE)
        .connection_timeout(settings.request_timeout)
        .hostname_resolution_timeout(Some(settings.request_timeout))
        .metadata_request_clientside_timeout(settings.request_timeout)
        .keyspaces_to_fetch([&settings.keyspace])
        .fetch_full_schema_metadata(false)
        .refresh_metadata_on_auto_schema_agreement(false);
    if let Some(user) = &settings.user {
        builder = builder.user(user, settings.password.clone().unwrap_or_default());
    }
    match tokio::time::timeout(CONNECT_DEADLINE, builder.build()).await {
        Ok(session) => session.map_err(unavailable),
        Err(_) => Err(StoreError::Unavailable(format!(
            "no node of {:?} answered in time",
            settings.nodes
        ))),
    }
}
